"""Energy as parts of a meter's register axis: every mWh of a meter has one place, counted once.

A segment says that a device saw the register go from `opening` to `closing`, and how well that is
proven. Segments of all devices at one meter are united: where they overlap the best proof counts,
once; what none of them covers is a gap that nobody verified.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

MEASURED: Final = "measured"
RECOVERED: Final = "recovered"
YEAR_CROSSING: Final = "year_crossing"
STATED_GAP: Final = "stated_gap"
UNSYNCHRONISED: Final = "unsynchronised"
SETUP_CHANGED: Final = "setup_changed"
IMPLAUSIBLE: Final = "implausible"
CLOCK_REJECTED: Final = "clock_rejected"
UNVERIFIED_GAP: Final = "unverified_gap"
FORKED: Final = "forked"
BACKWARD: Final = "backward"

KINDS: Final = (
    MEASURED,
    RECOVERED,
    YEAR_CROSSING,
    UNSYNCHRONISED,
    STATED_GAP,
    SETUP_CHANGED,
    IMPLAUSIBLE,
    CLOCK_REJECTED,
    FORKED,
    BACKWARD,
    UNVERIFIED_GAP,
)
"""Best proof first."""

_RANK: Final = {kind: rank for rank, kind in enumerate(KINDS)}


class Segment(NamedTuple):
    """Part of the register axis, as one device saw it.

    `slot`: index of the time slot (from cuts.py) that it is accounted in; `axis`: 0, and one more
    after each unexplained decrease of the register. Registers in mWh, times in ms since 1970.
    """

    opening_milliwh: int
    closing_milliwh: int
    from_unix_ms: int
    until_unix_ms: int
    slot: int
    kind: str
    device: str
    axis: int = 0

    @property
    def energy_milliwh(self) -> int:
        """Energy of the segment."""
        return self.closing_milliwh - self.opening_milliwh


class United(NamedTuple):
    """Disjoint segments in ascending order, and the energy that more than one device saw."""

    segments: tuple[Segment, ...]
    seen_twice: tuple[Segment, ...]


def unite(segments: Iterable[Segment]) -> United:
    """Disjoint segments of all axes of one meter epoch; holes become UNVERIFIED_GAP."""
    by_axis: dict[int, list[Segment]] = {}
    for segment in segments:
        if segment.energy_milliwh > 0:
            by_axis.setdefault(segment.axis, []).append(segment)
    parts: list[Segment] = []
    twice: list[Segment] = []
    for axis in sorted(by_axis):
        pieces, seen = _sweep(sorted(by_axis[axis]))
        parts += _fill(pieces)
        twice += seen
    return United(tuple(parts), tuple(twice))


def _sweep(segments: Sequence[Segment]) -> tuple[list[Segment], list[Segment]]:
    """Elementary pieces with their best segment; and pieces that several devices saw."""
    if _in_order(segments):
        return list(segments), []
    points = sorted({point for one in segments for point in one[:2]})
    pieces: list[Segment] = []
    twice: list[Segment] = []
    active: list[Segment] = []
    waiting = 0
    for low, high in itertools.pairwise(points):
        while waiting < len(segments) and segments[waiting].opening_milliwh <= low:
            active.append(segments[waiting])
            waiting += 1
        active = [one for one in active if one.closing_milliwh > low]
        if not active:
            continue
        best = min(active, key=_preference)
        pieces.append(best._replace(opening_milliwh=low, closing_milliwh=high))
        proven = {one.device for one in active if _RANK[one.kind] <= _RANK[YEAR_CROSSING]}
        if len(proven) > 1:
            twice.append(pieces[-1])
    return _join(pieces), _join(twice)


def _in_order(segments: Sequence[Segment]) -> bool:
    """Whether no segment overlaps the one before, as with a single device."""
    pairs = itertools.pairwise(segments)
    return all(a.closing_milliwh <= b.opening_milliwh for a, b in pairs)


def _preference(segment: Segment) -> tuple[int, int, str, int]:
    return _RANK[segment.kind], segment.slot, segment.device, segment.opening_milliwh


def _join(pieces: list[Segment]) -> list[Segment]:
    """Neighbours that differ in nothing but their place become one."""
    joined: list[Segment] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if last and last.closing_milliwh == piece.opening_milliwh and last[2:] == piece[2:]:
            joined[-1] = last._replace(closing_milliwh=piece.closing_milliwh)
        else:
            joined.append(piece)
    return joined


def _fill(pieces: list[Segment]) -> list[Segment]:
    """Holes, accounted in the slot of the piece that follows."""
    filled: list[Segment] = []
    for piece in pieces:
        if filled and filled[-1].closing_milliwh < piece.opening_milliwh:
            filled.append(_hole(filled[-1], piece))
        filled.append(piece)
    return filled


def _hole(before: Segment, after: Segment) -> Segment:
    return after._replace(
        opening_milliwh=before.closing_milliwh,
        closing_milliwh=after.opening_milliwh,
        from_unix_ms=min(before.until_unix_ms, after.from_unix_ms),
        until_unix_ms=after.from_unix_ms,
        kind=UNVERIFIED_GAP,
        device="",
    )


def remove(
    segments: Iterable[Segment], taken: Sequence[tuple[int, int]]
) -> tuple[list[Segment], list[Segment]]:
    """What lies outside the intervals `taken` of axis 0, and what lies inside.

    `taken`: (opening, closing) in mWh, in any order, overlapping or not.
    """
    outside: list[Segment] = []
    inside: list[Segment] = []
    for segment in segments:
        rest = [segment]
        if segment.axis == 0:
            for low, high in taken:
                rest, cut = _cut(rest, low, high)
                inside += cut
        outside += rest
    return sorted(outside), sorted(inside)


def _cut(segments: list[Segment], low: int, high: int) -> tuple[list[Segment], list[Segment]]:
    outside: list[Segment] = []
    inside: list[Segment] = []
    for one in segments:
        a, b = max(one.opening_milliwh, low), min(one.closing_milliwh, high)
        if a >= b:
            outside.append(one)
            continue
        inside.append(one._replace(opening_milliwh=a, closing_milliwh=b))
        if one.opening_milliwh < a:
            outside.append(one._replace(closing_milliwh=a))
        if b < one.closing_milliwh:
            outside.append(one._replace(opening_milliwh=b))
    return outside, inside


def energy_milliwh(segments: Iterable[Segment]) -> int:
    """Sum over segments."""
    return sum(one.energy_milliwh for one in segments)
