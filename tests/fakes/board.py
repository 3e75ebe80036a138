"""A board's clock, store and reset as the tests need them: time passes only when they say so."""


class Ticks:
    """ticks_* with a chosen period, as on a 32-bit board: 2**30 ms."""

    def __init__(self, period_ms=1 << 30, start_ms=0):
        self._mask = period_ms - 1
        self._now_ms = start_ms

    def advance(self, ms):
        self._now_ms += ms

    def ticks_ms(self):
        return self._now_ms & self._mask

    def ticks_us(self):
        return self._now_ms * 1000 & self._mask

    def ticks_add(self, a, b):
        return (a + b) & self._mask

    def ticks_diff(self, a, b):
        half = (self._mask + 1) >> 1
        return ((a - b + half) & self._mask) - half


class Rtc:
    """A board's clock: `kept` is what it shows after a start (None: it lost power)."""

    def __init__(self, kept=None, source=1, error_ms=5000):
        self.kept = kept
        self.source = source
        self.error_ms = error_ms
        self.system = None
        self.genuine = False
        self.battery = None

    def read(self):
        return self.kept

    def keep(self, t_unix_ms):
        self.battery = t_unix_ms

    def set_system(self, t_unix_ms, genuine):
        self.system = t_unix_ms
        self.genuine = genuine


class Store:
    """State store in RAM that counts its writes."""

    def __init__(self):
        self.blobs = {}
        self.writes = 0

    def get(self, name):
        return self.blobs.get(name)

    def set(self, name, blob):
        self.blobs[name] = bytes(blob)
        self.writes += 1
