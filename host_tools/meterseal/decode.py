"""Register words to exact integers: the host's own decoder, independent of the device's.

Values are thousandths of the base unit (mWh, mW, mV, mA, mHz, 1/1000), computed from the exact
value of the
words and rounded once, half to even. No float is involved anywhere.
"""

from fractions import Fraction
from typing import Final

from meterseal.errors import ProfileError
from meterseal.profiles.model import Register
from meterseal.profiles.schema import FLOAT_TYPES, ORDERS, SIGNED_TYPES, UNITS

# Type -> bits of the exponent and of the fraction (IEEE 754-2019, table 3.5).
_FLOAT_FORMATS: Final = {"f32": (8, 23), "f64": (11, 52)}
_MILLI_EXPONENT: Final = 3
_SCALE_FACTORS: Final = range(-10, 11)


def words_of(data: bytes) -> list[int]:
    """16-bit words of the bytes of an answer, as a batch carries them."""
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


def raw_integer(register: Register, words: list[int]) -> int:
    """The words as one unsigned integer, after undoing the order of the register.

    Raises ProfileError `decode-length` when the number of words is not that of the register.
    """
    if len(words) != register.count:
        raise ProfileError(
            "decode-length",
            f"{register.name}: expected {register.count} words, found {len(words)}",
            "Decode with the profile whose hash the batch names.",
        )
    reverse_words, swap_bytes = ORDERS[register.order]
    number = 0
    for word in reversed(words) if reverse_words else words:
        number = number << 16 | (word >> 8 | (word & 0xFF) << 8 if swap_bytes else word)
    return number


def decode(register: Register, words: list[int], scale_factor: int | None = None) -> int | None:
    """Value in thousandths of the base unit; None where the meter says that it has none.

    `scale_factor` is the value of the SunSpec register that `register.sf` names
    (`scale_factor_of`).
    Raises ProfileError `decode-length`, `decode-unit` (not a measured value), or
    `decode-scale-factor` (needed and missing or not a scale factor).
    """
    raw = raw_integer(register, words)
    if register.unit is None:
        raise ProfileError(
            "decode-unit",
            f"{register.name}: expected a measured value, found a register without unit",
            "Use `identity_text` or `signed_value` for identity and setup registers.",
        )
    if raw in register.not_available:
        return None
    value = _exact_value(register, raw)
    if value is None:
        return None
    exponent = register.exp10 + UNITS[register.unit][1] + _MILLI_EXPONENT
    return round_half_even(value * Fraction(10) ** (exponent + _factor(register, scale_factor)))


def scale_factor_of(words: list[int]) -> int:
    """SunSpec scale factor in a register of `setup`.

    Raises ProfileError `decode-scale-factor` for anything but -10 to 10 (0x8000 is "not
    implemented").
    """
    value = words[0] - 0x10000 if words[0] & 0x8000 else words[0]
    if value not in _SCALE_FACTORS:
        raise ProfileError(
            "decode-scale-factor",
            f"expected a scale factor from -10 to 10, found {value}",
            "The meter does not implement this value, or the profile does not fit.",
        )
    return value


def signed_value(register: Register, words: list[int]) -> int:
    """Plain integer of an identity or setup register (a float is rounded)."""
    raw = raw_integer(register, words)
    value = _exact_value(register, raw)
    return -1 if value is None else round_half_even(value)


def identity_text(register: Register, words: list[int]) -> str:
    """What a person reads on the plate: text of text registers, decimal digits of numbers, hex of
    others.
    """
    if register.type == "str":
        data = b"".join(word.to_bytes(2, "big") for word in words)
        return data.replace(b"\0", b"").decode("ascii", "replace").strip()
    if register.type == "raw":
        return " ".join(f"{word:04X}" for word in words)
    return str(signed_value(register, words))


def round_half_even(value: Fraction) -> int:
    """Nearest integer, ties to the even one."""
    whole, rest = divmod(value.numerator, value.denominator)
    twice = 2 * rest
    return whole + int(twice > value.denominator or (twice == value.denominator and whole & 1))


def _factor(register: Register, scale_factor: int | None) -> int:
    if register.sf is None:
        return 0
    if scale_factor is None:
        raise ProfileError(
            "decode-scale-factor",
            f"{register.name}: expected the value of {register.sf}, found none",
            "Read the scale factor registers of the profile's `setup` as well.",
        )
    return scale_factor


def _exact_value(register: Register, raw: int) -> Fraction | None:
    """Exact number on the wire, None for NaN and infinity."""
    if register.type in FLOAT_TYPES:
        return _float_value(raw, *_FLOAT_FORMATS[register.type])
    bits = 16 * register.count
    if register.type in SIGNED_TYPES and raw >> bits - 1:
        raw -= 1 << bits
    return Fraction(raw)


def _float_value(raw: int, exponent_bits: int, fraction_bits: int) -> Fraction | None:
    """Exact value of an IEEE 754 bit pattern."""
    fraction = raw & (1 << fraction_bits) - 1
    exponent = raw >> fraction_bits & (1 << exponent_bits) - 1
    if exponent == (1 << exponent_bits) - 1:
        return None
    bias = (1 << exponent_bits - 1) - 1
    significand = fraction | 1 << fraction_bits if exponent else fraction
    value = Fraction(significand) * Fraction(2) ** (max(exponent, 1) - bias - fraction_bits)
    return -value if raw >> exponent_bits + fraction_bits else value
