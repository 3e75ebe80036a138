"""Meters of a chain: changes of meter, profile and set-up, and the cumulative energy register.

Energy is the difference of two readings of the same meter epoch. What lies between two batches of
which those in the middle are missing is counted apart: whether it earns credit is for the carbon
profile to say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from meterseal.models import Column, Contents, Finding, Group, Meter
from meterseal.verify.clock import BootClock
from meterseal.verify.findings import finding
from meterseal.verify.totals import Total, Totals, total_column

MAX_POWER_W: Final = 1_000_000
"""More than this between two readings is implausible for a charging station."""

ClockOf = Callable[[int], BootClock]
"""What is known of the clock of a boot."""

_MS_PER_H: Final = 3_600_000
_TICK_MS: Final = 100
_SLACK_WH: Final = 1000.0
"""Coarse registers move in steps of up to this."""


class Mark(NamedTuple):
    """A reading of a total: its rank and about its energy (totals.py), and when in which boot."""

    rank: int
    wh: float
    boot: int
    t_100ms: int


class MeterState(NamedTuple):
    """A meter as the chain last had it. Energies in mWh, exact."""

    meter: Meter
    last: Mark | None = None
    segment: int | None = None
    """Rank of the first reading that the newest one is compared with."""
    closed_mwh: int = 0
    across_gaps_mwh: int = 0


@dataclass(slots=True)
class Meters:
    """Newest state of each meter, by unit id."""

    by_unit: dict[int, MeterState] = field(default_factory=dict)

    def accept(self, states: dict[int, MeterState]) -> None:
        """Take the states behind a batch in."""
        self.by_unit |= states


def examine(
    meters: Meters,
    contents: Contents,
    groups: tuple[Group, ...],
    totals: Totals,
    gap: bool,
    clock_of: ClockOf,
) -> tuple[list[Finding], dict[int, MeterState]]:
    """Findings about the meters of a batch, and their states behind it.

    `gap`: batches or readings are missing before this one.
    """
    found: list[Finding] = []
    states: dict[int, MeterState] = {}
    for group in groups:
        meter = contents.meters[group.meter]
        state = states.get(meter.unit) or meters.by_unit.get(meter.unit)
        total = totals.of(meter)
        if state is None:
            state = MeterState(meter)
        elif state.meter is not meter and state.meter != meter:
            found.append(_changed(state.meter, meter, contents))
            state = _close(state, totals.of(state.meter), meter)
        if total is None:
            found.append(_unknown(meter, contents))
        elif (column := total_column(total, group.columns)) is not None:
            state = _follow(state, group, column, total, gap, contents.number, clock_of, found)
        states[meter.unit] = state
    return found, states


def energy_mwh(state: MeterState, total: Total | None) -> int | None:
    """Energy from the first to the newest reading; None if the profile is not known."""
    if total is None:
        return None
    return state.closed_mwh + _between(state, total)


def _between(state: MeterState, total: Total) -> int:
    if state.segment is None or state.last is None:
        return 0
    first, last = total.exact_mwh(state.segment), total.exact_mwh(state.last.rank)
    return 0 if first is None or last is None else last - first


def _close(state: MeterState, total: Total | None, meter: Meter) -> MeterState:
    """The state behind a change of meter: what was counted stays."""
    counted = _between(state, total) if total is not None else 0
    return MeterState(
        meter,
        closed_mwh=state.closed_mwh + counted,
        across_gaps_mwh=state.across_gaps_mwh,
    )


def _follow(
    state: MeterState,
    group: Group,
    column: Column,
    total: Total,
    gap: bool,
    number: int,
    clock_of: ClockOf,
    found: list[Finding],
) -> MeterState:
    """The state behind the readings of a group; findings are added to `found`."""
    ranks, rows = _ranks(column, total)
    if not ranks:
        return state
    last = state.last
    start = _mark(group, total, ranks[0], rows[0])
    end = _mark(group, total, ranks[-1], rows[-1])
    if (last is not None and start.rank < last.rank) or _falls(ranks):
        text = f"unit {state.meter.unit}: the energy register went down, with the same meter"
        found.append(finding("register-backward", text, number))
        return _close(state, total, state.meter)._replace(last=end, segment=end.rank)
    if _too_fast(start, end, clock_of) or (last and _too_fast(last, start, clock_of)):
        text = f"unit {state.meter.unit}: more than {MAX_POWER_W // 1000} kW on average"
        found.append(finding("register-implausible", text, number))
    across = state.across_gaps_mwh
    if gap and last is not None:
        across += (total.exact_mwh(start.rank) or 0) - (total.exact_mwh(last.rank) or 0)
    segment = start.rank if state.segment is None else state.segment
    return MeterState(state.meter, end, segment, state.closed_mwh, across)


def _mark(group: Group, total: Total, rank: int, row: int) -> Mark:
    return Mark(rank, total.wh(rank), group.boot, int(group.t_100ms[row]))


def _ranks(column: Column, total: Total) -> tuple[Sequence[int], Sequence[int]]:
    """Ranks of the values that the meter had, and which readings they belong to.

    Nearly always the last value has a rank, the values ascend and the order is the profile's: then
    the first and the last are enough.
    """
    values = column.values
    rows = range(len(values)) if column.rows is None else column.rows.tolist()
    if bool((values[1:] >= values[:-1]).all()):
        ends = int(values[0]), int(values[-1])
        if (total.rank(ends[0], column.order), total.rank(ends[1], column.order)) == ends:
            return ends, (rows[0], rows[-1])
    found = [
        (rank, row)
        for value, row in zip(values.tolist(), rows, strict=True)
        if (rank := total.rank(value, column.order)) is not None
    ]
    return [rank for rank, _ in found], [row for _, row in found]


def _falls(ranks: Sequence[int]) -> bool:
    if len(ranks) == 2:
        return ranks[1] < ranks[0]
    return any(after < before for before, after in pairwise(ranks))


def _too_fast(before: Mark, after: Mark, clock_of: ClockOf) -> bool:
    """Whether more energy came than can have come in the time that may have passed."""
    passed_ms = max(after.t_100ms - before.t_100ms + 1, 1) * _TICK_MS
    if before.boot != after.boot:
        passed_ms = _most_ms(before, after, clock_of)
        if passed_ms <= 0:
            return False  # the clocks contradict each other, which is a finding of its own
    return (after.wh - before.wh - _SLACK_WH) * _MS_PER_H > MAX_POWER_W * passed_ms


def _most_ms(before: Mark, after: Mark, clock_of: ClockOf) -> int:
    """The most that can have passed between readings of two boots."""
    starts = clock_of(before.boot).at(np.array([before.t_100ms], np.uint64))
    ends = clock_of(after.boot).at(np.array([after.t_100ms], np.uint64))
    return int(ends.latest_unix_ms[0]) - int(starts.earliest_unix_ms[0])


def _changed(before: Meter, after: Meter, contents: Contents) -> Finding:
    names = ("profile", "profile file", "unit", "serial number or model", "set-up registers")
    what = [name for name, old, new in zip(names, before, after, strict=True) if old != new]
    text = f"unit {after.unit}: another {', '.join(what)} than before"
    return finding("meter-changed", text, contents.number)


def _unknown(meter: Meter, contents: Contents) -> Finding:
    text = f"unit {meter.unit}: no profile {meter.profile} with SHA-256 {meter.profile_hash.hex()}"
    return finding("profile-unknown", text, contents.number)
