"""Power cuts at every flash operation of scenarios that fill both rings twice, whole and torn.

After the first cut the recovery and what follows it is cut again. Nothing sealed may be lost or
altered, no journaled reading lost or doubled, no number may have two contents, no boot may fail.
"""

import pytest
from agent.errors import FwError
from agent.journal_batches import BatchWriter
from agent.journal_flash import SECTOR
from agent.journal_ring import Ring
from agent.journal_state import State
from fakes.nor_faults import Random
from fakes.nor_flash import NorViolation
from support.journal_cuts import Cuts
from support.journal_world import SCENARIOS, Scenario, World, run


def by_name(scenario: Scenario) -> str:
    """Test id."""
    return str(scenario.name)


def play(scenario: Scenario, cuts: Cuts) -> World:
    """Play it under these cuts and print how many there were."""
    world = run(scenario, cuts.watch)
    assert min(world.flash.count.erases_of) >= 2
    print(
        f"\n{scenario.name}: {world.flash.count.operations} operations, {cuts.cuts} power cuts and"
        f" {cuts.second_cuts} second cuts; 0 batches lost or altered, 0 readings lost, 0 forks"
    )
    return world


@pytest.mark.parametrize("scenario", SCENARIOS, ids=by_name)
def test_some_cuts(scenario: Scenario) -> None:
    """A seeded part of the long run."""
    cuts = Cuts(every=131, second=13, offset=scenario.seed)
    play(scenario, cuts)
    assert cuts.cuts > 80


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS, ids=by_name)
def test_every_cut(scenario: Scenario) -> None:
    """Every operation, every way it can end; a second cut after every fifth first one."""
    cuts = Cuts(every=1, second=5, offset=0)
    world = play(scenario, cuts)
    assert cuts.operations == world.flash.count.operations
    assert cuts.cuts > 3 * cuts.operations


FAULTS = ("refuse_program", "refuse_erase", "does_not_hold", "keeps_bits")


def play_with_bad_sectors(seed: int, every: int) -> Cuts:
    """A scenario on a flash with up to four failing sectors, one of which fails later on."""
    random = Random(seed)
    policy = ("stop", "drop_oldest")[random.below(2)]
    sizes = ((830, 960, 700), (5000, 200, 3000))[random.below(2)]
    scenario = Scenario("bad", policy, 24, 60, 8, sizes, 1 + random.below(3), False, 13, seed)
    cuts = Cuts(every=every, second=9, offset=seed)

    def watch(world: World) -> None:
        for _ in range(random.below(4)):
            getattr(world.flash, FAULTS[random.below(4)]).add(4 + random.below(20))
        getattr(world.flash, FAULTS[random.below(4)]).add(random.below(4))
        cuts.watch(world)

    run(scenario, watch)
    return cuts


@pytest.mark.parametrize("seed", range(1, 4))
def test_some_cuts_with_bad_sectors(seed: int) -> None:
    """Cuts and failing sectors together."""
    assert play_with_bad_sectors(seed, 97).cuts > 20


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4, 24))
def test_cuts_with_bad_sectors(seed: int) -> None:
    """Cuts and failing sectors together, more of them."""
    assert play_with_bad_sectors(seed, 7).cuts > 300


def trusting_settle(self: Ring, end: int) -> bool:
    """Takes for erased what looks erased after a restart."""
    self._ready = self.head + 1
    return real_settle(self, end)


real_settle = Ring.settle
BREAKAGES = {
    "trusts what looks erased": (Ring, "settle", trusting_settle),
    "writes over torn writes": (Ring, "cover_torn", lambda self: None),
    "frees a sector too early": (
        BatchWriter,
        "_is_free",
        lambda self, epoch: epoch - self._ring.count <= self._state.tail // SECTOR,
    ),
    "drops without a statement": (BatchWriter, "_give_up", lambda self, batch: None),
    "does not replay batches": (State, "sealed", lambda self, batch: None),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_broken_journal_is_found_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks above can fail: each of these breakages ends a scenario."""
    monkeypatch.setattr(*BREAKAGES[name])
    with pytest.raises((AssertionError, FwError, NorViolation)):
        run(SCENARIOS[1], Cuts(every=14, offset=1).watch)
