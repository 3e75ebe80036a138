"""`kill -9` of the station in every phase of its work: nothing that was journaled is lost or
doubled, and the collector ends with one unbroken chain.
"""

import random
import re
import time
from collections import Counter
from io import BytesIO
from pathlib import Path

import pytest
from meterseal.demo.processes import Child
from meterseal.demo.stage import Stage, open_stage, wait_until
from meterseal.resources import firmware_dir, micropython_binary
from meterseal.trust import load_trust
from meterseal.verify import Standard, VerifiedBatch, Verifier
from meterseal.verify.sources import pieces

JOURNALED = re.compile(r"^debug journal reading sequence=(\d+) ")
HELD = re.compile(r"^held (\w+)")
SCRIPT = Path(__file__).parent.parent / "support" / "held_station.py"
# Phases in the order of the work, and how many operations of each a run may get through.
PHASES = {"boot": 3, "reading": 6, "seal": 8, "mark": 4, "upload": 8, "ack": 4, "any": 0}
SETTINGS = {"read_interval_s": 1, "seal_interval_s": 1, "log_level": "debug"}


class Killer:
    """Starts the station and ends it without warning; what it said, and where it was hit."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.chance = random.Random(seed)
        self.kills: Counter[str] = Counter()
        self.lines: list[str] = []

    def kill(self, phase: str) -> None:
        """One run that ends in this phase."""
        if phase == "any":
            self.stage.start_board()
            time.sleep(self.chance.uniform(0.05, 3.0))
        else:
            self._hold(phase, self.chance.randrange(PHASES[phase]))
        self.stage.kill_board()
        time.sleep(0.05)
        self._look()
        self.kills[phase] += 1

    def _hold(self, phase: str, count: int) -> None:
        stage = self.stage
        vm = [str(micropython_binary()), "-X", "heapsize=4m", str(SCRIPT), str(firmware_dir())]
        arguments = [*vm, str(stage.station_dir), phase, str(count)]
        stage.board = Child("station", arguments, stage.out / "station.log")
        before = len(self.lines)

        def held() -> bool:
            self._look()
            return any(HELD.search(line) for line in self.lines[before:])

        wait_until(f"a station held in {phase} at {count}", held, 60, stage.out / "station.log")
        assert HELD.search(self.lines[-1]), self.lines[-1]  # it does nothing after that

    def _look(self) -> None:
        assert self.stage.board is not None
        self.lines += self.stage.board.drain()

    def journaled(self) -> set[int]:
        """Sequence numbers that the station called durable."""
        matches = (JOURNALED.search(line) for line in self.lines)
        return {int(match.group(1)) for match in matches if match}

    def drain(self) -> set[int]:
        """One undisturbed run, until the collector holds all that was read before it: that."""
        before = self.journaled()
        wanted = max(before)
        self.stage.start_board()

        def drained() -> bool:
            self._look()
            return max(self.sealed(), default=0) > wanted

        wait_until("everything at the collector", drained, 60, self.stage.out / "station.log")
        self.stage.kill_board()
        return before

    def batches(self) -> list[VerifiedBatch]:
        """What the collector holds, verified as one chain."""
        verifier = Verifier(trust=load_trust(self.stage.trust_file), policy=Standard())
        held = BytesIO(self.stage.get("/v1/export").content)
        return [verifier.verify(raw) for _, raw in pieces(held)]

    def sealed(self) -> Counter[int]:
        """How often each sequence number is in them."""
        groups = (group for batch in self.batches() for group in batch.groups)
        return Counter(int(number) for group in groups for number in group.sequence)


@pytest.mark.parametrize(("rounds", "seed"), [(1, 1), pytest.param(8, 2, marks=pytest.mark.long)])
def test_an_unbroken_chain_with_every_journaled_reading(
    tmp_path: Path, rounds: int, seed: int
) -> None:
    with open_stage(tmp_path / "stage") as stage:
        stage.lay_out_station(stage.start_meter(), **SETTINGS)
        stage.write_trust()
        stage.start_collector()
        killer = Killer(stage, seed)
        for _ in range(rounds):
            for phase in PHASES:
                killer.kill(phase)
        print("kills:", dict(killer.kills), "readings journaled:", len(killer.journaled()))
        journaled = killer.drain()
        batches, sealed = killer.batches(), killer.sealed()
    assert dict(killer.kills) == dict.fromkeys(PHASES, rounds)
    assert [batch.contents.number for batch in batches] == list(range(1, len(batches) + 1))
    assert len({batch.contents.chain for batch in batches}) == 1
    assert len(batches) > 2 * rounds  # the kills met a station that seals
    assert set(sealed.values()) == {1}
    assert not journaled - set(sealed)
    assert sorted(sealed) == list(range(1, len(sealed) + 1))
    adopted = sum("info seal adopt" in line for line in killer.lines)
    assert adopted or rounds == 1  # some kill came between a durable batch and its mark
