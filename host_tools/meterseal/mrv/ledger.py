"""The energy of one meter epoch in a period: one place for every mWh between opening and closing.

Opening is the closing of the report before. Energy that another report or activity claimed, or
that lies outside the registers recorded at installation and removal, is cut away and listed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from meterseal.mrv.installations import Installation
from meterseal.mrv.methodology import CREDITED, Options
from meterseal.mrv.segments import (
    MEASURED,
    RECOVERED,
    STATED_GAP,
    UNSYNCHRONISED,
    UNVERIFIED_GAP,
    YEAR_CROSSING,
    Segment,
    remove,
    unite,
)
from meterseal.mrv.slots import BEFORE, INSIDE, MeterSlots

PPM = 1_000_000
CLAIM_REUSED, CLAIM_OTHER, OUTSIDE_REGISTERS = (
    "claim-reused",
    "claim-other-activity",
    "outside-registers",
)


@dataclass(slots=True)
class Share:
    """Energy of one meter in one month; mWh, corrections of R7 included in the last two."""

    month: str
    vintage: int
    register_milliwh: int = 0
    baseline: Fraction = Fraction(0)
    project: Fraction = Fraction(0)
    by_mix: dict[int, Fraction] = field(default_factory=dict)
    """The project side by the station's mix of sources (installations.py)."""


@dataclass(slots=True)
class MeterLedger:
    """Result for one meter epoch."""

    installation: Installation
    segments: list[Segment] = field(default_factory=list)
    excluded: dict[str, list[Segment]] = field(default_factory=dict)
    seen_twice: list[Segment] = field(default_factory=list)
    opening_milliwh: int | None = None
    closing_milliwh: int | None = None
    shares: dict[str, Share] = field(default_factory=dict)
    overdue: dict[tuple[int, bool], Fraction] = field(default_factory=dict)
    withheld: dict[str, Fraction] = field(default_factory=dict)
    """Energy that the baseline did not get, by kind of segment."""
    seen_ms: dict[str, int] = field(default_factory=dict)
    """Time with verified readings by month, also where the register stood still."""
    by_span: dict[tuple[int, int, int], Fraction] = field(default_factory=dict)
    """The project side by slot: (mix, from, until), ms since 1970."""
    first_unix_ms: int = 0
    until_unix_ms: int = 0

    @property
    def baseline(self) -> Fraction:
        """Credited energy in mWh."""
        return sum((one.baseline for one in self.shares.values()), Fraction(0))

    @property
    def project(self) -> Fraction:
        """Energy on the project side in mWh."""
        return sum((one.project for one in self.shares.values()), Fraction(0))


def treatment(kind: str, options: Options) -> bool:
    """Whether energy of a kind earns baseline; the project side counts every kind."""
    if kind in (MEASURED, RECOVERED):
        return True
    if kind == YEAR_CROSSING:
        return options.year_crossing == "later_year"
    if kind == STATED_GAP:
        return options.stated_gap == CREDITED
    return kind == UNSYNCHRONISED and options.unsynchronised == CREDITED


def settle(
    installation: Installation,
    segments: Iterable[Segment],
    slots: MeterSlots,
    options: Options,
    previous_closing_milliwh: int | None,
    claimed_elsewhere: Sequence[tuple[int, int]] = (),
) -> MeterLedger:
    """The ledger of a meter epoch from the segments of all its devices."""
    segments = list(segments)
    ledger = MeterLedger(installation)
    ledger.seen_ms = seen_ms(segments, slots)
    united = unite(one for one in segments if slots.of(one.slot).phase in (BEFORE, INSIDE))
    parts = _filled(installation, list(united.segments), slots)
    if previous_closing_milliwh is None:
        parts = [one for one in parts if slots.of(one.slot).phase == INSIDE]
    else:
        parts = _continue(ledger, parts, slots, previous_closing_milliwh)
    parts = _bounded(ledger, parts)
    parts, taken = remove(parts, list(claimed_elsewhere))
    _exclude(ledger, CLAIM_OTHER, taken)
    ledger.segments = parts
    inside = {one.opening_milliwh for one in parts}
    ledger.seen_twice = [one for one in united.seen_twice if _within(one, parts) and inside]
    _close(ledger, previous_closing_milliwh)
    for one in parts:
        _count(ledger, one, slots, options)
    return ledger


def _continue(
    ledger: MeterLedger, parts: list[Segment], slots: MeterSlots, closing: int
) -> list[Segment]:
    """Begin at the closing of the report before."""
    rest, taken = remove(parts, [(-1, closing)])
    _exclude(ledger, CLAIM_REUSED, [one for one in taken if slots.of(one.slot).phase == INSIDE])
    return rest


def _filled(installation: Installation, parts: list[Segment], slots: MeterSlots) -> list[Segment]:
    """What nobody verified behind the installation and before the removal is a gap too."""
    own = [one for one in parts if one.axis == 0]
    register, since = installation.opening_milliwh, installation.from_unix_ms
    filled = []
    if own and register < own[0].opening_milliwh:
        gap = own[0]._replace(opening_milliwh=register, closing_milliwh=own[0].opening_milliwh)
        filled.append(gap._replace(from_unix_ms=since, until_unix_ms=own[0].from_unix_ms))
    if own:
        register, since = own[-1].closing_milliwh, own[-1].until_unix_ms
    until, final = installation.until_unix_ms, installation.final_milliwh
    slot = slots.slots.of(until)
    if final is not None and register < final and slots.of(slot).phase in (BEFORE, INSIDE):
        filled.append(Segment(register, final, since, until, slot, UNVERIFIED_GAP, ""))
    gaps = [one._replace(kind=UNVERIFIED_GAP, device="") for one in filled]
    return sorted([*parts, *gaps], key=lambda one: (one.axis, one.opening_milliwh))


def seen_ms(segments: Iterable[Segment], slots: MeterSlots) -> dict[str, int]:
    """Time between verified readings by month of the period; what two devices saw counts once."""
    seen: dict[str, int] = {}
    end = 0
    for one in sorted(segments, key=lambda one: (one.from_unix_ms, one.until_unix_ms)):
        meaning = slots.of(one.slot)
        if one.kind in (STATED_GAP, UNVERIFIED_GAP) or meaning.phase != INSIDE:
            continue
        start = max(end, one.from_unix_ms)
        seen[meaning.month] = seen.get(meaning.month, 0) + max(0, one.until_unix_ms - start)
        end = max(end, one.until_unix_ms)
    return seen


def _bounded(ledger: MeterLedger, parts: list[Segment]) -> list[Segment]:
    """Only what lies between the registers recorded at installation and removal."""
    installation = ledger.installation
    outside = [(-1, installation.opening_milliwh)]
    if installation.final_milliwh is not None:
        outside.append((installation.final_milliwh, 1 << 62))
    parts, taken = remove(parts, outside)
    _exclude(ledger, OUTSIDE_REGISTERS, taken)
    return parts


def _exclude(ledger: MeterLedger, code: str, segments: list[Segment]) -> None:
    if segments:
        ledger.excluded.setdefault(code, []).extend(segments)


def _within(one: Segment, parts: Sequence[Segment]) -> bool:
    return any(
        part.opening_milliwh <= one.opening_milliwh < part.closing_milliwh
        for part in parts
        if part.axis == one.axis
    )


def _close(ledger: MeterLedger, previous_closing: int | None) -> None:
    """Opening and closing of the claim: the whole span on axis 0, gaps included."""
    own = [one for one in ledger.segments if one.axis == 0]
    if own:
        ledger.opening_milliwh = min(one.opening_milliwh for one in own)
        ledger.closing_milliwh = max(one.closing_milliwh for one in own)
        ledger.first_unix_ms = min(one.from_unix_ms for one in own)
        ledger.until_unix_ms = max(one.until_unix_ms for one in own)
    elif previous_closing is not None:
        ledger.opening_milliwh = ledger.closing_milliwh = previous_closing


def _count(ledger: MeterLedger, one: Segment, slots: MeterSlots, options: Options) -> None:
    meaning = slots.of(one.slot)
    share = ledger.shares.setdefault(meaning.month, Share(meaning.month, meaning.vintage))
    energy = Fraction(one.energy_milliwh)
    correction = energy * meaning.error_ppm / PPM
    share.register_milliwh += one.energy_milliwh
    share.project += energy + correction
    share.by_mix[meaning.mix] = share.by_mix.get(meaning.mix, Fraction(0)) + energy + correction
    span = meaning.mix, meaning.from_unix_ms, meaning.until_unix_ms
    ledger.by_span[span] = ledger.by_span.get(span, Fraction(0)) + energy + correction
    credited = treatment(one.kind, options)
    if credited:
        share.baseline += energy - correction
        if meaning.error_ppm:
            key = meaning.error_ppm, meaning.provisional
            ledger.overdue[key] = ledger.overdue.get(key, Fraction(0)) + correction
    else:
        ledger.withheld[one.kind] = ledger.withheld.get(one.kind, Fraction(0)) + energy
