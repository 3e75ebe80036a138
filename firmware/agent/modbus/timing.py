"""Time as the bus needs it, on MicroPython and on CPython: ticks that wrap, sleep, wait with a
limit.

Tests inject a class with the same methods that runs on simulated time. Ticks are compared by
`since_ms` and `since_us` only, never subtracted.
"""

import asyncio
import time

from agent.constant import const

_HALF = const(1 << 29)  # ticks wrap at 2^30 here, as on ESP32
_MASK = 2 * _HALF - 1


class Timing:
    """The real time."""

    def ms(self):
        """Milliseconds, wrapping."""
        return ticks_ms()

    def us(self):
        """Microseconds, wrapping (every 18 minutes)."""
        return ticks_us()

    def since_ms(self, start):
        """Milliseconds since `start`, right for 6 days."""
        return diff(ticks_ms(), start)

    def since_us(self, start):
        """Microseconds since `start`, right for 8 minutes."""
        return diff(ticks_us(), start)

    async def sleep_ms(self, ms):
        """Let other tasks run for `ms` milliseconds."""
        await sleep_ms(ms)

    async def wait_for_ms(self, awaitable, ms):
        """Result of `awaitable`, or asyncio.TimeoutError after `ms` milliseconds."""
        return await wait_for_ms(awaitable, ms)


def diff(end, start):
    """end - start of two ticks of 30 bits."""
    return ((end - start + _HALF) & _MASK) - _HALF


if hasattr(time, "ticks_us"):
    # Not asyncio.sleep(): single-precision seconds lose milliseconds.
    sleep_ms = asyncio.sleep_ms
    wait_for_ms = asyncio.wait_for_ms

    def ticks_us():
        """Microseconds modulo 2^30."""
        return time.ticks_us() & _MASK

    def ticks_ms():
        """Milliseconds modulo 2^30."""
        return time.ticks_ms() & _MASK

else:

    async def sleep_ms(ms):
        """Let other tasks run for `ms` milliseconds."""
        await asyncio.sleep(ms / 1000)

    async def wait_for_ms(awaitable, ms):
        """Result of `awaitable`, or asyncio.TimeoutError after `ms` milliseconds."""
        return await asyncio.wait_for(awaitable, ms / 1000)

    def ticks_us():
        """Microseconds modulo 2^30."""
        return (time.monotonic_ns() // 1000) & _MASK

    def ticks_ms():
        """Milliseconds modulo 2^30."""
        return (time.monotonic_ns() // 1000000) & _MASK
