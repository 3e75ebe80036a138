"""Reads payloads in the form that stations nearly always send, several times as fast as the rest.

The strict form of every head (RFC 8949 section 4.2.1), types and ranges are one regular expression
for each run of members. Whatever does not match, right or wrong, is left to the general decoder
(cbor.py, schema.py), which alone decides what is refused and why. Tests feed both the same payloads.
"""

import re
import struct
from typing import Any, Final

from meterseal.errors import MalformedBatch
from meterseal.models import Anchor, Contents
from meterseal.wire import cbor, records, schema

_UINT: Final = (
    rb"(?:[\x00-\x17]|\x18[\x18-\xff]|\x19[\x01-\xff].|\x1a(?!\0\0).{4}|\x1b(?!\0{4}).{8})"
)
_NEGATIVE: Final = (
    rb"(?:[\x20-\x37]|\x38[\x18-\xff]|\x39[\x01-\xff].|\x3a(?!\0\0).{4}|\x3b(?!\0{4}).{8})"
)
_INT: Final = rb"(?:%b|%b)" % (_UINT, _NEGATIVE)
_ADDRESS: Final = rb"(?:[\x00-\x17]|\x18[\x18-\xff]|\x19[\x01-\xff].)"
_WIDTH: Final = rb"(?:[\x00-\x17]|\x18[\x18-\x40])"
_BYTES_HEAD: Final = rb"(?:[\x40-\x57]|\x58[\x18-\xff]|\x59[\x01-\xff].)"


def _pattern(form: bytes) -> re.Pattern[bytes]:
    """`form` with (U) unsigned, (I) integer, (A) address, (W) width, (B) head of a byte string."""
    for letter, pattern in (
        (b"U", _UINT),
        (b"I", _INT),
        (b"A", _ADDRESS),
        (b"W", _WIDTH),
        (b"B", _BYTES_HEAD),
    ):
        form = form.replace(b"<%b>" % letter, pattern)
    return re.compile(form, re.DOTALL)


# Keys 0 to 7 of a later batch: the first one of a chain is left to the general decoder.
_OPENING: Final = _pattern(
    rb"[\xa0-\xb7]\x00\x01\x01\x50(.{16})\x02(<U>)\x03\x58\x20(.{32})"
    rb"\x04(<U>)\x05(<U>)\x06(<U>)\x07(<U>)"
).match
_ANCHOR: Final = _pattern(rb"\x85(<U>)(<U>)(<U>)([\x01-\x06])(<U>)").match
# A group whose sequence numbers are evenly spaced; up to the packed bytes of its times.
_GROUP: Final = _pattern(
    rb"\x87(<U>)(<U>)(<U>)\x85(<U>)(<I>)\x00\x40\x80\x85(<U>)(<I>)(<W>)(<B>)"
).match
_COLUMN: Final = _pattern(rb"\x8a([\x03\x04]<A>[\x01-\x04][\x00-\x03])(<U>)(<I>)(<W>)(<B>)").match
_REGISTER: Final = _pattern(rb"(.)(<A>)(.)(.)").fullmatch
_HEALTH_BEFORE: Final = _pattern(
    rb"\x10([\xa0-\xa9])(?:\x00(<U>))?(?:\x01(<U>))?(?:\x02(<U>))?"
).match
_HEALTH_BEHIND: Final = _pattern(
    rb"(?:\x04(<I>))?(?:\x05(<U>))?(?:\x06(<U>))?(?:\x07(<U>))?(?:\x08(<U>))?"
).match

_from_bytes: Final = int.from_bytes
# Length of an item -> mask that leaves its argument.
_ARGUMENT: Final = (0, 0x1F, *((1 << 8 * (length - 1)) - 1 for length in range(2, 10)))
# Short items -> what they say: width of a residual, length of a byte string.
_WIDTHS: Final = {
    **{bytes((value,)): value for value in range(24)},
    **{bytes((0x18, value)): value for value in range(24, 65)},
}
_LENGTHS: Final = {
    **{bytes((0x40 + value,)): value for value in range(24)},
    **{bytes((0x58, value)): value for value in range(24, 256)},
}

# Depth of an item: value of a pair of the payload, of health; a group's quality; a column's lists.
_PAIR_DEPTH, _HEALTH_DEPTH, _QUALITY_DEPTH, _COLUMN_LIST_DEPTH = 2, 3, 4, 6

_BUS_COUNTERS: Final = bytes((schema.BUS_COUNTERS_KEY,))
_STATIC_KEYS: Final = (9, 10, 11, 12)
_MAX_KEPT: Final = 10_000


class _Unusual(Exception):
    """Not the usual form: the general decoder decides."""


class PayloadReader:
    """Reads payloads: the usual ones fast, the others with the general decoder.

    Keys 9 to 12 (firmware, configuration, key class, meters) are the same in nearly every batch of
    a chain and are kept. The encoding of an item is never the beginning of the encoding of another
    one: bytes that begin with what is kept mean what is kept with it.
    """

    def __init__(self) -> None:
        self._kept: dict[bytes, tuple[bytes, list[Any]]] = {}
        self._registers: dict[bytes, list[int]] = {}

    def read(self, data: bytes) -> Contents:
        """What a payload says. Raises MalformedBatch `cbor-...` and as `schema.check_payload`."""
        try:
            contents = self._read(data)
            schema.check_whole(contents)
            return contents
        except (_Unusual, MalformedBatch, IndexError, struct.error):
            pass  # which of them says nothing: the general decoder begins anew
        return schema.check_payload(cbor.decode_map(data))

    def _read(self, data: bytes) -> Contents:
        match = _OPENING(data)
        if match is None:
            raise _Unusual
        chain, number, previous, *numbers = match.groups()
        anchors, at = _anchors(data, match.end())
        static, at = self._static(chain, data, at)
        groups, at = self._groups(data, at)
        tail = _tail(data, at, data[0] - (0xAE if anchors else 0xAD))
        return Contents._make(
            (
                chain,
                _from_bytes(number, "big") & _ARGUMENT[len(number)],
                previous,
                *[_from_bytes(item, "big") & _ARGUMENT[len(item)] for item in numbers],
                anchors,
                *static,
                groups,
                tail.pop(14, ()),
                tail.pop(15, ()),
                tail.pop(schema.HEALTH_KEY),
                None,
                tail,
            )
        )

    def _static(self, chain: bytes, data: bytes, at: int) -> tuple[list[Any], int]:
        """Values of keys 9 to 12, and where they end."""
        kept = self._kept.get(chain)
        if kept is not None and data.startswith(kept[0], at):
            return kept[1], at + len(kept[0])
        start = at
        values = []
        for key in _STATIC_KEYS:
            if data[at] != key:
                raise _Unusual
            item, at = cbor.decode_item(data, at + 1, _PAIR_DEPTH)
            values.append(schema.check_value(key, item))
        if len(self._kept) >= _MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[chain] = data[start:at], values
        return values, at

    def _groups(self, data: bytes, at: int) -> tuple[tuple[list[Any], ...], int]:
        """Key 13: groups as the general decoder gives them."""
        count = data[at + 1] - 0x80
        if data[at] != 13 or not 0 <= count < 24:
            raise _Unusual
        at += 2
        groups = []
        for _ in range(count):
            group, at = self._group(data, at)
            groups.append(group)
        return tuple(groups), at

    def _group(self, data: bytes, at: int) -> tuple[list[Any], int]:
        match = _GROUP(data, at)
        if match is None:
            raise _Unusual
        *numbers, first, base, width, head = match.groups()
        meter, boot, n, first_sequence, step = [
            _from_bytes(item, "big") & _ARGUMENT[len(item)] for item in numbers
        ]
        if numbers[4][0] >= 0x20 or not 1 <= n <= 1024:
            raise _Unusual
        time, at = _series([], first, base, width, head, data, match.end())
        quality: list[Any] = []
        if data[at] == 0x80:
            at += 1
        else:
            item, at = cbor.decode_item(data, at, _QUALITY_DEPTH)
            quality = records.check_quality(item, n)
        columns, at = self._columns(data, at, n)
        sequence = [first_sequence, step, 0, b"", []]
        return [meter, boot, n, sequence, time, quality, columns], at

    def _columns(self, data: bytes, at: int, n: int) -> tuple[list[list[Any]], int]:
        count = data[at] - 0x80
        if not 0 <= count < 24:
            raise _Unusual
        at += 1
        columns: list[list[Any]] = []
        last: list[int] = []
        for _ in range(count):
            match = _COLUMN(data, at)
            if match is None:
                raise _Unusual
            item, first, base, width, head = match.groups()
            register = self._registers.get(item) or self._new_register(item)
            column, at = _series(register, first, base, width, head, data, match.end())
            if data[at] == 0x80:
                column.append([])
                at += 1
            else:
                absent, at = cbor.decode_item(data, at, _COLUMN_LIST_DEPTH)
                column.append(records.check_absent(absent, n))
            if register <= last and register[:3] <= last[:3]:
                raise _Unusual
            last = register
            columns.append(column)
        return columns, at

    def _new_register(self, item: bytes) -> list[int]:
        """Function, address, count and order, as `_COLUMN` found them."""
        match = _REGISTER(item)
        assert match is not None  # it is a part of _COLUMN
        register = [_from_bytes(one, "big") & _ARGUMENT[len(one)] for one in match.groups()]
        if len(self._registers) < _MAX_KEPT:
            self._registers[item] = register
        return register


def _series(
    before: list[int],
    first: bytes,
    base: bytes,
    width: bytes,
    head: bytes,
    data: bytes,
    start: int,
) -> tuple[list[Any], int]:
    """What stands `before`, then first, base, width, packed, patches; and where it ends."""
    end = start + (_LENGTHS[head] if len(head) < 3 else head[1] << 8 | head[2])
    base_value = _from_bytes(base, "big") & _ARGUMENT[len(base)]
    patches: list[int] = []
    at = end + 1
    if data[end] != 0x80:
        item, at = cbor.decode_item(data, end, _COLUMN_LIST_DEPTH)
        patches = records.check_uints(item, "patches")
    return [
        *before,
        _from_bytes(first, "big") & _ARGUMENT[len(first)],
        base_value if base[0] < 0x20 else ~base_value,
        _WIDTHS[width],
        data[start:end],
        patches,
    ], at


def _anchors(data: bytes, at: int) -> tuple[tuple[Anchor, ...], int]:
    """Key 8, if it is there."""
    if data[at] != 8:
        return (), at
    count = data[at + 1] - 0x80
    if not 1 <= count < 24:
        raise _Unusual
    at += 2
    anchors = []
    for _ in range(count):
        match = _ANCHOR(data, at)
        if match is None:
            raise _Unusual
        items = match.groups()
        anchors.append(
            Anchor._make([_from_bytes(item, "big") & _ARGUMENT[len(item)] for item in items])
        )
        at = match.end()
    return tuple(anchors), at


def _tail(data: bytes, at: int, pairs: int) -> dict[int, Any]:
    """The last `pairs` pairs: events, losses, health and what is rare."""
    last = 13
    values: dict[int, Any] = {}
    for _ in range(pairs):
        key = data[at]
        if not last < key < 24:
            raise _Unusual
        if key == schema.HEALTH_KEY:
            values[key], at = _health(data, at)
        else:
            item, at = cbor.decode_item(data, at + 1, _PAIR_DEPTH)
            values[key] = schema.check_value(key, item)
        last = key
    if at != len(data) or schema.HEALTH_KEY not in values or schema.GENESIS_KEY in values:
        raise _Unusual
    return values


def _health(data: bytes, at: int) -> tuple[dict[int, Any], int]:
    before = _HEALTH_BEFORE(data, at)
    if before is None:
        raise _Unusual
    at = before.end()
    pairs, *items = before.groups()
    counters = None
    if data.startswith(_BUS_COUNTERS, at):
        counters, at = cbor.decode_item(data, at + 1, _HEALTH_DEPTH)
        schema.check_bus_counters(counters)
    behind = _HEALTH_BEHIND(data, at)
    assert behind is not None  # every part of it is optional
    health: dict[int, Any] = {}
    for key, item in enumerate((*items, None, *behind.groups())):
        if item is not None:
            value = _from_bytes(item, "big") & _ARGUMENT[len(item)]
            health[key] = value if item[0] < 0x20 else ~value
        elif key == schema.BUS_COUNTERS_KEY and counters is not None:
            health[key] = counters
    if len(health) != pairs[0] - 0xA0:
        raise _Unusual
    return health, behind.end()
