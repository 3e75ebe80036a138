"""Does a set of decoded values look like an electrical installation? Pure functions on integers.

Values are thousandths of the base unit by quantity (`voltage_l1_v` in mV, ...).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from meterseal.profiles import Register
from meterseal.profiles.schema import FLOAT_TYPES, UNITS

Values = dict[str, int | None]

_VOLTAGE_MV: Final = (80_000, 300_000)
_FREQUENCY_MHZ: Final = (45_000, 65_000)
_CURRENT_MA: Final = 1_000_000
_POWER_SLACK_MW: Final = 20_000
_LEAST_APPARENT_MVA: Final = 100_000


@dataclass(frozen=True)
class Reason:
    """Why a profile fits or not. `against`: it cannot be this profile."""

    code: str
    text: str
    against: bool = False


def step_milli(register: Register, value: int, scale_factor: int = 0) -> int:
    """Smallest step that the register can show at this value."""
    if register.type in FLOAT_TYPES:
        return max(1, abs(value) >> (22 if register.type == "f32" else 51))
    unit = register.unit or "1"
    return int(10 ** max(0, register.exp10 + scale_factor + UNITS[unit][1] + 3))


def plausible(values: Values) -> Iterator[Reason]:
    """Voltage, frequency, current, and active against apparent power."""
    yield from _voltages(values)
    hertz = values.get("frequency_hz")
    if hertz is not None and not _FREQUENCY_MHZ[0] <= hertz <= _FREQUENCY_MHZ[1]:
        text = f"frequency reads {hertz / 1000:.2f} Hz, expected 45 to 65"
        yield Reason("frequency-implausible", text, against=True)
    for phase in (1, 2, 3):
        amps = values.get(f"current_l{phase}_a")
        if amps is not None and abs(amps) > _CURRENT_MA:
            text = f"current of phase {phase} reads {amps / 1000:.0f} A"
            yield Reason("current-implausible", text, against=True)
    yield from _power(values)


def _voltages(values: Values) -> Iterator[Reason]:
    volts = [v for n in (1, 2, 3) if (v := values.get(f"voltage_l{n}_v")) is not None]
    if not volts:
        return
    low, high = _VOLTAGE_MV
    strange = [v for v in volts if not (low <= v <= high or 0 <= v < 5_000)]
    if strange or not any(low <= v <= high for v in volts):
        shown = ", ".join(f"{v / 1000:.1f}" for v in volts)
        text = f"voltage reads {shown} V, expected 80 to 300 to neutral"
        yield Reason("voltage-implausible", text, against=True)


def _power(values: Values) -> Iterator[Reason]:
    """Active power against voltage times current times power factor."""
    apparent_mva = apparent_power_mva(values)
    power_mw = values.get("power_w")
    if apparent_mva is None or power_mw is None:
        yield Reason("power-unchecked", "no voltage and current to compare the power with")
        return
    factor = values.get("power_factor")
    expected_mw = apparent_mva * min(abs(factor), 1000) // 1000 if factor else apparent_mva
    slack_mw = apparent_mva // 20 + _POWER_SLACK_MW
    too_much = abs(power_mw) > expected_mw + slack_mw
    least_mw = expected_mw - slack_mw if factor else apparent_mva * 3 // 10
    too_little = apparent_mva > _LEAST_APPARENT_MVA and abs(power_mw) < least_mw
    shown = f"power {power_mw / 1000:.1f} W, voltage times current {apparent_mva / 1000:.1f} VA"
    if too_much or too_little:
        yield Reason("power-mismatch", shown + _power_hint(power_mw, expected_mw), against=True)
    elif apparent_mva > _LEAST_APPARENT_MVA:
        yield Reason("power-fits", shown)
    else:
        yield Reason("power-unchecked", shown + ": too little to compare")


def _power_hint(power_mw: int, expected_mw: int) -> str:
    if expected_mw and 0.54 < abs(power_mw / expected_mw) < 0.62:
        return ": a factor of 1.73, as if a line-to-line voltage were taken for a phase voltage"
    return factor_text(power_mw, expected_mw)


def apparent_power_mva(values: Values) -> int | None:
    """Sum of voltage times current over the phases; None where a phase lacks one of them."""
    total = 0
    phases = [n for n in (1, 2, 3) if f"voltage_l{n}_v" in values]
    for n in phases:
        volts, amps = values[f"voltage_l{n}_v"], values.get(f"current_l{n}_a")
        if volts is None or amps is None:
            return None
        total += volts * abs(amps) // 1000
    return total if phases else None


def factor_text(found: int, expected: int) -> str:
    """A hint where the two differ by a power of ten."""
    if not found or not expected:
        return ""
    ratio = abs(found / expected)
    for exponent in (1, 2, 3, 4, 6):
        for factor, way in ((10.0**exponent, "high"), (10.0**-exponent, "low")):
            if 0.7 * factor < ratio < 1.4 * factor:
                return f": a factor of {10**exponent} too {way}, so the scale is wrong"
    return ""
