"""The load of an e-motorcycle charging station: sessions of 1.2 to 3 kW with a taper, and the idle
draw between them.

Everything is integer and depends only on the seed and the simulated time, so that two runs agree
to the last digit.
One simulated second is one step; within it the electrical state is constant, and energy is its
exact integral.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

STEP_MS = 1000
IDLE_POWER_MW = 7_500
_NOMINAL_MV = 230_000
_TAPER_PERMILLE = 18
_END_OF_TAPER_MW = 60_000


@dataclass(frozen=True)
class Step:
    """Electrical state of one phase during one step. Power is exactly V x I x PF, rounded down to
    1 mW.
    """

    voltage_mv: int
    current_ma: int
    power_factor_milli: int
    power_mw: int


class ChargingLoad:
    """One connector on one phase: endless sequence of idle times and charging sessions."""

    def __init__(self, seed: int, *, first_idle_s: int | None = None) -> None:
        self._random = random.Random(seed)
        self._first_idle_s = first_idle_s
        self._voltage_mv = _NOMINAL_MV + self._random.randint(-4000, 4000)
        self._targets_mw = self._sessions()

    def step(self) -> Step:
        """State of the next simulated second."""
        target_mw = next(self._targets_mw)
        charging = target_mw > IDLE_POWER_MW
        self._wander()
        # 0.35 ohm of cable and transformer: the voltage sags by about 4.5 V at 13 A.
        voltage_mv = self._voltage_mv - target_mw * 350 // 230_000
        factor = self._random.randint(986, 994) if charging else self._random.randint(580, 620)
        current_ma = target_mw * 1_000_000 // (voltage_mv * factor)
        return Step(voltage_mv, current_ma, factor, voltage_mv * current_ma * factor // 1_000_000)

    def _wander(self) -> None:
        """Slow random walk of the grid voltage, pulled back to nominal, within +-8 %."""
        pull = (_NOMINAL_MV - self._voltage_mv) // 400
        self._voltage_mv += pull + self._random.randint(-150, 150)
        self._voltage_mv = max(211_600, min(248_400, self._voltage_mv))

    def _sessions(self) -> Iterator[int]:
        """Power that the load asks for, second by second, in mW."""
        idle_s = (
            self._random.randint(20, 120) if self._first_idle_s is None else self._first_idle_s
        )
        while True:
            for _ in range(idle_s):
                yield IDLE_POWER_MW
            yield from self._session()
            idle_s = self._random.randint(240, 2400)

    def _session(self) -> Iterator[int]:
        """One battery: soft start, constant power, taper down to the end of charge."""
        full_mw = self._random.randint(1_200_000, 3_000_000)
        for second in range(1, 7):
            yield max(IDLE_POWER_MW + 1, full_mw * second // 6)
        for _ in range(self._random.randint(900, 3000)):
            yield full_mw + self._random.randint(-full_mw // 200, full_mw // 200)
        power_mw = full_mw
        while power_mw > _END_OF_TAPER_MW:
            yield power_mw
            power_mw -= max(1, power_mw * _TAPER_PERMILLE // 10_000)


class Grid:
    """Frequency of the grid: a slow walk around 50 Hz."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed ^ 0x50)
        self._millihz = 50_000

    def step(self) -> int:
        """Frequency of the next simulated second in mHz."""
        self._millihz += self._random.randint(-3, 3) + (50_000 - self._millihz) // 20
        return self._millihz
