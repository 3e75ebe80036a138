"""Register words to exact integers in thousandths of the base unit: mWh, mW, mV, mA, mHz.

Integer arithmetic only: the ESP32 has single-precision floats, in which most kWh values change
when multiplied by 1000. IEEE 754 values are taken apart bit by bit, scaled exactly and rounded
once, half to even (IEEE 754-2019, 3.4 and 4.3.1). Nothing here is signed; the words are. Used for
plausibility on the device and checked against the same dumps as the host.
"""

ORDERS = {"ABCD": 0, "CDAB": 1, "BADC": 2, "DCBA": 3}
WORDS = {
    "u16": 1,
    "s16": 1,
    "u32": 2,
    "s32": 2,
    "f32": 2,
    "acc32": 2,
    "u64": 4,
    "s64": 4,
    "f64": 4,
    "acc64": 4,
}
_FLOATS = {"f32": (8, 23), "f64": (11, 52)}  # bits of exponent, of fraction


def permute(raw, order):
    """`raw` as one big-endian number, by the order code (bit 0: words reversed, bit 1: bytes of
    each word swapped).

    Applying it twice gives the bytes back.
    """
    out = bytes(raw)
    if order & 2:
        swapped = bytearray(len(out))
        for i in range(0, len(out), 2):
            swapped[i], swapped[i + 1] = out[i + 1], out[i]
        out = bytes(swapped)
    if order & 1:
        out = b"".join([out[i : i + 2] for i in range(len(out) - 2, -2, -2)])
    return out


def unsigned(raw, order):
    """The unsigned integer that the words are."""
    return int.from_bytes(permute(raw, order), "big")


def milli(raw, kind, order, exp10, markers=()):
    """Thousandths as an exact integer, or None for "no value" (a marker, NaN, infinity).

    `exp10`: decimal exponent from the wire number to thousandths of the base unit, scale factor
    included.
    """
    number = unsigned(raw, order)
    if number in markers:
        return None
    if kind in _FLOATS:
        parts = _float_parts(number, kind)
        return None if parts is None else _scaled(parts[0], parts[1], exp10)
    return _scaled(_signed(number, kind, len(raw)), 0, exp10)


def step_milli(raw, kind, order, exp10):
    """Distance in thousandths to the next value that these words can express; at least 1."""
    number = unsigned(raw, order)
    if kind not in _FLOATS:
        return max(1, _scaled(1, 0, exp10))
    parts = _float_parts(number, kind)
    return 1 if parts is None else max(1, _scaled(1, parts[1], exp10))


def scale_factor(raw):
    """SunSpec scale factor: a signed 16-bit exponent from -10 to 10, None if it is not one."""
    value = _signed(int.from_bytes(raw, "big"), "s16", 2)
    return value if -10 <= value <= 10 else None


def _signed(number, kind, size):
    if kind[0] == "s" and number >> (8 * size - 1):
        return number - (1 << (8 * size))
    return number


def _float_parts(bits, kind):
    """(signed mantissa, binary exponent) of an IEEE 754 number, None for NaN and infinity."""
    exponent_bits, fraction_bits = _FLOATS[kind]
    top = (1 << exponent_bits) - 1
    fraction = bits & ((1 << fraction_bits) - 1)
    exponent = (bits >> fraction_bits) & top
    if exponent == top:
        return None
    if exponent:
        fraction |= 1 << fraction_bits
    else:
        exponent = 1  # subnormal
    sign = -1 if bits >> (exponent_bits + fraction_bits) else 1
    return sign * fraction, exponent - (top >> 1) - fraction_bits


def _scaled(mantissa, exp2, exp10):
    """mantissa * 2^exp2 * 10^exp10, rounded half to even."""
    numerator, denominator = abs(mantissa), 1
    if exp10 >= 0:
        numerator *= 10**exp10
    else:
        denominator = 10**-exp10
    if exp2 >= 0:
        numerator <<= exp2
    else:
        denominator <<= -exp2
    quotient = _half_even(numerator, denominator)
    return -quotient if mantissa < 0 else quotient


def _half_even(numerator, denominator):
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient & 1):
        quotient += 1
    return quotient
