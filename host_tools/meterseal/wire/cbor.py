"""Strict decoder of the CBOR subset of WIRE_FORMAT section 1 (RFC 8949, section 4.2.1).

One pass, nothing is repaired. Memory is bounded by the input: every item takes at least one byte,
no length is trusted before the bytes are there, nesting ends at MAX_DEPTH.
"""

import struct
from typing import Final, NoReturn, TypeAlias

from meterseal.errors import MalformedBatch

Item: TypeAlias = "int | bytes | str | list[Item] | dict[int, Item]"

MAX_DEPTH: Final = 8

# Additional information of a long head -> how to read its argument, the least value that needs
# a head so long, length of the head.
_LONG_HEADS: Final = {
    24: (struct.Struct(">B").unpack_from, 24, 2),
    25: (struct.Struct(">H").unpack_from, 1 << 8, 3),
    26: (struct.Struct(">I").unpack_from, 1 << 16, 5),
    27: (struct.Struct(">Q").unpack_from, 1 << 32, 9),
}
_INDEFINITE: Final = frozenset((0x5F, 0x7F, 0x9F, 0xBF, 0xFF))


def decode(data: bytes) -> Item:
    """The one item that `data` is, no more and no less.

    Raises MalformedBatch: one of the codes `cbor-...`.
    """
    try:
        item, end = decode_item(data, 0, 1)
    except (IndexError, struct.error):
        end = len(data) + 1
    if end > len(data):
        raise MalformedBatch("cbor-truncated", "the bytes end inside an item", len(data))
    if end < len(data):
        text = f"expected nothing behind the item, found {len(data) - end} bytes"
        raise MalformedBatch("cbor-trailing", text, end)
    return item


def decode_map(data: bytes) -> dict[int, Item]:
    """The one map that `data` is.

    Raises MalformedBatch: one of the codes `cbor-...`, or `field-type` if the item is not a map.
    """
    item = decode(data)
    if not isinstance(item, dict):
        raise MalformedBatch("field-type", "expected a map, found another type", 0)
    return item


def decode_item(data: bytes, at: int, depth: int) -> tuple[Item, int]:
    """Any item, and where it ends (possibly behind the data: whoever reads on notices)."""
    head = data[at]
    if head < 24:
        return head, at + 1
    if 0x80 <= head < 0x98 and depth <= MAX_DEPTH:
        return _array(data, at + 1, head - 0x80, depth)
    if head >= 0xC0:
        _refuse_head(head, at)
    value, end = _argument(data, at, head)
    if head < 0x40:
        return (value if head < 0x20 else -1 - value), end
    if head < 0x80:
        return _string(data, end, value, head < 0x60), end + value
    if depth > MAX_DEPTH:
        text = f"expected at most {MAX_DEPTH} levels of nesting, found more"
        raise MalformedBatch("cbor-depth", text, at)
    return (_array if head < 0xA0 else _map)(data, end, value, depth)


def _argument(data: bytes, at: int, head: int) -> tuple[int, int]:
    """Argument of the head at `at`, and where the head ends."""
    info = head & 31
    if info < 24:
        return info, at + 1
    if info > 27:
        _refuse_head(head, at)
    unpack, least, length = _LONG_HEADS[info]
    value = unpack(data, at + 1)[0]
    if value < least:
        text = f"expected the shortest head for {value}, found a longer one"
        raise MalformedBatch("cbor-not-shortest", text, at)
    return value, at + length


def _refuse_head(head: int, at: int) -> NoReturn:
    if head in _INDEFINITE:
        text = "expected a definite length, found an indefinite one or a break"
        raise MalformedBatch("cbor-indefinite", text, at)
    text = f"expected an integer, string, array or map, found head {head:02X}"
    raise MalformedBatch("cbor-type", text, at)


def _string(data: bytes, at: int, length: int, is_bytes: bool) -> bytes | str:
    piece = data[at : at + length]
    if is_bytes:
        return piece
    if len(piece) < length:
        raise IndexError  # truncated: that comes before the question whether it is UTF-8
    try:
        return piece.decode("utf-8")
    except UnicodeDecodeError as problem:
        text = "expected UTF-8 in a text string, found other bytes"
        raise MalformedBatch("cbor-utf8", text, at + problem.start) from None


def _array(data: bytes, at: int, count: int, depth: int) -> tuple[list[Item], int]:
    """`count` items. The commonest heads are decoded here: a call for each takes twice as long."""
    items: list[Item] = []
    add = items.append
    for _ in range(count):
        head = data[at]
        if head < 24:
            add(head)
            at += 1
        elif head == 0x18 and data[at + 1] > 23:
            add(data[at + 1])
            at += 2
        elif head == 0x19 and data[at + 1]:
            add(data[at + 1] << 8 | data[at + 2])
            at += 3
        elif head == 0x80 and depth < MAX_DEPTH:
            add([])
            at += 1
        elif 0x40 <= head < 0x58:
            end = at + head - 0x3F
            add(data[at + 1 : end])
            at = end
        else:
            item, at = decode_item(data, at, depth + 1)
            add(item)
    return items, at


def _map(data: bytes, at: int, count: int, depth: int) -> tuple[dict[int, Item], int]:
    """`count` pairs; their keys are unsigned integers and ascend."""
    items: dict[int, Item] = {}
    last = -1
    for _ in range(count):
        head = data[at]
        if head > 0x1F:
            _refuse_key(head, at)
        key, start = (head, at + 1) if head < 24 else _argument(data, at, head)
        if key <= last:
            _refuse_order(key, last, at)
        last = key
        items[key], at = decode_item(data, start, depth + 1)
    return items, at


def _refuse_key(head: int, at: int) -> NoReturn:
    if head in _INDEFINITE:
        _refuse_head(head, at)
    text = f"expected an unsigned integer as map key, found head {head:02X}"
    raise MalformedBatch("cbor-type", text, at)


def _refuse_order(key: int, last: int, at: int) -> NoReturn:
    if key == last:
        raise MalformedBatch(
            "cbor-duplicate-key", f"expected each key once, found {key} twice", at
        )
    text = f"expected ascending map keys, found {key} behind {last}"
    raise MalformedBatch("cbor-key-order", text, at)
