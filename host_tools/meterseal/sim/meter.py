"""One simulated meter: a profile, a load, and an energy counter that is exact to the last mWh.

The registers are computed from the profile at the moment they are read. Nothing here knows Modbus;
`sim/server.py` serves it.
"""

import threading
import time
from collections.abc import Callable

from meterseal.profiles import Profile, Register
from meterseal.sim.encode import words_of_float, words_of_integer, words_of_milli, words_of_text
from meterseal.sim.load import STEP_MS, ChargingLoad, Grid, Step
from meterseal.sim.truth import Truth

_MW_MS_PER_MWH = 3_600_000
_SEED_STRIDE = 7919
_OTHER_METER_MWH = 4_321_987_654
_RATIOS = ("current_ratio", "current_primary")
DEFAULT_SERIAL = 20_150_427
# What SunSpec meters of the field announce: 10^-1 V, 10^-2 A, W and Wh as they are.
_SCALE_FACTORS = {"voltage_sf": -1, "current_sf": -2, "frequency_sf": -2, "power_factor_sf": -3}


class SimulatedMeter:
    """A meter that measures a charging station.

    `clock_ms` gives simulated milliseconds that never go back; without it real time times `speed`
    is used.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        unit_id: int | None = None,
        seed: int = 1,
        speed: int = 1,
        start_energy_wh: int = 0,
        start_export_wh: int = 0,
        serial: int | str = DEFAULT_SERIAL,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        self.profile = profile
        self.unit_id = profile.bus.unit_id if unit_id is None else unit_id
        self.serial: int | str = serial
        self.setup_values: dict[str, int] = {}
        self.ratio = 1
        self.rollover_mwh: int | None = None
        self._lock = threading.RLock()
        self._clock_ms = clock_ms or _real_clock(speed)
        self._loads = _loads(profile.phases, seed)
        self._grid = Grid(seed)
        self._steps = [load.step() for load in self._loads]
        self._millihz = self._grid.step()
        self._t_ms = self._clock_ms()
        self._step_end_ms = self._t_ms + STEP_MS
        self._start_mwh = start_energy_wh * 1000
        self._export_mwh = start_export_wh * 1000
        self._mw_ms = [0] * len(self._loads)

    def truth(self) -> Truth:
        """What the meter has measured up to now."""
        with self._lock:
            self._advance(self._clock_ms())
            return self._truth()

    def add_energy_mwh(self, delta_mwh: int) -> None:
        """Move the energy counter by hand (a fault, or a test that needs a certain value)."""
        with self._lock:
            self._start_mwh += delta_mwh

    def swap(self) -> None:
        """Put another meter of the same kind in its place: other serial number, other energy."""
        self.serial = _digits(self.serial) + 1_000_003
        self.add_energy_mwh(_OTHER_METER_MWH - self.truth().energy_import_mwh)

    def words(self, register: Register, truth: Truth | None = None) -> list[int]:
        """Words of one register, for now or for a given truth."""
        if register.section in ("registers", "resettable"):
            milli = (truth or self.truth()).milli(_quantity(register))
            return words_of_milli(register, milli, self.scale_factor(register))
        if register.section == "setup":
            return self._setup_words(register)
        return self._identity_words(register)

    def scale_factor(self, register: Register) -> int:
        """SunSpec scale factor that the meter announces for a register; 0 without one."""
        return 0 if register.sf is None else self.setup_value(self.profile.setup[register.sf])

    def setup_value(self, register: Register) -> int:
        """Value of a setting: as set by hand, as the profile expects it, or 1 (no transformer)."""
        if register.name in self.setup_values:
            return self.setup_values[register.name]
        if register.expect:
            return register.expect[0]
        if register.name in _RATIOS:
            return self.ratio
        return _SCALE_FACTORS.get(register.name, 0 if register.name.endswith("_sf") else 1)

    def _setup_words(self, register: Register) -> list[int]:
        value = self.setup_value(register)
        if register.type in ("f32", "f64"):
            return words_of_float(register, value)
        return words_of_integer(register, value)

    def _identity_words(self, register: Register) -> list[int]:
        """Serial number and model, as text or number; an expected value is answered as the profile
        expects it.
        """
        serial = register.name == "serial"
        if register.type == "str":
            texts = {"serial": str(self.serial), "manufacturer": self.profile.maker}
            return words_of_text(register, texts.get(register.name, self.profile.models[0]))
        if serial:
            return words_of_integer(register, _digits(self.serial))
        return words_of_integer(register, register.expect[0] if register.expect else 1)

    def _advance(self, now_ms: int) -> None:
        """Integrate power over the time since the last call, step by step."""
        while self._step_end_ms <= now_ms:
            self._integrate(self._step_end_ms)
            self._steps = [load.step() for load in self._loads]
            self._millihz = self._grid.step()
            self._step_end_ms += STEP_MS
        self._integrate(now_ms)

    def _integrate(self, until_ms: int) -> None:
        elapsed_ms = until_ms - self._t_ms
        for phase, step in enumerate(self._steps):
            self._mw_ms[phase] += step.power_mw * self.ratio * elapsed_ms
        self._t_ms = until_ms

    def _truth(self) -> Truth:
        phases = [mw_ms // _MW_MS_PER_MWH for mw_ms in self._mw_ms]
        phases[0] += self._start_mwh
        total_mwh = self._start_mwh + sum(self._mw_ms) // _MW_MS_PER_MWH
        if self.rollover_mwh is not None:
            total_mwh %= self.rollover_mwh
        return Truth(
            t_ms=self._t_ms,
            energy_import_mwh=total_mwh,
            energy_export_mwh=self._export_mwh,
            phase_import_mwh=tuple(phases),
            frequency_millihz=self._millihz,
            **_columns(self._steps, self.ratio),
        )


def _columns(steps: list[Step], ratio: int) -> dict[str, tuple[int, ...]]:
    """What the meter shows; a wrong transformer ratio multiplies current and power."""
    return {
        "power_mw": tuple(step.power_mw * ratio for step in steps),
        "voltage_mv": tuple(step.voltage_mv for step in steps),
        "current_ma": tuple(step.current_ma * ratio for step in steps),
        "power_factor_milli": tuple(step.power_factor_milli for step in steps),
    }


def _loads(phases: int, seed: int) -> list[ChargingLoad]:
    """One connector on each phase; the first begins to charge soon, so that a demonstration sees
    energy move.
    """
    first = ChargingLoad(seed, first_idle_s=10)
    return [first, *(ChargingLoad(seed + _SEED_STRIDE * n) for n in range(1, phases))]


def _real_clock(speed: int) -> Callable[[], int]:
    start = time.monotonic_ns()
    return lambda: (time.monotonic_ns() - start) * speed // 1_000_000


def _digits(serial: int | str) -> int:
    return serial if isinstance(serial, int) else int("".join(filter(str.isdigit, serial)) or "0")


def _quantity(register: Register) -> str:
    """Quantity that a register shows; a resettable counter counts like the total beside it."""
    return register.name.removesuffix("_resettable")
