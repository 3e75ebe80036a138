"""Simulated time for device code: the methods of agent.modbus.timing.Timing, without waiting.

Time moves only when every task sleeps (to the next wake-up) or when simulated hardware blocks
(`advance_us`). Runs on CPython and on MicroPython.
"""

import asyncio

from agent.modbus.timing import Timing, diff

_MASK = (1 << 30) - 1


class VirtualTiming(Timing):
    """`now_us` counts from `start_us`; start near 2^30 to see the ticks wrap."""

    def __init__(self, start_us=(1 << 30) - 5000000):
        self.now_us = start_us
        self.deadline_us = 0
        self.hold_us = 0  # another task holds the loop once for so long, at the next sleep
        self.hold_after_us = 0  # but not before this time
        self._sleepers = []

    def advance_us(self, us):
        """The hardware or another task holds the processor for so long."""
        self.now_us += us

    def ms(self):
        return (self.now_us // 1000) & _MASK

    def us(self):
        return self.now_us & _MASK

    def since_ms(self, start):
        return diff(self.ms(), start)

    def since_us(self, start):
        return diff(self.us(), start)

    async def sleep_ms(self, ms):
        if self.hold_us and self.now_us >= self.hold_after_us:
            self.now_us += self.hold_us
            self.hold_us = 0
        wake_us = self.now_us + 1000 * ms
        self._sleepers.append(wake_us)
        try:
            while self.now_us < wake_us:
                await asyncio.sleep(0)
                if min(self._sleepers) == wake_us:
                    self.now_us = max(self.now_us, wake_us)
        finally:
            self._sleepers.remove(wake_us)

    async def wait_for_ms(self, awaitable, ms):
        """Simulated streams keep the limit themselves: see `fake_stream`."""
        self.deadline_us = self.now_us + 1000 * ms
        return await awaitable


class VirtualClock:
    """The part of agent.clock.Clock that the meter task uses, on simulated time."""

    def __init__(self, timing, boot=1):
        self.boot = boot
        self._timing = timing
        self._start_us = timing.now_us
        self.start_unix_ms = None

    def mono_ms(self):
        return (self._timing.now_us - self._start_us) // 1000

    def utc_ms(self):
        """Not known, unless a test says when the clock began."""
        return None if self.start_unix_ms is None else self.start_unix_ms + self.mono_ms()


def run(coroutine):
    """Run to the end on either interpreter."""
    return asyncio.run(coroutine)
