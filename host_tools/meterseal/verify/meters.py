"""Meters of a chain: changes of meter, profile and set-up, and the cumulative energy register.

Energy is the difference of two readings of the same meter epoch. What lies between two batches of
which those in the middle are missing is counted apart: whether it earns credit is for the carbon
profile to say.
"""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from meterseal.models import Column, Contents, Finding, Group, Meter
from meterseal.verify.findings import finding
from meterseal.verify.totals import Total, Totals, total_column

MAX_POWER_W: Final = 1_000_000
"""More than this between two readings is implausible for a charging station."""

_MS_PER_H: Final = 3_600_000
_TICK_MS: Final = 100
_IMPLAUSIBLE_FLAG: Final = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest reading of a total: its rank (totals.py), and when in which boot."""

    rank: int
    boot: int
    t_100ms: int


@dataclass(frozen=True, slots=True)
class MeterState:
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
    meters: Meters, contents: Contents, groups: tuple[Group, ...], totals: Totals, gap: bool
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
            state = _follow(state, group, column, total, gap, contents.number, found)
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
    found: list[Finding],
) -> MeterState:
    """The state behind the readings of a group; findings are added to `found`."""
    ranks, rows = _ranks(column, total)
    if not ranks:
        return state
    last = state.last
    marks = (
        Mark(ranks[0], group.boot, int(group.t_100ms[rows[0]])),
        Mark(ranks[-1], group.boot, int(group.t_100ms[rows[-1]])),
    )
    if (last is not None and ranks[0] < last.rank) or _falls(ranks):
        unit = state.meter.unit
        text = f"unit {unit}: the energy register went down, with the same meter"
        found.append(finding("register-backward", text, number))
        return replace(_close(state, total, state.meter), last=marks[1], segment=ranks[-1])
    for before, after in ((last, marks[0]), marks):
        if before is not None and _too_fast(before, after, total):
            text = f"unit {state.meter.unit}: more than {MAX_POWER_W // 1000} kW on average"
            found.append(finding("register-implausible", text, number))
            break
    across = state.across_gaps_mwh
    if gap and last is not None:
        across += (total.exact_mwh(ranks[0]) or 0) - (total.exact_mwh(last.rank) or 0)
    segment = ranks[0] if state.segment is None else state.segment
    return MeterState(state.meter, marks[1], segment, state.closed_mwh, across)


def _ranks(column: Column, total: Total) -> tuple[list[int], list[int]]:
    """Ranks of the values that the meter had, and which readings they belong to.

    Nearly always the last value has a rank, the values ascend and the order is the profile's: then
    the first and the last are enough.
    """
    values = column.values
    rows = range(len(values)) if column.rows is None else column.rows.tolist()
    first, last = int(values[0]), int(values[-1])
    if bool((values[1:] >= values[:-1]).all()):
        ends = total.rank(first, column.order), total.rank(last, column.order)
        if ends == (first, last):
            return [first, last], [rows[0], rows[-1]]
    found = [
        (rank, row)
        for value, row in zip(values.tolist(), rows, strict=True)
        if (rank := total.rank(value, column.order)) is not None
    ]
    return [rank for rank, _ in found], [row for _, row in found]


def _falls(ranks: list[int]) -> bool:
    return any(after < before for before, after in pairwise(ranks))


def _too_fast(before: Mark, after: Mark, total: Total) -> bool:
    if before.boot != after.boot:
        return False
    passed_ms = (after.t_100ms - before.t_100ms + 1) * _TICK_MS
    wh = total.wh(after.rank) - total.wh(before.rank)
    return wh * _MS_PER_H > MAX_POWER_W * max(passed_ms, _TICK_MS) + _MS_PER_H


def _changed(before: Meter, after: Meter, contents: Contents) -> Finding:
    names = ("profile", "profile file", "unit", "serial number or model", "set-up registers")
    what = [name for name, old, new in zip(names, before, after, strict=True) if old != new]
    text = f"unit {after.unit}: another {', '.join(what)} than before"
    return finding("meter-changed", text, contents.number)


def _unknown(meter: Meter, contents: Contents) -> Finding:
    text = f"unit {meter.unit}: no profile {meter.profile} with SHA-256 {meter.profile_hash.hex()}"
    return finding("profile-unknown", text, contents.number)
