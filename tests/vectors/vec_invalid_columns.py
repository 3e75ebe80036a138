"""Defects of the columns, of the sequence numbers and of what refers to them."""

import copy

from vec_batch import integers_wire
from vec_defects import GROUP_A, GROUP_B, GROUP_C, base, put

# Positions inside a column.
FIRST, BASE, WIDTH, PACKED, PATCHES = range(4, 9)
# Column 1 of group A (address 0x48): six values, M = 2^32, two patches. Of group B: four values.
PATCHED = (13, GROUP_A, 6, 1)
PLAIN = (13, GROUP_B, 6, 1)
SINGLE = (13, GROUP_C, 6, 0)


def at(path):
    """Return what the base has at the path."""
    value = base()
    for step in path:
        value = value[step]
    return value


def column(path, position, value):
    """Return the base with one element of a column changed."""
    return put(base(), (*path, position), value)


def lengths():
    """Yield packed strings of a wrong length or with unused bits set."""
    packed = at((*PLAIN, PACKED))
    width = at((*PLAIN, WIDTH))
    assert width and 3 * width % 8, "the base's plain column must have unused bits"
    yield "packed-short", "column-length", column(PLAIN, PACKED, packed[:-1])
    yield "packed-long", "column-length", column(PLAIN, PACKED, packed + b"\x00")
    yield "packed-empty", "column-length", column(PLAIN, PACKED, b"")
    yield "packed-width-0", "column-length", put(base(), (13, GROUP_B, 6, 0, PACKED), b"\x00")
    yield "packed-one-value", "column-length", column(SINGLE, PACKED, b"\x00")
    yield "packed-sequence", "column-length", put(base(), (13, GROUP_A, 3, 3), b"\x00")
    yield "packed-time", "column-length", put(base(), (13, GROUP_B, 4, 3), b"\x00")
    yield "padding", "column-padding", column(PLAIN, PACKED, packed[:-1] + bytes([packed[-1] | 1]))
    for name, position in (("sequence", 3), ("time", 4)):
        wide = put(base(), (13, GROUP_B, position, 2), 1)
        yield f"padding-{name}", "column-padding", put(wide, (13, GROUP_B, position, 3), b"\x01")


def patches():
    """Yield patches that break section 4.3."""
    good, width = at((*PATCHED, PATCHES)), at((*PATCHED, WIDTH))
    assert len(good) == 4 and good[0] == 3 and good[2] == 4 and width == 0, (good, width)
    assert good[1] != good[3]
    cases = [
        ("patch-index-0", [0, 5, *good]),
        ("patch-index-m", [*good, 6, 5]),
        ("patch-index-64-bits", [*good, 2**64 - 1, 5]),
        ("patch-residual-modulus", [*good[:3], 2**32]),
        ("patch-residual-fits", [1, 0, *good]),
        ("patch-odd", good[:3]),
    ]
    for name, value in cases:
        yield name, "column-patch", column(PATCHED, PATCHES, value)
    yield "patch-one-value", "column-patch", column(SINGLE, PATCHES, [1, 5])
    reversed_pairs = [*good[2:], *good[:2]]
    yield "patch-descending", "field-order", column(PATCHED, PATCHES, reversed_pairs)
    yield "patch-twice", "field-order", column(PATCHED, PATCHES, good[:2] * 2)
    residual = 2 ** at((*PLAIN, WIDTH))
    yield "patch-bits-not-zero", "column-patch", column(PLAIN, PATCHES, [3, residual])
    fits = put(base(), (13, GROUP_B, 4, 4), [1, 0])
    yield "patch-time-fits", "column-patch", fits


def ranges():
    """Yield first, base and width outside the modulus."""
    for name, path, bits in (("32-bits", PLAIN, 32), ("16-bits", SINGLE, 16)):
        yield f"first-{name}", "column-range", column(path, FIRST, 2**bits)
    yield "base-high", "column-range", column(PLAIN, BASE, 2**31)
    yield "base-low", "column-range", column(PLAIN, BASE, -(2**31) - 1)
    yield "base-time-high", "column-range", put(base(), (13, GROUP_B, 4, 1), 2**63)
    yield "base-sequence-low", "column-range", put(base(), (13, GROUP_B, 3, 1), -(2**63) - 1)
    wide = column(PLAIN, WIDTH, 33)
    yield "width-33", "column-range", put(wide, (*PLAIN, PACKED), bytes(13))
    yield "base-one-value", "column-range", column(SINGLE, BASE, 1)
    yield "width-one-value", "column-range", column(SINGLE, WIDTH, 1)


def sequences():
    """Yield groups whose sequences are not the range of the batch."""
    for name, count in (("low", 10), ("high", 12), ("zero", 0)):
        yield f"count-{name}", "sequence-mismatch", put(base(), (7,), count)
    for name, first in (("low", 360), ("high", 362)):
        payload = put(base(), (6,), first)
        payload[15] = payload[15][:1]
        yield f"first-sequence-{name}", "sequence-mismatch", payload
    for name, numbers in (
        ("twice-in-group", [367, 368, 368, 370]),
        ("taken-from-other-group", [366, 368, 369, 370]),
        ("hole", [367, 368, 369, 372]),
        ("descending", [370, 369, 368, 367]),
        ("not-ascending", [367, 369, 368, 370]),
        ("far", [367, 368, 369, 2**64 - 1]),
    ):
        value = integers_wire(numbers)
        yield f"sequence-{name}", "sequence-mismatch", put(base(), (13, GROUP_B, 3), value)
    yield "sequence-left-out", "sequence-mismatch", put(base(), (13, GROUP_B, 3), [])
    payload = put(base(), (13,), [])
    yield "groups-none", "sequence-mismatch", payload
    payload = put(base(), (6,), 2**64 - 10)
    for group, start in zip(payload[13], (2**64 - 10, 2**64 - 4, 0), strict=True):
        numbers = [(start + i) % 2**64 for i in range(group[2])]
        group[3] = integers_wire(numbers)
    yield "first-sequence-wraps", "field-range", payload


def references():
    """Yield meters that are not there, a group in two parts, and losses that overlap."""
    yield "group-meter-unknown", "meter-unknown", put(base(), (13, GROUP_C, 0), 2)
    for kind, name in ((3, "lost"), (4, "found")):
        event = [kind, 3, 200, [2]]
        yield f"event-meter-{name}-unknown", "meter-unknown", put(base(), (14, 2), event)
    for detail in ([2, 0], [0, 2]):
        name = f"event-meter-changed-{detail[0]}-{detail[1]}-unknown"
        yield name, "meter-unknown", put(base(), (14, 1, 3), detail)
    payload = base()
    half = copy.deepcopy(payload[13][GROUP_C])
    half[3] = [372, 0, 0, b""]
    payload[13].append(half)
    yield "groups-twice", "field-order", put(payload, (7,), 12)
    for name, first, last, a, b in (
        ("own-number", 6, 7, 61, 240),
        ("later-number", 8, 9, 61, 240),
        ("batches-sequence-first", 2, 4, 61, 361),
        ("batches-sequence-last", 2, 4, 371, 400),
    ):
        payload = base()
        payload[15][0][1:3], payload[15][0][5:7] = [first, last], [a, b]
        yield f"lost-{name}", "lost-overlap", payload
    for first, last in ((351, 361), (371, 380), (365, 365), (300, 400)):
        payload = base()
        payload[15][1][1:3], payload[15][1][5:7] = [first, last], [first, last]
        yield f"lost-readings-{first}-{last}", "lost-overlap", payload


def cases():
    """Yield all defects of this module."""
    for part in (lengths, patches, ranges, sequences, references):
        yield from part()
