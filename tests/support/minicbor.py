"""A small CBOR reader for the tests alone: what the device writes has to be looked at somehow."""


def decode(data):
    """The value of one item that fills `data`."""
    value, end = _item(data, 0)
    if end != len(data):
        raise ValueError("bytes behind the item", len(data) - end)
    return value


class Tag:
    def __init__(self, number, value):
        self.number = number
        self.value = value


def _head(data, at):
    major, info = data[at] >> 5, data[at] & 31
    if info < 24:
        return major, info, at + 1
    length = 1 << (info - 24)
    return major, int.from_bytes(data[at + 1 : at + 1 + length], "big"), at + 1 + length


def _item(data, at):
    major, value, at = _head(data, at)
    if major == 0:
        return value, at
    if major == 1:
        return -1 - value, at
    if major in (2, 3):
        found = bytes(data[at : at + value])
        return (found if major == 2 else found.decode()), at + value
    if major == 4:
        return _items(data, at, value)
    if major == 5:
        flat, at = _items(data, at, 2 * value)
        return {flat[i]: flat[i + 1] for i in range(0, len(flat), 2)}, at
    if major == 6:
        inner, at = _item(data, at)
        return Tag(value, inner), at
    raise ValueError("simple value or float")


def _items(data, at, count):
    out = []
    for _ in range(count):
        value, at = _item(data, at)
        out.append(value)
    return out, at
