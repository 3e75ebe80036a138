"""Truth -> register words, as a meter of the profile's kind would send them.

The simulator's own encoder: it shares nothing with the decoders that are tested against it.
"""

import struct
from fractions import Fraction

from meterseal.profiles import Register
from meterseal.profiles.schema import ORDERS, SIGNED_TYPES, UNITS

_FLOAT_FORMS = {"f32": ">f", "f64": ">d"}


def words_of_milli(register: Register, milli: int, scale_factor: int = 0) -> list[int]:
    """Words for a value in thousandths of the base unit; counters round down, like a meter's
    display.

    `scale_factor` is the SunSpec scale factor that the meter announces for this register.
    """
    if register.unit is None:
        raise ValueError(f"register {register.name} has no unit")
    exponent = register.exp10 + scale_factor + UNITS[register.unit][1]
    wire = Fraction(milli, 1000) / Fraction(10) ** exponent
    if register.type in _FLOAT_FORMS:
        return words_of_float(register, wire)
    counter = UNITS[register.unit][0] == "energy"
    return words_of_integer(register, wire.__floor__() if counter else round(wire))


def words_of_float(register: Register, value: Fraction | float) -> list[int]:
    """Words of an IEEE 754 value in the byte order of the register."""
    return _ordered(struct.pack(_FLOAT_FORMS[register.type], float(value)), register.order)


def words_of_integer(register: Register, value: int) -> list[int]:
    """Words of an integer; one that does not fit wraps, as a counter does."""
    size = 2 * register.count
    if register.type in SIGNED_TYPES:
        limit = 1 << (8 * size - 1)
        value = (value + limit) % (2 * limit) - limit
    return _ordered((value % (1 << (8 * size))).to_bytes(size, "big"), register.order)


def words_of_text(register: Register, text: str) -> list[int]:
    """Words of a text, padded with zero bytes, cut at the register's length."""
    size = 2 * register.count
    return _ordered(text.encode("ascii", "replace")[:size].ljust(size, b"\0"), "ABCD")


def _ordered(data: bytes, order: str) -> list[int]:
    words = [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
    reverse_words, swap_bytes = ORDERS[order]
    if swap_bytes:
        words = [(word >> 8) | (word & 0xFF) << 8 for word in words]
    return words[::-1] if reverse_words else words
