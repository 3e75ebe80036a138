"""CBOR of WIRE_FORMAT section 1, written out literally, and means to break its rules.

`encode` takes int, bytes, str, list, dict with uint keys, and two classes that only vectors of
defects use: `Raw` (bytes that pass as they are) and `Pairs` (a map in the order given).
"""


class Raw:
    """Encoded bytes that stand where a value would."""

    def __init__(self, data):
        self.data = data


class Pairs:
    """A map whose pairs are written in the order given, twice if given twice."""

    def __init__(self, pairs):
        self.pairs = pairs


def head(major, argument, size=None):
    """Return the head of an item; `size` (0, 1, 2, 4, 8 argument bytes) overrides the shortest."""
    if size is None:
        size = shortest_size(argument)
    if size == 0:
        return bytes([major << 5 | argument])
    info = {1: 24, 2: 25, 4: 26, 8: 27}[size]
    return bytes([major << 5 | info]) + argument.to_bytes(size, "big")


def shortest_size(argument):
    """Return the number of argument bytes that RFC 8949 section 4.2.1 wants after the first."""
    if argument < 24:
        return 0
    if argument < 1 << 8:
        return 1
    if argument < 1 << 16:
        return 2
    if argument < 1 << 32:
        return 4
    if argument < 1 << 64:
        return 8
    raise ValueError(f"{argument} needs more than 64 bits")


def encode_int(value):
    """Return an integer: major type 0, or 1 with -1 - value."""
    return head(0, value) if value >= 0 else head(1, -1 - value)


def encode_pairs(pairs):
    """Return a map in the order of the pairs."""
    return head(5, len(pairs)) + b"".join(encode_int(k) + encode(v) for k, v in pairs)


def encode(value):
    """Return the bytes of one value."""
    if isinstance(value, Raw):
        return value.data
    if isinstance(value, Pairs):
        return encode_pairs(value.pairs)
    if isinstance(value, bool) or value is None:
        raise TypeError("no simple values")
    if isinstance(value, int):
        return encode_int(value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list | tuple):
        return head(4, len(value)) + b"".join(encode(item) for item in value)
    if isinstance(value, dict):
        return encode_pairs(sorted(value.items()))
    raise TypeError(type(value).__name__)


def to_json(value):
    """Return a value in the notation of the vector files: {"hex": ...} for bytes."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in sorted(value.items())}
    return value
