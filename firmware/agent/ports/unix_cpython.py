"""time.ticks_* of MicroPython, for CPython."""

import time


class Ticks:
    """Monotonic time that wraps at 2^62."""

    _MASK = (1 << 62) - 1

    def ticks_ms(self):
        """Milliseconds."""
        return time.monotonic_ns() // 1000000 & self._MASK

    def ticks_us(self):
        """Microseconds."""
        return time.monotonic_ns() // 1000 & self._MASK

    def ticks_add(self, a, b):
        """Sum."""
        return (a + b) & self._MASK

    def ticks_diff(self, a, b):
        """a - b, signed."""
        half = (self._MASK + 1) >> 1
        return ((a - b + half) & self._MASK) - half


ticks = Ticks()
