"""Deterministic CBOR writer: the subset of WIRE_FORMAT.md section 1 (RFC 8949 section 4.2.1).

Shortest heads, definite lengths, map keys (unsigned integers) ascending, nesting of at most 8.
It never writes a float, a simple value or a tag, and never guesses: anything else is a
TypeError. `Raw` passes bytes through that are CBOR already; `read_uint` reads back the heads
written here, nothing more.
"""

from agent.constant import const

_UINT = const(0x00)
_NEGATIVE = const(0x20)
_BYTES = const(0x40)
_TEXT = const(0x60)
_ARRAY = const(0x80)
_MAP = const(0xA0)
MAX_DEPTH = 8


class Raw:
    """Bytes that are already one CBOR item."""

    def __init__(self, data):
        self.data = data


def append_head(out, major, value):
    """Append the shortest head of `major` (0x00, 0x20 .. 0xA0) and `value` (below 2^64)."""
    if value < 24:
        out.append(major | value)
        return
    for info, length in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << (8 * length):
            out.append(major | info)
            out.extend(value.to_bytes(length, "big"))
            return
    raise ValueError("CBOR integer beyond 64 bits: expected less than 2^64")


def head_len(value):
    """Bytes of the head that an unsigned integer takes."""
    if value < 24:
        return 1
    return 2 if value < 0x100 else 3 if value < 0x10000 else 5 if value < 0x100000000 else 9


def append_array_head(out, count):
    """Append the head of an array of `count` items."""
    append_head(out, _ARRAY, count)


def append_map_head(out, count):
    """Append the head of a map of `count` pairs."""
    append_head(out, _MAP, count)


def _append_int(out, value):
    if value >= 0:
        append_head(out, _UINT, value)
    else:
        append_head(out, _NEGATIVE, -1 - value)


def _append_map(out, mapping, depth):
    append_head(out, _MAP, len(mapping))
    for key in sorted(mapping):
        if not isinstance(key, int) or isinstance(key, bool) or key < 0:
            raise TypeError("CBOR map key: expected an unsigned integer, found %r" % (key,))
        append_head(out, _UINT, key)
        append(out, mapping[key], depth + 1)


def _append_array(out, items, depth):
    append_head(out, _ARRAY, len(items))
    for item in items:
        append(out, item, depth + 1)


def append(out, value, depth=0):
    """Append the encoding of `value` to a bytearray; `depth` counts the containers around it."""
    if isinstance(value, bool):
        raise TypeError("CBOR: expected an integer, found a truth value")
    if isinstance(value, int):
        _append_int(out, value)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        append_head(out, _BYTES, len(value))
        out.extend(value)
    elif isinstance(value, str):
        data = value.encode()
        append_head(out, _TEXT, len(data))
        out.extend(data)
    elif isinstance(value, Raw):
        out.extend(value.data)
    elif isinstance(value, (list, tuple, dict)):
        if depth >= MAX_DEPTH:
            raise ValueError("CBOR: nested deeper than %d" % MAX_DEPTH)
        (_append_map if isinstance(value, dict) else _append_array)(out, value, depth)
    else:
        raise TypeError(
            "CBOR: expected int, bytes, str, list or dict, found %s" % type(value).__name__
        )


def encode(value):
    """Encode `value` and return the bytes."""
    out = bytearray()
    append(out, value)
    return bytes(out)


def read_uint(data, offset):
    """Argument of the head at `offset` of what was encoded here: (value, offset after it)."""
    info = data[offset] & 0x1F
    if info < 24:
        return info, offset + 1
    length = 1 << (info - 24)
    end = offset + 1 + length
    if info > 27 or end > len(data):
        raise ValueError("CBOR head at %d: expected a whole head of definite length" % offset)
    return int.from_bytes(data[offset + 1 : end], "big"), end
