"""Charging load of the example stations, and meters that count it.

Electric motorcycles charge around noon and after work; a station has a few connectors, and the
meter's register moves in the steps of its kind.
"""

import hashlib
from fractions import Fraction

import numpy as np

HOUR_MS = 3_600_000
# Mean share of the rated power by local hour, in per mille.
_SHAPE = np.array(
    (
        *(30, 20, 10, 10, 10, 30, 80, 150, 180, 190, 210, 260),
        *(330, 300, 240, 220, 260, 360, 480, 520, 430, 290, 160, 80),
    ),
    np.int64,
)


def random_of(*names):
    """A generator that depends on the names alone."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return np.random.default_rng(list(digest))


def energy_wh(random, times_ms, offset_min, rated_w, size_permille):
    """Cumulative Wh (integers) at the times; never faster than the rated power."""
    steps_ms = np.diff(times_ms, prepend=times_ms[0])
    hours = (times_ms // HOUR_MS + offset_min // 60) % 24
    mean = rated_w * _SHAPE[hours] * size_permille // 1_000_000
    busy = random.random(len(times_ms)) < 0.75
    drawn = np.minimum(mean * random.integers(400, 2400, len(times_ms)) // 1000, rated_w)
    watts = np.where(busy, drawn, 0)
    return np.cumsum(watts * steps_ms // HOUR_MS)


class FloatMeter:
    """Counts kWh in float32, as an Eastron SDM120 does: words of the register at each reading."""

    def __init__(self, start_wh):
        self.start_wh = start_wh

    def words(self, energy):
        """Register integers, shape (n,), uint64."""
        kwh = ((self.start_wh + energy) / 1000).astype(np.float32)
        return kwh.view(np.uint32).astype(np.uint64)

    @staticmethod
    def milliwh(word):
        """Exact mWh of a register integer."""
        value = np.array([word], np.uint32).view(np.float32)[0]
        return round(Fraction(float(value)) * 10**6)


class StepMeter:
    """Counts steps of 100 Wh, as a Carlo Gavazzi EM340 does."""

    def __init__(self, start_wh):
        self.start_wh = start_wh

    def words(self, energy):
        """Register integers, shape (n,), uint64."""
        return ((self.start_wh + energy) // 100).astype(np.uint64)

    @staticmethod
    def milliwh(word):
        """Exact mWh of a register integer."""
        return int(word) * 100_000
