"""From readings to segments: one walk along a meter's readings as one device sealed them.

Readings that follow each other as they should make one segment for as long as nothing changes, so
that a month of minutes is one segment. Whole blocks are checked in a few array operations; only a
block in which something happens is looked at reading by reading.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from meterseal.mrv.cuts import Slots
from meterseal.mrv.segments import (
    BACKWARD,
    CLOCK_REJECTED,
    IMPLAUSIBLE,
    MEASURED,
    RECOVERED,
    STATED_GAP,
    UNVERIFIED_GAP,
    YEAR_CROSSING,
    Segment,
)

MS_PER_HOUR: Final = 3_600_000
CREDITABLE: Final = (MEASURED, RECOVERED)
_ONE_BY_ONE: Final = (IMPLAUSIBLE, STATED_GAP, UNVERIFIED_GAP, YEAR_CROSSING, CLOCK_REJECTED)


class Block(NamedTuple):
    """Readings of one meter in ascending order; arrays of shape (n,), n >= 1.

    `kind`: how well the block itself is proven (segments.py). Of what lies between it and the
    readings before it: `rejected`: there were readings that do not count; `lost`: so many readings
    are missing, and the chain itself states that they are lost.
    """

    t_unix_ms: NDArray[np.int64]
    register_milliwh: NDArray[np.int64]
    kind: str
    rejected: bool = False
    lost: int = 0


class Limits(NamedTuple):
    """What is plausible for a meter.

    `max_interval_ms`: longer between two readings is a gap; `power_mw`: tolerance included;
    `resolution_milliwh`: the step in which the register moves.
    """

    max_interval_ms: int
    power_mw: int
    resolution_milliwh: int


class Decrease(NamedTuple):
    """The register went down without a record of a replacement."""

    t_unix_ms: int
    before_milliwh: int
    after_milliwh: int


class Suspect(NamedTuple):
    """A reading that waits for the next one, and what lies between it and the one before."""

    t_unix_ms: int
    register_milliwh: int
    kind: str
    rejected: bool
    lost: int


class Walk:
    """Collects the segments of one (device, meter epoch)."""

    def __init__(
        self, device: str, limits: Limits, slots: Slots, year_cuts: frozenset[int]
    ) -> None:
        self.decreases: list[Decrease] = []
        self._device = device
        self._limits = limits
        self._slots = slots
        self._year_cuts = year_cuts
        self._segments: list[Segment] = []
        self._open: Segment | None = None
        self._end_ms = 0
        self._t_ms, self._register = 0, -1
        self._rejected, self._lost = False, 0
        self._only_one = False
        self._suspect: Suspect | None = None
        self.isolated: list[int] = []
        """Times of readings left out: alone against those before and behind them."""

    @property
    def last(self) -> tuple[int, int] | None:
        """Time and register of the newest reading."""
        return (self._t_ms, self._register) if self._register >= 0 else None

    def feed(self, block: Block) -> None:
        """The next readings of the meter, as the device sealed them."""
        self._rejected, self._lost = self._rejected or block.rejected, self._lost + block.lost
        times, registers = block.t_unix_ms, block.register_milliwh
        if self._continues(block):
            self._t_ms, self._register = int(times[-1]), int(registers[-1])
            return
        for t_ms, register in zip(times.tolist(), registers.tolist(), strict=True):
            self._take(t_ms, register, block.kind)

    def finish(self) -> list[Segment]:
        """All segments, in the order in which they were sealed."""
        self._close()
        return self._segments

    @property
    def unconfirmed(self) -> int | None:
        """Time of a last reading that does not fit those before it; nothing behind it says why."""
        return self._suspect.t_unix_ms if self._suspect else None

    def _take(self, t_ms: int, register: int, kind: str) -> None:
        """A reading that cannot be right waits for the next one: a single bad one is left out."""
        suspect, self._suspect = self._suspect, None
        if suspect is not None:
            alone = not self._register <= suspect.register_milliwh <= register
            if alone and self._fits(t_ms, register):
                self.isolated.append(suspect.t_unix_ms)
                self._rejected, self._lost = (
                    self._rejected or suspect.rejected,
                    self._lost + suspect.lost,
                )
            else:
                self._believe(suspect)
        if self._register >= 0 and not self._fits(t_ms, register):
            self._suspect = Suspect(t_ms, register, kind, self._rejected, self._lost)
            self._rejected, self._lost = False, 0
            return
        self._go(t_ms, register, kind)

    def _believe(self, suspect: Suspect) -> None:
        """Readings behind it bear it out; if only one lies before it, that one was wrong."""
        if self._only_one and suspect.register_milliwh < self._register:
            self.isolated.append(self._t_ms)
            self._register = -1
        behind = self._rejected, self._lost
        self._rejected, self._lost = suspect.rejected, suspect.lost
        self._go(*suspect[:3])
        self._rejected, self._lost = behind

    def _fits(self, t_ms: int, register: int) -> bool:
        """Whether a reading is possible behind the one before it."""
        step_ms = max(0, t_ms - self._t_ms)
        return 0 <= register - self._register <= self._allowed(step_ms)

    def _allowed(self, step_ms: int) -> int:
        limits = self._limits
        return step_ms * limits.power_mw // MS_PER_HOUR + limits.resolution_milliwh

    def _go(self, t_ms: int, register: int, kind: str) -> None:
        self._only_one = self._register < 0
        if not self._only_one:
            self._step(t_ms, register, kind)
        self._t_ms, self._register = t_ms, register
        self._rejected, self._lost = False, 0

    def _continues(self, block: Block) -> bool:
        """Whether the whole block only prolongs the open segment."""
        last, times, registers = self._open, block.t_unix_ms, block.register_milliwh
        if last is None or last.kind != block.kind or block.kind not in CREDITABLE:
            return False
        if self._suspect or self._rejected or self._lost or times[-1] > self._end_ms:
            return False
        steps_ms, steps = _steps(self._t_ms, times), _steps(self._register, registers)
        limits = self._limits
        if steps_ms.min() <= 0 or steps_ms.max() > limits.max_interval_ms or steps.min() < 0:
            return False
        allowed = steps_ms * limits.power_mw // MS_PER_HOUR + limits.resolution_milliwh
        return bool((steps <= allowed).all())

    def _step(self, t_ms: int, register: int, kind: str) -> None:
        """The interval from the reading before to this one."""
        if register < self._register:
            self._close()
            self.decreases.append(Decrease(t_ms, self._register, register))
            return
        kind, slot = self._judge(t_ms, register, kind), self._slots.of(t_ms)
        last = self._open
        if last is None or last.kind != kind or last.slot != slot or kind in _ONE_BY_ONE:
            self._close()
            at, axis = self._register, len(self.decreases)
            self._open = Segment(at, at, self._t_ms, t_ms, slot, kind, self._device, axis)
            self._end_ms = self._slots.end_ms(slot)

    def _judge(self, t_ms: int, register: int, kind: str) -> str:
        """How well an interval is proven."""
        step_ms, step = t_ms - self._t_ms, register - self._register
        limits = self._limits
        if self.decreases:
            return BACKWARD
        if kind not in CREDITABLE:
            return kind
        if step_ms <= 0:
            return CLOCK_REJECTED
        if step > self._allowed(step_ms):
            return IMPLAUSIBLE
        if self._rejected:
            return UNVERIFIED_GAP
        if step_ms > limits.max_interval_ms:
            explained = step_ms <= (self._lost + 1) * limits.max_interval_ms
            return STATED_GAP if explained else UNVERIFIED_GAP
        return YEAR_CROSSING if self._crosses_year(t_ms) else kind

    def _crosses_year(self, t_ms: int) -> bool:
        end_ms = self._slots.end_ms(self._slots.of(self._t_ms + 1))
        return self._t_ms < end_ms < t_ms and end_ms in self._year_cuts

    def _close(self) -> None:
        if self._open is not None:
            ended = self._open._replace(closing_milliwh=self._register, until_unix_ms=self._t_ms)
            self._segments.append(ended)
        self._open = None


def _steps(before: int, values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Differences of neighbours, the first one to `before` (np.diff copies for that)."""
    steps = np.empty_like(values)
    steps[0] = values[0] - before
    np.subtract(values[1:], values[:-1], out=steps[1:])
    return steps
