"""`kill -9` of the station at random moments: nothing that was journaled is lost or doubled."""

import random
import re
import time
from collections import Counter
from io import BytesIO
from pathlib import Path

import pytest
from meterseal.demo.stage import Stage, open_stage, wait_until
from meterseal.trust import load_trust
from meterseal.verify import Standard, Verifier
from meterseal.verify.sources import pieces

JOURNALED = re.compile(r"^debug journal reading sequence=(\d+) ")


def journaled(stage: Stage) -> list[int]:
    """Sequence numbers that the station called durable since the last look."""
    assert stage.board is not None
    matches = (JOURNALED.search(line) for line in stage.board.drain())
    return [int(match.group(1)) for match in matches if match]


def run_and_kill(stage: Stage, kills: int, seed: int) -> list[int]:
    """Start the station `kills` times and end each run without warning; what was journaled."""
    chance = random.Random(seed)
    durable: list[int] = []
    for _ in range(kills):
        stage.start_board()
        time.sleep(chance.uniform(0.05, 3.0))
        stage.kill_board()
        time.sleep(0.05)
        durable += journaled(stage)
    return durable


def drain(stage: Stage) -> list[int]:
    """One more run, until the collector holds everything that was journaled before it."""
    stage.start_board()
    durable: list[int] = []

    def drained() -> bool:
        durable.extend(journaled(stage))
        assert stage.board is not None
        return len(durable) > 8 and stage.head_number() > 0

    wait_until("a drained station", drained, 60, stage.out / "station.log")
    number = stage.head_number()
    wait_until("one batch more", lambda: stage.head_number() > number, 60, stage.out)
    stage.kill_board()
    return durable


@pytest.mark.parametrize(("kills", "seed"), [(6, 1), pytest.param(50, 2, marks=pytest.mark.long)])
def test_an_unbroken_chain_with_every_journaled_reading(
    tmp_path: Path, kills: int, seed: int
) -> None:
    with open_stage(tmp_path / "stage") as stage:
        stage.lay_out_station(stage.start_meter(), log_level="debug")
        stage.write_trust()
        stage.start_collector()
        before = run_and_kill(stage, kills, seed)
        drain(stage)
        verifier = Verifier(trust=load_trust(stage.trust_file), policy=Standard())
        batches = [
            verifier.verify(raw) for _, raw in pieces(BytesIO(stage.get("/v1/export").content))
        ]
    assert [batch.contents.number for batch in batches] == list(range(1, len(batches) + 1))
    assert len({batch.contents.chain for batch in batches}) == 1
    sealed = Counter(int(s) for b in batches for g in b.groups for s in g.sequence)
    assert set(sealed.values()) == {1}
    assert not set(before) - set(sealed)
    assert sorted(sealed) == list(range(1, len(sealed) + 1))
