"""UTC of readings from time anchors (WIRE_FORMAT section 5). Integers throughout.

The device signs monotonic time and, now and then, what it believed UTC to be. What follows is an
interval for each reading: between two anchors of its boot, beside one, or, for a boot without any,
between its neighbours.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from meterseal.models import Anchor, Contents, Finding, Group
from meterseal.verify.findings import finding

I64Array = NDArray[np.int64]

UNBOUNDED_UNIX_MS: Final = (1 << 62) - 1
"""Stands for "no upper bound is known" in `Bounds.latest_unix_ms`."""

UNKNOWN_MS: Final = 1 << 52
"""A bound of time beyond this is no bound."""

DRIFT_PPM: Final = 100
"""Most that a board's clock drifts: crystals have 10 to 40 ppm, temperature and age the rest."""

FUTURE_TOLERANCE_MS: Final = 24 * 3600 * 1000

# Kept of each boot: the first anchor and the newest ones. Kept of each chain: the newest boots.
_KEPT_ANCHORS: Final = 8
_KEPT_BOOTS: Final = 64
_TICK_MS: Final = 100


class Bounds(NamedTuple):
    """UTC of readings lies between the two, in milliseconds since 1970. Shape of both: (n,)."""

    earliest_unix_ms: I64Array
    latest_unix_ms: I64Array


class BootClock(NamedTuple):
    """What is known of the clock of one boot.

    `anchors` ascend by `mono_ms`; `begins_after_unix_ms` and `ends_before_unix_ms` come from the
    boots beside it and hold for the whole boot.
    """

    boot: int
    anchors: tuple[Anchor, ...]
    begins_after_unix_ms: int = 0
    ends_before_unix_ms: int = UNBOUNDED_UNIX_MS

    def utc(self, group: Group) -> Bounds:
        """Bounds of the readings of a group of this boot."""
        return self.at(group.t_100ms)

    def at(self, t_100ms: NDArray[np.uint64]) -> Bounds:
        """Bounds of moments of this boot, in tenths of a second since its start."""
        first = _as_ms(t_100ms)
        last = first + (_TICK_MS - 1)
        if not self.anchors:
            earliest = first + self.begins_after_unix_ms
            latest = np.full(len(first), self.ends_before_unix_ms, np.int64)
            return Bounds(np.minimum(earliest, latest), latest)
        lows, highs = _seen_from(self.anchors, first, last)
        low, high = lows.max(axis=0), highs.min(axis=0)
        agree = low <= high
        if agree.all():
            return Bounds(low, high)
        nearest = _nearest(self.anchors, first), np.arange(len(first))
        return Bounds(np.where(agree, low, lows[nearest]), np.where(agree, high, highs[nearest]))


def _as_ms(ticks: NDArray[np.uint64]) -> I64Array:
    limit = np.uint64(UNBOUNDED_UNIX_MS // 4 // _TICK_MS)
    return np.minimum(ticks, limit).astype(np.int64) * _TICK_MS


def _seen_from(
    anchors: tuple[Anchor, ...], first: I64Array, last: I64Array
) -> tuple[I64Array, I64Array]:
    """Bounds that each anchor gives, its own error and the drift since: shape (anchors, n)."""
    numbers = [(one.mono_ms, one.t_unix_ms, one.error_ms) for one in anchors]
    most = UNBOUNDED_UNIX_MS // 4
    capped = [[min(number, most) for number in one] for one in numbers]
    mono, utc, error = np.array(capped, np.int64).T[:, :, np.newaxis]
    slack = np.abs(first - mono) // (1_000_000 // DRIFT_PPM) + (error + 1)
    shift = utc - mono
    return first + shift - slack, last + shift + slack


def _nearest(anchors: tuple[Anchor, ...], first: I64Array) -> NDArray[np.intp]:
    """Index of the newest anchor before each reading, or of the first one.

    For clocks that were set wrong and then right: no interval satisfies all anchors.
    """
    starts = [min(anchor.mono_ms, UNBOUNDED_UNIX_MS // 4) for anchor in anchors]
    return np.maximum(np.searchsorted(np.array(starts), first, side="right") - 1, 0)


@dataclass(slots=True)
class Timeline:
    """Anchors of the boots of a chain; bounded, whatever the chain's length."""

    boots: dict[int, tuple[Anchor, ...]] = field(default_factory=dict)

    def clock(self, boot: int, more: tuple[Anchor, ...] = ()) -> BootClock:
        """What is known of a boot's clock, with `more` anchors; later batches may tell more."""
        known = self.boots.get(boot, ())
        for anchor in more:
            if anchor.boot == boot:
                known = _with(known, anchor)
        if known:
            return BootClock(boot, known)
        before = max((one for one in self.boots if one < boot), default=None)
        behind = min((one for one in self.boots if one > boot), default=None)
        return BootClock(
            boot,
            (),
            0 if before is None else _begin(self.boots[before][-1]),
            UNBOUNDED_UNIX_MS if behind is None else _end(self.boots[behind][0]),
        )

    def examine(self, contents: Contents, now_unix_ms: int) -> list[Finding]:
        """Findings `clock-far-future`, `clock-stepped-...` of the anchors that are new."""
        found = []
        last = None
        for anchor in contents.anchors:
            known = self.boots.get(anchor.boot, ())
            if anchor not in known:
                before = last if last and last.boot == anchor.boot else known[-1:] and known[-1]
                found += _judge(anchor, before or self._earlier(anchor), now_unix_ms, contents)
            last = anchor
        return found

    def _earlier(self, anchor: Anchor) -> Anchor | None:
        """The last anchor of the boot before."""
        before = max((one for one in self.boots if one < anchor.boot), default=None)
        return None if before is None else self.boots[before][-1]

    def accept(self, anchors: tuple[Anchor, ...]) -> None:
        """Take anchors in; they ascend by boot and time."""
        for anchor in anchors:
            known = _with(self.boots.get(anchor.boot, ()), anchor)
            if len(known) > _KEPT_ANCHORS:
                known = known[:1] + known[2:]
            self.boots[anchor.boot] = known
        while len(self.boots) > _KEPT_BOOTS:
            del self.boots[min(self.boots)]


def _with(known: tuple[Anchor, ...], anchor: Anchor) -> tuple[Anchor, ...]:
    """Anchors of a boot by time, each once."""
    if not known or anchor.mono_ms > known[-1].mono_ms:
        return (*known, anchor)
    if anchor in known:
        return known
    return tuple(sorted((*known, anchor), key=_by_time))


def _by_time(anchor: Anchor) -> int:
    return anchor.mono_ms


def _begin(anchor: Anchor) -> int:
    """No reading of a later boot is older than an anchor of an earlier one."""
    return min(anchor.t_unix_ms, UNBOUNDED_UNIX_MS) - min(anchor.error_ms, UNBOUNDED_UNIX_MS)


def _end(anchor: Anchor) -> int:
    """An earlier boot ended before the boot of this anchor began."""
    return min(anchor.t_unix_ms + anchor.error_ms - anchor.mono_ms, UNBOUNDED_UNIX_MS)


def _judge(
    anchor: Anchor, before: Anchor | None, now_unix_ms: int, contents: Contents
) -> list[Finding]:
    found = []
    ahead_ms = anchor.t_unix_ms - anchor.error_ms - now_unix_ms
    if ahead_ms > FUTURE_TOLERANCE_MS:
        text = f"boot {anchor.boot}: a clock {ahead_ms // 3_600_000} h ahead of this computer"
        found.append(finding("clock-far-future", text, contents.number))
    if before is None:
        return found
    same_boot = before.boot == anchor.boot
    # A later boot began after the anchor before: at least its own time has passed.
    passed_ms = anchor.mono_ms - (before.mono_ms if same_boot else 0)
    slack_ms = anchor.error_ms + before.error_ms + abs(passed_ms) * DRIFT_PPM // 1_000_000 + 1
    step_ms = anchor.t_unix_ms - before.t_unix_ms - passed_ms
    where = f"boot {anchor.boot}: source {before.source} to source {anchor.source}"
    if step_ms < -slack_ms:
        text = f"{where}: the clock stepped back by {-step_ms} ms"
        found.append(finding("clock-stepped-back", text, contents.number))
    elif same_boot and step_ms > slack_ms:
        text = f"{where}: the clock stepped forward by {step_ms} ms"
        found.append(finding("clock-stepped-forward", text, contents.number))
    return found
