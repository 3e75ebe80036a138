"""From VerifiedBatch to segments: the only way in which energy enters a report.

One device at a time, batch by batch: what the verifier accepted is assigned to the meter epoch
that the registry has for this device, unit and time, decoded exactly, and walked. What does not
fit the registry (another meter, another profile) is rejected and becomes an unverified gap.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from meterseal.models import Column, Group, Meter, VerifiedBatch
from meterseal.mrv.bind import ACCEPTED, SET_ASIDE, Binder, Bound
from meterseal.mrv.device_result import DeviceResult, Rejected
from meterseal.mrv.energy import I64Array, register_milliwh, resolution_milliwh
from meterseal.mrv.merkle import Tree
from meterseal.mrv.segments import (
    FORKED,
    MEASURED,
    RECOVERED,
    SETUP_CHANGED,
    UNSYNCHRONISED,
)
from meterseal.mrv.walk import Block, Limits, Walk
from meterseal.verify.clock import BootClock
from meterseal.verify.findings import NOTICE
from meterseal.verify.totals import total_column
from meterseal.verify.verifier import Verdict

FORK: Final = "chain-fork"
STATED: Final = frozenset(("chain-gap-stated", "sequence-gap-stated"))
FLAG_IMPLAUSIBLE: Final = 2
"""WIRE_FORMAT 4.4: the device itself doubted the value."""
MAX_WAITING: Final = 4_096
"""Groups that wait for a time anchor of their boot; more than that count as unsynchronised."""


class _Waiting(NamedTuple):
    meter: Meter
    group: Group
    kind: str
    lost: int
    """How many readings before it the chain has stated as lost so far."""


class Intake:
    """Takes the verdicts of one device in canonical order."""

    def __init__(self, device: str, binder: Binder) -> None:
        self._result = DeviceResult(device)
        self._binder = binder
        self._walks: dict[str, Walk] = {}
        self._tree = Tree()
        self._pending: VerifiedBatch | None = None
        self._waiting: list[_Waiting] = []
        self._forked = False
        self._lost = 0
        self._next_sequence = 0
        self._rejected: Counter[int] = Counter()
        self._seen: dict[str, tuple[int, int]] = {}
        self._clock = BootClock(0, ())

    def take(self, verdicts: Iterable[Verdict]) -> DeviceResult:
        """The result over all batches. Raises MethodologyError `meter-unregistered`."""
        for verdict in verdicts:
            self._tree.add(verdict.raw)
            if verdict.batch is not None:
                self._feed_pending()
                self._pending = verdict.batch
            elif verdict.refusal is not None:
                self._refuse(verdict.refusal.code)
        self._feed_pending()
        self._settle(None)
        return self._finish()

    def _refuse(self, code: str) -> None:
        self._result.refused[code] += 1
        if code == FORK:
            if not self._forked and self._pending is not None:
                batch = self._pending
                self._result.forks.append((batch.chain.hex(), batch.number))
            self._forked = True

    def _feed_pending(self) -> None:
        batch, self._pending = self._pending, None
        if batch is None or not batch.fresh:
            return
        counts = self._result.counts
        counts["batches"] += 1
        counts["readings"] += batch.contents.count
        for one in batch.findings:
            self._result.findings[one.code] += one.severity != NOTICE
        if any(one.code in STATED for one in batch.findings):
            self._lost += max(0, batch.contents.first_sequence - self._next_sequence)
        self._next_sequence = batch.contents.next_sequence
        for group in batch.groups:
            self._group(batch, group)

    def _group(self, batch: VerifiedBatch, group: Group) -> None:
        kind = MEASURED if group.boot == batch.contents.boot else RECOVERED
        if kind == RECOVERED:
            self._result.counts["readings_recovered"] += len(group.sequence)
        item = _Waiting(batch.meters[group.meter], group, kind, self._lost)
        clock = batch.clocks[group.boot]
        assert isinstance(clock, BootClock)
        if self._waiting:
            self._settle(clock)
        if clock.anchors:
            self._timed(item, clock, self._kind(item))
        else:
            self._waiting.append(item)
            self._clock = clock
            if len(self._waiting) > MAX_WAITING:
                self._settle(None)

    def _kind(self, item: _Waiting) -> str:
        return FORKED if self._forked else item.kind

    def _settle(self, clock: BootClock | None) -> None:
        """Give those that wait their time: by the clock of their boot, or what bounds it."""
        if not self._waiting or (
            clock is not None and clock.boot == self._waiting[0].group.boot and not clock.anchors
        ):
            return
        waiting, self._waiting = self._waiting, []
        for item in waiting:
            if clock is not None and clock.anchors and clock.boot == item.group.boot:
                self._timed(item, clock, self._kind(item))
            else:
                self._result.counts["readings_unsynchronised"] += len(item.group.sequence)
                kind = FORKED if self._forked else UNSYNCHRONISED
                self._timed(item, self._bounds(item, clock), kind)

    def _bounds(self, item: _Waiting, clock: BootClock | None) -> BootClock:
        """The clock of a boot without anchors, ended by the boot after it if there is one."""
        end = self._clock.ends_before_unix_ms
        if clock is not None and clock.anchors:
            anchor = clock.anchors[0]
            end = min(end, anchor.t_unix_ms + anchor.error_ms - anchor.mono_ms)
        return self._clock._replace(boot=item.group.boot, ends_before_unix_ms=end)

    def _timed(self, item: _Waiting, clock: BootClock, kind: str) -> None:
        """Assign readings whose time is known to meter epochs."""
        earliest, latest = clock.utc(item.group)
        times = earliest if kind == UNSYNCHRONISED else (earliest + latest) // 2
        found = self._binder.find(item.meter, int(times[0]), int(times[-1]))
        for bound, status, first, last in found:
            chosen = slice(None)
            if first is not None and last is not None:
                chosen = slice(*np.searchsorted(times, [first, last]).tolist())
            self._bound(item, bound, status, kind, (earliest, times, latest), chosen)

    def _bound(
        self,
        item: _Waiting,
        bound: Bound | None,
        status: str,
        kind: str,
        clocks: tuple[I64Array, I64Array, I64Array],
        chosen: slice,
    ) -> None:
        earliest, times, latest = (one[chosen] for one in clocks)
        if not len(times):
            return
        if bound is None or status not in (ACCEPTED, SETUP_CHANGED):
            name = bound.installation.key if bound else f"unit {item.meter.unit}"
            self._reject(Rejected(status, name), item.meter.unit, len(times))
            return
        column = total_column(bound.total, item.group.columns)
        if column is None:
            return
        times = bound.snap(times, earliest, latest)
        registers, good = register_milliwh(column, bound.total)
        if item.group.flags.any():
            good = good & self._undoubted(item.group, column)
        if column.rows is not None or not good.all() or chosen != slice(None):
            times, registers = _chosen(item.group, column.rows, times, registers, good, chosen)
        times, registers = self._without_set_aside(bound, item.meter.unit, times, registers)
        if len(times):
            key = bound.installation.key
            now = item.lost, self._rejected[item.meter.unit]
            before, self._seen[key] = self._seen.get(key, now), now
            kind = SETUP_CHANGED if status == SETUP_CHANGED and kind != FORKED else kind
            self._note_setup(bound, item.meter)
            block = Block(times, registers, kind, now[1] != before[1], now[0] - before[0])
            self._walk(bound, int(registers[-1])).feed(block)

    def _reject(self, why: Rejected, unit: int, count: int) -> None:
        """Readings that do not count: nothing that lies across them is proven."""
        self._result.rejected[why] += count
        self._result.counts["readings_rejected"] += count
        self._rejected[unit] += 1

    def _without_set_aside(
        self, bound: Bound, unit: int, times: I64Array, registers: I64Array
    ) -> tuple[I64Array, I64Array]:
        """Without readings that a second role declared wrong."""
        for start, end in bound.installation.set_aside:
            wrong = (times >= start) & (times < end)
            if count := int(wrong.sum()):
                self._reject(Rejected(SET_ASIDE, bound.installation.key), unit, count)
                times, registers = times[~wrong], registers[~wrong]
        return times, registers

    def _undoubted(self, group: Group, column: Column) -> NDArray[np.bool_]:
        """Values that the device itself did not flag as implausible."""
        flags = group.flags if column.rows is None else group.flags[column.rows]
        good: NDArray[np.bool_] = (flags & FLAG_IMPLAUSIBLE) == 0
        self._result.counts["readings_flagged"] += int((~good).sum())
        return good

    def _note_setup(self, bound: Bound, meter: Meter) -> None:
        known = self._result.setups.setdefault(bound.installation.key, [])
        text = bound.setup_text(meter)
        if text and text not in known:
            known.append(text)

    def _walk(self, bound: Bound, register: int) -> Walk:
        walk = self._walks.get(bound.installation.key)
        if walk is None:
            limits = Limits(
                bound.max_interval_ms, bound.power_mw, resolution_milliwh(bound.total, register)
            )
            walk = Walk(self._result.device, limits, bound.slots, bound.year_cuts)
            self._walks[bound.installation.key] = walk
        return walk

    def _finish(self) -> DeviceResult:
        result = self._result
        for key, walk in self._walks.items():
            result.segments[key] = walk.finish()
            result.decreases[key] = walk.decreases
            if walk.isolated:
                result.isolated[key] = walk.isolated
            if walk.unconfirmed is not None:
                result.unconfirmed[key] = walk.unconfirmed
            if walk.last is not None:
                result.last[key] = walk.last
        result.tree_size, result.tree_root = self._tree.size, self._tree.root()
        return result


def _chosen(
    group: Group,
    rows: np.ndarray | None,
    times: I64Array,
    registers: I64Array,
    good: np.ndarray,
    chosen: slice,
) -> tuple[I64Array, I64Array]:
    """Times and registers of the chosen readings that have a value."""
    start, stop, _ = chosen.indices(len(group.sequence))
    index = np.arange(len(group.sequence)) if rows is None else rows
    keep = good & (index >= start) & (index < stop)
    return times[index[keep] - start], registers[keep]
