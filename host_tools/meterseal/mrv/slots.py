"""What a time slot of a meter means: its place in the period, month, vintage, calibration.

Cuts of a meter: New Years since the activity began, months of the period, the edges of its
calibrations and invoices, and changes of its station's sources, so that one treatment holds for
all of a slot.
"""

from bisect import bisect_right
from datetime import date
from typing import NamedTuple

from meterseal.mrv.cuts import (
    LAST_DAY_MS,
    Period,
    Slots,
    local_day,
    midnight_ms,
    month_starts_ms,
)
from meterseal.mrv.installations import Installation

BEFORE, INSIDE, BEHIND = "before", "inside", "behind"


class Meaning(NamedTuple):
    """`error_ppm`: of an overdue calibration, else 0; `provisional`: its late test is missing;
    `mix`: which of the station's mixes of sources; times: the slot's edges.
    """

    phase: str
    month: str
    vintage: int
    error_ppm: int
    provisional: bool
    mix: int
    from_unix_ms: int
    until_unix_ms: int


class MeterSlots:
    """Slots of one meter epoch and their meanings."""

    def __init__(self, installation: Installation, period: Period, start_year: int) -> None:
        self.slots = Slots(_cuts(installation, period, start_year))
        self._installation = installation
        self._period = period
        self._known: dict[int, Meaning] = {}

    def of(self, slot: int) -> Meaning:
        """Meaning of a slot."""
        if slot not in self._known:
            self._known[slot] = self._meaning(slot)
        return self._known[slot]

    def _meaning(self, slot: int) -> Meaning:
        cuts, period = self.slots.cuts, self._period
        if slot >= len(cuts):
            return Meaning(BEHIND, "", 0, 0, False, 0, cuts[-1], LAST_DAY_MS)
        start, end = cuts[slot - 1] if slot else 0, cuts[slot]
        phase = BEFORE if end <= period.from_unix_ms else INSIDE
        if start >= period.until_unix_ms:
            phase = BEHIND
        day = local_day(end - 1, period.offset_min)
        error_ppm, provisional = overdue(self._installation, start)
        mix = max(0, bisect_right(self._installation.mixes_from_unix_ms, start) - 1)
        return Meaning(
            phase, day.isoformat()[:7], day.year, error_ppm, provisional, mix, start, end
        )


def overdue(installation: Installation, t_unix_ms: int) -> tuple[int, bool]:
    """Error in ppm that works against the claim at a time, 0 while a calibration is valid.

    The greater of the maximum permissible error and the error that the late test found; as long as
    there is no late test, the first one is provisional (CDM validation and verification standard
    for project activities, version 3, paragraphs 366 and 367).
    """
    calibrations = installation.calibrations
    if any(one.from_unix_ms <= t_unix_ms < one.until_unix_ms for one in calibrations):
        return 0, False
    late = [one for one in calibrations if one.from_unix_ms > t_unix_ms]
    if not late:
        return installation.mpe_ppm, True
    test = min(late, key=lambda one: one.from_unix_ms)
    if test.found_ppm is None:
        return installation.mpe_ppm, True
    return max(installation.mpe_ppm, test.found_ppm), False


def year_cuts(period: Period, start_year: int) -> frozenset[int]:
    """New Years from the start of the activity to the one behind the period."""
    years = range(start_year, period.last.year + 2)
    return frozenset(midnight_ms(date(year, 1, 1), period.offset_min) for year in years)


def _cuts(installation: Installation, period: Period, start_year: int) -> set[int]:
    cuts = set(year_cuts(period, start_year))
    cuts.update(month_starts_ms(period.first, period.last, period.offset_min))
    cuts.update((period.from_unix_ms, period.until_unix_ms))
    cuts.update(installation.mixes_from_unix_ms)
    cuts.update(installation.more_cuts_unix_ms)
    for one in installation.calibrations:
        cuts.update((one.from_unix_ms, one.until_unix_ms))
    return cuts
