"""Which profile fits the meter on this line, and why the others do not."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from meterseal.identify.judge import Judgement, first_look, second_look, watch
from meterseal.identify.link import Link
from meterseal.profiles import Profile

__all__ = ["Identification", "identify_meter"]
_SAMPLE_S = 2
_MOST_SAMPLES = 60


@dataclass(frozen=True)
class Identification:
    """Result for one meter. `judgements` has every profile, the best first."""

    unit_id: int
    judgements: tuple[Judgement, ...]

    @property
    def best(self) -> Judgement | None:
        """The profile with the most evidence, if any is left."""
        return self.judgements[0] if self.judgements and not self.judgements[0].refused else None

    @property
    def rivals(self) -> list[Judgement]:
        """Other profiles that fit as well as the best and would seal another energy."""
        return [j for j in self._equals() if self.best and _total_of(j) != _total_of(self.best)]

    @property
    def twins(self) -> list[Judgement]:
        """Other profiles that fit as well as the best and read the same energy register."""
        return [j for j in self._equals() if self.best and _total_of(j) == _total_of(self.best)]

    @property
    def certain(self) -> bool:
        """Whether one profile is left, or several that read the same energy in the same way."""
        return self.best is not None and self.best.verdict == "fits" and not self.rivals

    def _equals(self) -> list[Judgement]:
        best = self.best
        return [j for j in self.judgements[1:] if best and j.verdict == best.verdict]


def _total_of(judgement: Judgement) -> tuple[object, ...]:
    """What decides which energy would be sealed."""
    total = judgement.profile.total
    unit = total.unit, total.exp10, total.sf
    return total.function, total.address, total.type, total.order, *unit


def identify_meter(
    link: Link,
    unit_id: int,
    profiles: Iterable[Profile],
    *,
    watch_s: float,
    clock_s: Callable[[], float] = time.monotonic,
    sleep_s: Callable[[float], None] = time.sleep,
) -> Identification:
    """Compare a meter with profiles; `watch_s`: how long to watch the counter (0: not at all)."""

    def read(function: int, address: int, count: int) -> list[int] | int | None:
        return link.read(unit_id, function, address, count)

    judgements = [first_look(profile, read, clock_s) for profile in profiles]
    left = [judgement for judgement in judgements if not judgement.refused]
    if watch_s and left:
        samples = max(2, min(_MOST_SAMPLES, int(watch_s / _SAMPLE_S)))
        for _ in range(samples):
            sleep_s(watch_s / samples)
            for judgement in left:
                watch(judgement, read, clock_s)
        for judgement in left:
            second_look(judgement, read, clock_s)
    rank = {"fits": 0, "possible": 1, "no": 2}
    ordered = sorted(
        judgements, key=lambda j: (rank[j.verdict], tuple(-n for n in j.evidence), j.profile.id)
    )
    return Identification(unit_id, tuple(ordered))
