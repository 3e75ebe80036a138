"""Every mWh has one place: register balances over locked and superseded reports.

From the register at installation to that at removal (or the last verified one): what earns
baseline, what counts on the project side alone, and what is counted nowhere make the difference of
the registers, in each report, and over all of them without gap or overlap.
"""

from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meterseal.mrv.cuts import parse_period
from meterseal.mrv.exact import pretty
from meterseal.mrv.ledger import MeterLedger
from meterseal.mrv.lock import lock
from meterseal.mrv.run import Outcome, run
from meterseal.mrv.segments import energy_milliwh

from tests.fleet.activity_file import two_grid_factors
from tests.fleet.reporting import request_of
from tests.fleet.world import Fleet, Plan, build, time_text

PLAN = Plan(
    "balance",
    stations=3,
    first=date(2026, 12, 1),
    last=date(2027, 1, 31),
    read_interval_s=3600,
    batch_readings=24,
    max_interval_s=7200,
    with_connectors=1,
    with_pv=2,
)
COUNT = 62 * 24 + 1
INDEX = st.integers(10, COUNT - 200)


@dataclass(frozen=True)
class World:
    """What happens at the last station, the one with a single meter and no invoice."""

    seed: int
    late: int
    outage: tuple[int, int]
    bad_poll: int
    overdue: int
    removed: bool
    tail: int


WORLDS = st.builds(
    World,
    seed=st.integers(0, 10**6),
    late=st.sampled_from((0, 0, 30, 800)),
    outage=st.tuples(INDEX, st.sampled_from((0, 5, 100))),
    bad_poll=INDEX,
    overdue=INDEX,
    removed=st.booleans(),
    tail=st.sampled_from((0, 90)),
)


def change(world: World) -> object:
    def apply(fleet: Fleet) -> None:
        station = fleet.stations[-1]
        (line,) = station.lines
        line.energy = line.energy.copy()
        line.energy[world.bad_poll] = -line.counter.start_wh
        start, length = world.outage
        skip = set(range(world.late)) | set(range(start, start + length))
        if world.removed:
            skip |= set(range(COUNT - world.tail, COUNT))
            fleet.extra_entries.append(lambda: remove(fleet, line))
        station.skip = np.array(sorted(skip), int) if skip else None
        fleet.calibration_until[line.serial] = time_text(fleet.times[world.overdue])

    return apply


def remove(fleet: Fleet, line: object) -> None:
    fleet.registry.add(
        "meter-remove",
        countersign=True,
        meter=line.name(),  # type: ignore[attr-defined]
        register_wh=-(-line.milliwh(COUNT - 1) // 1000),  # type: ignore[attr-defined]
        final_test_sha256="ab" * 32,
        until=time_text(fleet.times[COUNT - 1] - 1000),
        reason="moved",
    )


def two_factors(folder: Path) -> None:
    """The grid's emission factor has another version in the second year; no invoices."""
    (folder / "invoices.csv").write_text("station,from,until,energy_kwh\n")
    two_grid_factors(folder / "activity.toml")


def report(folder: Path, fleet: Fleet, period: str, supersedes: str = "") -> Outcome:
    """A report, locked whatever its status: the registers are what counts here."""
    request = replace(
        request_of(folder, fleet, supersedes=supersedes), period=parse_period(period, 420)
    )
    outcome = run(request)
    name = f"{period}/{outcome.version}"
    locked = lock(outcome, name, pretty({"id": name}), request.book_data)
    (folder / "book.json").write_bytes(locked)
    return outcome


def balances(one: MeterLedger) -> None:
    """Closing less opening is what is counted and what another report has."""
    if one.opening_milliwh is None or one.closing_milliwh is None:
        assert not one.segments
        return
    total = energy_milliwh(one.segments)
    span = one.opening_milliwh, one.closing_milliwh
    elsewhere = sum(
        max(0, min(part.closing_milliwh, span[1]) - max(part.opening_milliwh, span[0]))
        for parts in one.excluded.values()
        for part in parts
    )
    assert span[1] - span[0] == total + elsewhere
    corrections = sum(one.overdue.values(), Fraction(0))
    assert one.baseline + corrections + sum(one.withheld.values(), Fraction(0)) == total
    assert one.project >= total >= one.baseline


def stations_balance(outcome: Outcome) -> None:
    """Stations take what entered at the top, from their sources together."""
    tops = sum((one.project for one in outcome.accounts.tops), Fraction(0))
    assert sum((e for one in outcome.months for e in one.project.values()), Fraction(0)) == tops
    assert sum((e for one in outcome.vintages for e in one.project.values()), Fraction(0)) == tops


def check(world: World) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        fleet, _ = build(replace(PLAN, seed=str(world.seed)), folder, change(world))
        two_factors(folder)
        first = report(folder, fleet, "2026-12")
        second = report(folder, fleet, "2027-01")
        again = report(folder, fleet, "2026-12", supersedes="2026-12/1")
    for outcome in (first, second, again):
        stations_balance(outcome)
        for one in outcome.ledgers:
            balances(one)
    assert [one.shares for one in first.ledgers] == [one.shares for one in again.ledgers]
    by_key = [{one.installation.key: one for one in part.ledgers} for part in (first, second)]
    for key, later in by_key[1].items():
        joined(by_key[0].get(key), later)
    truth(fleet, world, by_key)


def joined(before: MeterLedger | None, later: MeterLedger) -> None:
    """The second report begins where the first one ended, or at the installation."""
    closing = before.closing_milliwh if before else None
    start = later.installation.opening_milliwh if closing is None else closing
    assert later.opening_milliwh == start
    if before and before.opening_milliwh is not None:
        assert before.opening_milliwh == before.installation.opening_milliwh


def truth(fleet: Fleet, world: World, by_key: list[dict[str, MeterLedger]]) -> None:
    """Both reports together end at the register of the removal, else at the last reading's."""
    lines = {line.serial: line for station in fleet.stations for line in station.lines}
    assert len(by_key[1]) == len(lines)
    for later in by_key[1].values():
        line = lines[later.installation.label[1]]
        final = later.installation.final_milliwh
        assert later.closing_milliwh == (line.milliwh(COUNT - 1) if final is None else final)
    assert world.removed == any(one.installation.final_test for one in by_key[1].values())


@settings(max_examples=6, deadline=None)
@given(WORLDS)
def test_registers_balance(world: World) -> None:
    check(world)


@pytest.mark.long
@settings(max_examples=100, deadline=None)
@given(WORLDS)
def test_registers_balance_in_many_worlds(world: World) -> None:
    check(world)
