"""Chains: the vectors, batches in any order, repetition, state saved and taken up again."""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meterseal.errors import Error
from meterseal.models import Finding, Meter
from meterseal.verify import Standard, Verifier
from meterseal.verify.ranges import Ranges, text_of
from meterseal.verify.report import report
from meterseal.verify.state import dump, load, load_file, save_file
from support.host import CHAINS, code_of, make_verifier
from support.station import Station

CHAIN_CODES = {
    "chain-mismatch",
    "previous-mismatch",
    "chain-fork",
    "chain-gap",
    "sequence-gap",
    "sequence-overlap",
    "register-backward",
    "replay",
    "chain-restart",
}
PROVISIONAL = {"chain-gap", "sequence-gap"}


class UnsignedTotal:
    """The register that a chain vector names: an unsigned integer."""

    def __init__(self, function: int, address: int, count: int) -> None:
        self.place = function, address, count

    def rank(self, value: int, order: int) -> int:
        return value

    def wh(self, rank: int) -> float:
        return 0.0

    def exact_mwh(self, rank: int) -> int:
        return rank


class VectorTotals:
    """The same register for every meter."""

    def __init__(self, totals: list[list[int]]) -> None:
        (total,) = totals
        self._total = UnsignedTotal(*total)

    def of(self, meter: Meter) -> UnsignedTotal:
        return self._total


@pytest.mark.parametrize("test", CHAINS["tests"], ids=lambda test: test["id"])
def test_chain_vector(test: dict[str, Any]) -> None:
    verifier = make_verifier(*test["keys"], totals=VectorTotals(test["totals"]))
    found: list[tuple[int, str]] = []
    places: dict[tuple[bytes, int], int] = {}
    batches = [bytes.fromhex(one) for one in test["batches_hex"]]
    for index, verdict in enumerate(verifier.verify_each(batches)):
        if verdict.batch is None:
            assert verdict.refusal is not None
            found.append((index, verdict.refusal.code))
            continue
        places.setdefault((verdict.batch.kid, verdict.batch.number), index)
        codes = {one.code for one in verdict.batch.findings}
        found += [(index, code) for code in codes & CHAIN_CODES - PROVISIONAL]
    for device in report(verifier):
        for chain in device.chains:
            errors = [one for one in chain.findings if one.severity == "error"]
            found += [(places[device.kid, one.number], one.code) for one in errors]
    expected = test["expected"]
    assert found == ([(expected["at"], expected["error"])] if expected["error"] else [])


def final(verifier: Verifier) -> list[Finding]:
    """What is missing at the end."""
    chains = [chain for device in report(verifier) for chain in device.chains]
    return [one for chain in chains for one in chain.findings if one.severity == "error"]


def test_batches_in_any_order_fill_the_gaps() -> None:
    station = Station()
    first, *rest = station.seal_many(6)
    for order in itertools.permutations(rest):
        verifier = station.verifier(Standard())
        for raw in (first, *order):
            assert verifier.verify(raw).fresh
        assert final(verifier) == []
        (device,) = report(verifier)
        assert device.chains[0].batches == 6


def test_a_gap_is_known_until_it_is_filled() -> None:
    station = Station()
    batches = station.seal_many(5)
    verifier = station.verifier(Standard())
    assert station.codes(verifier.verify(batches[0])) == set()
    assert station.codes(verifier.verify(batches[3])) == {"chain-gap"}
    assert [one.code for one in final(verifier)] == ["chain-gap"]
    assert "2 to 3" in final(verifier)[0].text
    verifier.verify(batches[2])
    assert "batches 2 are" in final(verifier)[0].text
    verifier.verify(batches[1])
    assert final(verifier) == []


def test_a_foreign_batch_does_not_fill_a_gap() -> None:
    """Signed by the device, with the right number, but not the batch that the next one names."""
    station = Station()
    batches = station.seal_many(3)
    verifier = station.verifier(Standard())
    verifier.verify(batches[0])
    verifier.verify(batches[2])
    twin = Station()
    twin.seal_many(1)
    other = twin.seal(power=999)
    assert code_of(verifier.verify, other) == "previous-mismatch"
    assert [one.code for one in final(verifier)] == ["chain-gap"]
    assert code_of(verifier.verify, batches[1]) is None


def test_a_refused_batch_changes_nothing() -> None:
    station = Station()
    batches = station.seal_many(3)
    verifier = station.verifier(Standard())
    verifier.verify(batches[0])
    before = dump(verifier.devices)
    fork = Station()
    forked = fork.seal(power=77)
    for bad in (batches[0], forked, batches[1][:-1] + b"\x00"):
        with pytest.raises(Error):
            verifier.verify(bad)
        assert dump(verifier.devices) == before


def test_repetition_is_told_from_a_fork() -> None:
    station = Station()
    first, second = station.seal_many(2)
    verifier = station.verifier(Standard())
    verifier.verify(first)
    verifier.verify(second)
    assert code_of(verifier.verify, first) == "replay"
    fork = Station()
    assert code_of(verifier.verify, fork.seal(power=123)) == "chain-fork"


def test_what_is_too_old_to_compare_is_refused() -> None:
    station = Station()
    batches = station.seal_many(20)
    verifier = station.verifier(Standard(), history_len=4)
    for raw in batches:
        verifier.verify(raw)
    assert code_of(verifier.verify, batches[17]) == "replay"
    assert code_of(verifier.verify, batches[3]) == "replay-unverified"


def test_a_chain_that_is_seen_from_the_middle_on() -> None:
    station = Station()
    batches = station.seal_many(5)
    verifier = station.verifier(Standard())
    assert station.codes(verifier.verify(batches[2])) == {"chain-start"}
    assert station.codes(verifier.verify(batches[3])) == set()
    assert code_of(verifier.verify, batches[1]) == "chain-mismatch"


def test_state_is_taken_up_where_it_was_left(tmp_path: Path) -> None:
    station = Station()
    batches = station.seal_many(8)
    batches.insert(3, batches.pop(5))  # a gap stays open across some of the files
    state = tmp_path / "state.json"
    found = []
    for raw in batches:
        verifier = station.verifier(Standard(), devices=load_file(state))
        found.append(station.codes(verifier.verify(raw)))
        save_file(verifier.devices, state)
    whole = station.verifier(Standard())
    assert found == [station.codes(whole.verify(raw)) for raw in batches]
    assert dump(load_file(state)) == dump(whole.devices)
    resumed = station.verifier(Standard(), devices=load_file(state))
    assert report(resumed) == report(whole)
    assert code_of(resumed.verify, batches[2]) == "replay"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '{"format": "meterseal-verifier-state", "version": 2}', '"x"', "[1]"],
)
def test_what_is_no_state_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text, encoding="utf-8")
    assert code_of(load_file, path) == "state-format"


def test_damaged_state_is_refused() -> None:
    station = Station()
    verifier = station.verifier(Standard())
    for raw in station.seal_many(3):
        verifier.verify(raw)
    document = dump(verifier.devices)
    source = random.Random(4)
    for _ in range(40):
        damaged = json.loads(json.dumps(document))
        device = damaged["devices"][0]
        section = source.choice([device, device["chains"][0], device["meters"][0]])
        del section[source.choice(list(section))]
        assert code_of(load, damaged) == "state-format"


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(-2, 9)), max_size=30))
def test_ranges(pieces: list[tuple[int, int]]) -> None:
    ranges = Ranges()
    members: set[int] = set()
    for first, length in pieces:
        ranges.add(first, first + length - 1)
        members |= set(range(first, first + length))
    assert {one for first, last in ranges for one in range(first, last + 1)} == members
    missing = {one for first, last in ranges.missing(0, 70) for one in range(first, last + 1)}
    assert missing == set(range(71)) - members
    spans = list(ranges)
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(spans))


def test_ranges_for_people() -> None:
    assert text_of([(3, 3), (7, 9)]) == "3, 7 to 9"


def test_policy_is_required() -> None:
    with pytest.raises(TypeError, match="policy"):
        Verifier(trust=Station().trust)  # type: ignore[call-arg]
