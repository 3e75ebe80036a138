"""A synthetic hour of an e-motorcycle charging station, second by second, in integers.

Two session starts in the hour, idle consumption of a few watts before and between. Constant
power that rises a little as the battery fills, then a taper; mains of 225 to 235 V that wanders
and sags under load. Nothing here was measured. The same numbers on every Python.
"""

from collections.abc import Iterator
from typing import NamedTuple

_SAG_MILLIOHM = 250
_IDLE_MW = 6_400
_TAPER_S = 330  # time constant

# (start, end of constant power, end, power at the start); seconds of the hour
_SESSIONS = (
    (805, 1790, 2150, 2_180_000),
    (2630, 9999, 9999, 2_870_000),
)


class Second(NamedTuple):
    """State in one second; energy is what was used since the hour began, in millijoules."""

    voltage_uv: int
    current_ua: int
    power_uw: int
    energy_mj: int


class Noise:
    """Reproducible numbers (64-bit linear congruential generator, upper half used)."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def between(self, low: int, high: int) -> int:
        """A number from `low` to `high`."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return low + (self._state >> 32) * (high - low + 1) // (1 << 32)

    def bell(self, width: int) -> int:
        """Sum of four: bell-shaped, at most `width` to both sides."""
        return sum(self.between(-width, width) for _ in range(4)) // 4


def _session_mw(second: int) -> int:
    """Power that the charger asks for in a second of the hour; 0 without a session."""
    for start, full, end, power_mw in _SESSIONS:
        if start <= second < end:
            ramp = min(second - start + 1, 4)
            risen = power_mw + power_mw * 4 * (min(second, full) - start) // (100 * (full - start))
            taper = _decay(max(0, second - full))
            return risen * taper // 1_000_000 * ramp // 4
    return 0


def _decay(seconds: int) -> int:
    """exp(-seconds / time constant) in millionths, by repeated multiplication."""
    value = 1_000_000_000_000
    for _ in range(seconds):
        value -= value // _TAPER_S
    return value // 1_000_000


def simulate(seed: int, seconds: int) -> Iterator[Second]:
    """Yield `seconds` seconds."""
    noise = Noise(seed)
    open_uv = 231_400_000
    energy_mj = 0
    for second in range(seconds):
        open_uv += (231_400_000 - open_uv) // 900 + noise.bell(300_000)
        wanted_mw = _session_mw(second)
        if wanted_mw:
            power_mw = wanted_mw + wanted_mw * noise.bell(8_000) // 1_000_000
            factor_ppm = 987_000 + noise.bell(2_500)
        else:
            power_mw = _IDLE_MW + noise.bell(240)
            factor_ppm = 548_000 + noise.bell(9_000)
        sag_uv = power_mw * _SAG_MILLIOHM * 1000 // 230_000
        voltage_uv = open_uv - sag_uv + noise.bell(110_000)
        power_uw = power_mw * 1000 + noise.between(0, 999)
        current_ua = power_uw * 1_000_000_000_000 // (voltage_uv * factor_ppm)
        energy_mj += power_uw // 1000
        yield Second(voltage_uv, current_ua, power_uw, energy_mj)
