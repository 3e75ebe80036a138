"""Judging goes on whatever happens to one upload: no upload waits for ever, none takes others."""

import asyncio

import pytest
from meterseal.collector.errors import CollectorError
from meterseal.collector.judging import Judging
from meterseal.trust import parse_trust
from meterseal.verify import Opener
from support.fast_station import FastStation, trust_of


@pytest.fixture(scope="module")
def world():
    station = FastStation()
    return Opener(parse_trust(trust_of([station]))).open_all, station.seals(40)


def judge(open_all, bodies, failing=()):
    """What became of each body, in order; callbacks of bodies in `failing` raise."""
    found = {}

    def done(index, result):
        found[index] = result
        if index in failing:
            raise RuntimeError("a bug behind the judge")

    async def run():
        judging = Judging(open_all)
        for index, body in enumerate(bodies):
            judging.submit(body, lambda result, index=index: done(index, result))
        for _ in range(200):
            if len(found) == len(bodies):
                break
            await asyncio.sleep(0.01)

    asyncio.run(run())
    return [found.get(index) for index in range(len(bodies))]


def test_a_bug_in_one_upload_is_answered_and_the_others_go_on(world):
    open_all, batches = world
    poisoned = batches[20]

    def faulty(pieces):
        if poisoned in pieces:
            raise RuntimeError("a bug in the judge")
        return open_all(pieces)

    found = judge(faulty, [*batches, b"".join(batches[:20]), b"".join(batches[15:])])
    for index, result in enumerate(found):
        if index in (20, 41):
            assert isinstance(result, CollectorError)
            assert (result.status, result.code) == (503, "collector-judging")
        else:
            assert result.refused == [] and len(result.kept) == (20 if index == 40 else 1)


def test_a_judge_that_fails_once_loses_nothing(world):
    open_all, batches = world
    calls = []

    def once(pieces):
        calls.append(len(pieces))
        if len(calls) == 1:
            raise RuntimeError("a bug")
        return open_all(pieces)

    found = judge(once, batches)
    assert [len(result.kept) for result in found] == [1] * 40


def test_an_answer_that_fails_does_not_keep_others_from_theirs(world):
    open_all, batches = world
    found = judge(open_all, batches, failing=(0, 7, 31))
    assert [len(result.kept) for result in found] == [1] * 40
