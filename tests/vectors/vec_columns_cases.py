"""Content of columns_v1.json: integers and their encoding, WIRE_FORMAT section 4.3."""

import struct

from vec_columns import decode_integers, encode_integers, with_base
from vec_inputs import Noise, charging

NOTES = {
    "Chosen": "The encoding that section 4.3 tells an encoder to choose.",
    "DecoderOnly": "Keeps the rules of section 4.3, but no encoder chooses it.",
    "Random": "Values from a reproducible generator.",
    "Refused": "Breaks a rule of section 4.3; `count` is the number of values that were promised.",
}

BITS = (16, 32, 48, 64)


def regular():
    """Yield (id, bits, values) for every modulus: the plain courses."""
    for bits in BITS:
        top = 2**bits - 1
        yield f"one-{bits}", bits, [top - 1]
        yield f"two-rising-{bits}", bits, [5, 300]
        yield f"two-falling-{bits}", bits, [300, 5]
        yield f"two-equal-{bits}", bits, [top, top]
        yield f"constant-{bits}", bits, [top // 3] * 20
        yield f"regular-{bits}", bits, [1_000 + 7 * i for i in range(20)]
        yield f"decreasing-{bits}", bits, [top - 11 * i for i in range(20)]
        yield f"wrap-up-{bits}", bits, [(top - 20 + 6 * i) % (top + 1) for i in range(9)]
        yield f"wrap-down-{bits}", bits, [(20 - 6 * i) % (top + 1) for i in range(9)]
        yield f"half-modulus-{bits}", bits, [0, 2 ** (bits - 1), 0, 2 ** (bits - 1) - 1, 0]
        yield f"full-range-{bits}", bits, [0, top, 0, 1, top - 1, 2, top // 2]
        yield f"zigzag-{bits}", bits, [100 + (-1) ** i * i for i in range(20)]


def shaped():
    """Yield (id, bits, values) that exercise the choice of the window."""
    energy = [wh for wh, _, _, _ in charging("columns", 60)]
    power = [mw for _, mw, _, _ in charging("columns", 60)]
    yield "session-energy-32", 32, energy
    yield "session-power-32", 32, power
    yield "session-power-64", 64, power
    floats = [struct.unpack(">I", struct.pack(">f", mw / 1000))[0] for mw in power]
    yield "session-power-f32", 32, floats
    floats = [struct.unpack(">I", struct.pack(">f", wh / 1000))[0] for wh in energy]
    yield "session-energy-f32", 32, floats
    for count in range(1, 11):
        values, total = [], 0
        for i in range(40):
            total += 5 + i % 3 + (100_000 + i if i % 4 == 1 and i // 4 < count else 0)
            values.append(total)
        yield f"outliers-{count}", 32, values
    for e in (1, 7, 8, 9):
        yield f"only-outliers-{e}", 32, [0, *(5**i * 1_000 for i in range(e))]
    yield "outlier-low", 32, [1_000_000, 1_000_010, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    yield "outlier-first", 32, [0, *(1_000_000 + 3 * i for i in range(20))]
    yield "outlier-last", 32, [*(3 * i for i in range(20)), 4_000_000_000]
    yield "outliers-both-sides", 32, [0, 10, 20, 500_000, 500_010, 20, 30, 40, 50, 60, 70, 80]
    yield "tie-of-windows", 16, [0, 1, 2, 300, 301, 302, 46, 47]
    yield "tie-of-e", 16, [0, 0, 0, 0, 255, 255, 255, 255]
    yield "residual-23-24", 16, [0, 0, 23, 23, 23, 47, 47, 47, 47, 47]
    yield (
        "patch-index-above-23",
        32,
        [*(4 * i for i in range(30)), *(2**31 + 4 * i for i in range(30))],
    )
    yield "patch-index-above-255", 32, [*range(300), *range(70_000, 70_300)]
    yield "sequence-two-meters", 64, [361 + 2 * i for i in range(30)]
    yield "sequence-top", 64, [2**64 - 3, 2**64 - 2, 2**64 - 1]
    yield "zeros-1024", 64, [0] * 1_024
    yield "steps-1024", 16, [(i * i) % 65_536 for i in range(1_024)]


def random():
    """Yield (id, bits, values): noise of many sizes, and courses with jumps."""
    noise = Noise("columns")
    for i in range(24):
        bits = BITS[i % 4]
        count = 1 + noise.below(70)
        spread = 2 ** (1 + noise.below(bits))
        yield f"random-{i}-{bits}", bits, [noise.below(spread) for _ in range(count)]
    for i in range(24):
        bits, value, values = BITS[i % 4], noise.below(2**16), []
        for _ in range(2 + noise.below(90)):
            jump = noise.below(2**bits) if noise.below(12) == 0 else noise.below(1 + 3 * i)
            value = (value + jump) % 2**bits
            values.append(value)
        yield f"jumps-{i}-{bits}", bits, values


def decoder_only():
    """Yield (id, bits, values, encoding) that no encoder chooses."""
    values = [77, 80, 89, 104, 104]
    for base, width in ((0, 32), (0, 5), (2, 0), (4, 4), (-1, 5), (-(2**31), 32), (2**31 - 1, 32)):
        name = f"decoder-base-{base}-width-{width}"
        yield name, 32, values, with_base(values, 32, base, width)
    values = [2**64 - 1, 0, 2**63, 5]
    yield "decoder-64-wide", 64, values, with_base(values, 64, -(2**63), 64)
    yield "decoder-64-patches", 64, values, with_base(values, 64, 0, 0)


# id, code, bits, count, [first, base, width, packed, patches].
REFUSED = [
    ("packed-short", "column-length", 32, 4, [77, 3, 4, "06", []]),
    ("packed-long", "column-length", 32, 4, [77, 3, 4, "06c000", []]),
    ("packed-for-width-0", "column-length", 32, 4, [77, 3, 0, "00", []]),
    ("packed-for-one-value", "column-length", 32, 1, [77, 0, 0, "00", []]),
    ("padding-last-bit", "column-padding", 32, 4, [77, 3, 4, "06c1", []]),
    ("padding-first-bit", "column-padding", 32, 4, [77, 3, 4, "06c8", []]),
    ("padding-width-1", "column-padding", 64, 3, [0, 0, 1, "20", []]),
    ("patch-index-0", "column-patch", 32, 4, [77, 3, 4, "06c0", [0, 16]]),
    ("patch-index-count", "column-patch", 32, 4, [77, 3, 4, "06c0", [4, 16]]),
    ("patch-residual-fits", "column-patch", 32, 4, [77, 3, 4, "0000", [3, 15]]),
    ("patch-residual-modulus", "column-patch", 32, 4, [77, 3, 4, "0600", [3, 2**32]]),
    ("patch-residual-modulus-16", "column-patch", 16, 4, [77, 3, 4, "0600", [3, 2**16]]),
    ("patch-bits-set", "column-patch", 32, 4, [77, 3, 4, "06c0", [3, 16]]),
    ("patch-odd", "column-patch", 32, 4, [77, 3, 4, "0600", [3]]),
    ("patch-one-value", "column-patch", 32, 1, [77, 0, 0, "", [1, 1]]),
    ("patch-descending", "field-order", 32, 4, [77, 3, 4, "0600", [3, 16, 1, 16]]),
    ("patch-twice", "field-order", 32, 4, [77, 3, 4, "0600", [3, 16, 3, 17]]),
    ("first-16", "column-range", 16, 2, [2**16, 0, 0, "", []]),
    ("first-32", "column-range", 32, 2, [2**32, 0, 0, "", []]),
    ("first-48", "column-range", 48, 2, [2**48, 0, 0, "", []]),
    ("base-high-16", "column-range", 16, 2, [0, 2**15, 0, "", []]),
    ("base-low-16", "column-range", 16, 2, [0, -(2**15) - 1, 0, "", []]),
    ("base-high-32", "column-range", 32, 2, [0, 2**31, 0, "", []]),
    ("base-low-32", "column-range", 32, 2, [0, -(2**31) - 1, 0, "", []]),
    ("base-high-64", "column-range", 64, 2, [0, 2**63, 0, "", []]),
    ("base-low-64", "column-range", 64, 2, [0, -(2**63) - 1, 0, "", []]),
    ("base-one-value", "column-range", 32, 1, [77, 3, 0, "", []]),
    ("width-one-value", "column-range", 32, 1, [77, 0, 4, "", []]),
    ("width-17-of-16", "column-range", 16, 2, [0, 0, 17, "000000", []]),
    ("width-33-of-32", "column-range", 32, 2, [0, 0, 33, "0000000000", []]),
    ("width-49-of-48", "column-range", 48, 2, [0, 0, 49, "00000000000000", []]),
    ("width-65", "field-range", 64, 2, [0, 0, 65, "000000000000000000", []]),
    ("first-negative", "field-type", 32, 2, [-1, 0, 0, "", []]),
    ("patch-negative", "field-type", 32, 2, [0, 0, 0, "", [1, -1]]),
]


def test(name, flags, bits, values, encoding):
    """Return the JSON object of a valid test."""
    assert decode_integers(encoding, len(values), bits) == values, name
    return {
        "id": name,
        "comment": "",
        "flags": flags,
        "bits": bits,
        "count": len(values),
        "values": values,
        "encoded": [*encoding[:3], encoding[3].hex(), encoding[4]],
        "result": "valid",
        "error": None,
    }


def content():
    """Return the content of columns_v1.json."""
    tests = []
    for name, bits, values in [*regular(), *shaped()]:
        tests.append(test(name, ["Chosen"], bits, values, encode_integers(values, bits)))
    for name, bits, values in random():
        flags = ["Chosen", "Random"]
        tests.append(test(name, flags, bits, values, encode_integers(values, bits)))
    for name, bits, values, encoding in decoder_only():
        tests.append(test(name, ["DecoderOnly"], bits, values, encoding))
    for name, code, bits, count, encoded in REFUSED:
        refused = {"id": name, "comment": "", "flags": ["Refused"], "bits": bits, "count": count}
        refused.update(values=None, encoded=encoded, result="invalid", error=code)
        tests.append(refused)
    return {"format": 1, "notes": NOTES, "tests": tests}
