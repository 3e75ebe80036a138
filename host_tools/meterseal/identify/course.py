"""Does the energy counter move as the power says? The load may change while it is watched."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from meterseal.identify.checks import Reason, factor_text

# Meters count in steps of their own, whatever the register could show.
_COUNTER_STEP_MWH: Final = 10_000
_MS_PER_H: Final = 3_600_000


@dataclass(frozen=True)
class PowerCourse:
    """Power between two readings of the counter: `samples` of (second, mW), at least one."""

    begin_s: float
    end_s: float
    samples: tuple[tuple[float, int], ...]

    @property
    def elapsed_ms(self) -> int:
        """Time between the two readings."""
        return round(1000 * (self.end_s - self.begin_s))

    @property
    def energy_mwh(self) -> int:
        """Each sample counts from the middle of the gap before it to that of the gap behind it."""
        times = [t for t, _ in self.samples]
        middles = [(a + b) / 2 for a, b in pairwise(times)]
        edges = [self.begin_s, *middles, self.end_s]
        parts = zip(pairwise(edges), self.samples, strict=True)
        return round(sum((end - begin) * mw for (begin, end), (_, mw) in parts) / 3600)

    @property
    def bounds_mwh(self) -> tuple[int, int]:
        """Energy if the power had always been the least seen, or the greatest."""
        powers = [mw for _, mw in self.samples]
        elapsed = self.elapsed_ms
        return min(powers) * elapsed // _MS_PER_H, max(powers) * elapsed // _MS_PER_H


def energy_moves(moved_mwh: int, course: PowerCourse, step_mwh: int) -> Reason:
    """Movement of the counter against the course of the power.

    Refused only outside of what the least and the greatest power seen allow, with a quarter more.
    """
    expected_mwh = course.energy_mwh
    low, high = course.bounds_mwh
    tolerance_mwh = 2 * max(step_mwh, _COUNTER_STEP_MWH)
    shown = (
        f"energy moved {moved_mwh / 1000:.1f} Wh in {course.elapsed_ms / 1000:.0f} s, "
        f"power says {expected_mwh / 1000:.1f} Wh"
    )
    if moved_mwh < 0:
        return Reason("energy-backwards", shown, against=True)
    too_little = moved_mwh < low - abs(low) // 4 - tolerance_mwh
    if too_little or moved_mwh > high + abs(high) // 4 + tolerance_mwh:
        return Reason("energy-rate", shown + factor_text(moved_mwh, expected_mwh), against=True)
    if expected_mwh < 2 * tolerance_mwh:
        advice = "too little to compare, watch longer or under load"
        return Reason("energy-unchecked", f"{shown}: {advice}")
    if abs(moved_mwh - expected_mwh) > expected_mwh // 4 + tolerance_mwh:
        return Reason("energy-unchecked", f"{shown}: the load changed meanwhile, watch again")
    return Reason("energy-fits", shown)
