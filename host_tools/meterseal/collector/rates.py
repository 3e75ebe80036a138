"""How fast bytes that do not verify are taken: a token bucket for each address and each device.

What verifies is never held up by it: behind one address there may be honest stations beside one
that sends garbage. Each worker counts for itself.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from meterseal.collector.records import Refused

PIECE_COST: Final = 256
"""What a piece costs beside its bytes."""
_MOST_BUCKETS: Final = 20_000


class Rate(NamedTuple):
    """`burst` bytes at once, and `per_s` bytes a second in the long run."""

    burst: int
    per_s: int


OF_ADDRESS: Final = Rate(4 << 20, 32 << 10)
OF_DEVICE: Final = Rate(2 << 20, 8 << 10)


class Buckets:
    """One bucket for each key; those that are full again are forgotten."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._owed: dict[object, tuple[float, float]] = {}

    def wait_s(self, key: object, cost: int) -> float:
        """Seconds until so much may be taken; 0: now. Nothing is taken yet."""
        return max(0.0, (self._debt(key) + cost - self._rate.burst) / self._rate.per_s)

    def take(self, key: object, cost: int) -> None:
        """Take so much."""
        debt = self._debt(key) + cost
        self._owed.pop(key, None)
        self._owed[key] = debt, self._clock()
        if len(self._owed) > _MOST_BUCKETS:
            del self._owed[next(iter(self._owed))]  # the one that was used longest ago

    def _debt(self, key: object) -> float:
        debt, then = self._owed.get(key, (0.0, 0.0))
        return max(0.0, debt - (self._clock() - then) * self._rate.per_s)


class Rates:
    """What an intake asks before it keeps bytes that did not verify."""

    def __init__(self, of_address: Rate = OF_ADDRESS, of_device: Rate = OF_DEVICE) -> None:
        self._of_address = Buckets(of_address)
        self._of_device = Buckets(of_device)
        self.limited = 0
        """How many uploads were limited so far."""

    def wait_s(self, address: str, refused: Sequence[Refused]) -> float:
        """0 if these may be kept, which counts them; else seconds until they may."""
        of_device: dict[bytes, int] = {}
        for item in refused:
            cost = len(item.raw) + PIECE_COST
            of_device[item.device] = of_device.get(item.device, 0) + cost
        total = sum(of_device.values())
        wait = self._of_address.wait_s(address, total)
        for device, cost in of_device.items():
            if device:
                wait = max(wait, self._of_device.wait_s(device, cost))
        if wait:
            self.limited += 1
            return wait
        self._of_address.take(address, total)
        for device, cost in of_device.items():
            if device:
                self._of_device.take(device, cost)
        return 0.0
