"""Reads payloads in the form that stations nearly always send, several times as fast as the rest.

The strict form of every head (RFC 8949 section 4.2.1), types and ranges are one regular expression
for each run of members; numbers are converted when somebody asks for them. Whatever does not
match, right or wrong, is left to the general decoder (cbor.py, schema.py), which alone decides
what is refused and why; tests compare the two.
"""

import re
import struct
from typing import Any, Final, NamedTuple

from meterseal.errors import MalformedBatch
from meterseal.models import Anchor, Contents
from meterseal.wire import cbor, records, schema
from meterseal.wire.packed import Series

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
    rb"\x87(<U>)(<U>)(<U>)\x85(<U>)(<U>)\x00\x40\x80\x85(<U>)(<I>)(<W>)(<B>)"
).match
_COLUMN: Final = _pattern(rb"\x8a([\x03\x04]<A>[\x01-\x04][\x00-\x03])(<U>)(<I>)(<W>)(<B>)").match
_REGISTER: Final = _pattern(rb"(.)(<A>)(.)(.)").fullmatch
# First byte of an array -> pattern of so many unsigned integers.
_UINTS: Final = {0x80 + n: _pattern(b"." + b"(<U>)" * n).match for n in range(24)}
_HEALTH_KEYS: Final = 9
_BUS_COUNTERS: Final = b"|".join(rb"\x%02x(?:\x87<U>{7}){%d}" % (0x80 + n, n) for n in range(9))
_HEALTH: Final = _pattern(
    rb"\x10[\xa0-\xa9](\x00<U>)?(\x01<U>)?(\x02<U>)?(\x03(?:%b))?"
    rb"(\x04<I>)?(\x05<U>)?(\x06<U>)?(\x07<U>)?(\x08<U>)?" % _BUS_COUNTERS
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

# Depth of an item: value of a pair of the payload; a group's quality.
_PAIR_DEPTH, _QUALITY_DEPTH = 2, 4

_STATIC_KEYS: Final = (9, 10, 11, 12)
_MAX_KEPT: Final = 10_000


class _Unusual(Exception):
    """Not the usual form: the general decoder decides."""


# Packed integers as they stand in the payload: first, base, width, packed, patches.
_Items = tuple[bytes, bytes, int, bytes, tuple[bytes, ...]]


class FastGroup(NamedTuple):
    """A group that passed the schema; its numbers are converted when somebody asks for them."""

    meter: int
    boot: int
    n: int
    quality: list[list[int]]
    registers: list[list[int]]
    absents: list[list[int]]
    sequence: tuple[bytes, bytes]
    time: _Items
    columns: list[_Items]

    def series(self) -> list[Series]:
        """Sequence numbers, times, then the columns."""
        n = self.n
        first, step = self.sequence
        return [
            (64, n, _uint(first), _uint(step), 0, b"", []),
            _series(64, n, self.time),
            *[
                _series(register[2] << 4, n - len(absent), items)
                for register, absent, items in zip(
                    self.registers, self.absents, self.columns, strict=True
                )
            ],
        ]


def _series(bits: int, m: int, items: _Items) -> Series:
    first, base, width, packed, patches = items
    step = _from_bytes(base, "big") & _ARGUMENT[len(base)]
    return (
        bits,
        m,
        _from_bytes(first, "big") & _ARGUMENT[len(first)],
        step if base[0] < 0x20 else ~step,
        width,
        packed,
        [_from_bytes(item, "big") & _ARGUMENT[len(item)] for item in patches] if patches else [],
    )


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
        except (_Unusual, MalformedBatch, LookupError, struct.error):
            pass  # which of them says nothing: the general decoder begins anew
        return schema.check_payload(cbor.decode_map(data))

    def _read(self, data: bytes) -> Contents:
        match = _OPENING(data)
        if match is None:
            raise _Unusual
        chain, number, previous, boot, sealed, first_sequence, count = match.groups()
        anchors, at = _anchors(data, match.end())
        static, at = self._static(chain, data, at)
        groups, at = self._groups(data, at)
        pairs = data[0] - (0xAE if anchors else 0xAD)
        tail = _tail(data, at, pairs)
        return Contents(
            chain,
            _uint(number),
            previous,
            _uint(boot),
            _uint(sealed),
            _uint(first_sequence),
            _uint(count),
            anchors,
            static[0],
            static[1],
            static[2],
            static[3],
            groups,
            tail.pop(14, ()),
            tail.pop(15, ()),
            tail.pop(schema.HEALTH_KEY),
            None,
            tail,
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

    def _groups(self, data: bytes, at: int) -> tuple[tuple[FastGroup, ...], int]:
        """Key 13."""
        if data[at] != 13:
            raise _Unusual
        count = _count(data[at + 1])
        at += 2
        groups = []
        for _ in range(count):
            group, at = self._group(data, at)
            groups.append(group)
        return tuple(groups), at

    def _group(self, data: bytes, at: int) -> tuple[FastGroup, int]:
        match = _GROUP(data, at)
        if match is None:
            raise _Unusual
        meter, boot, count, first_sequence, step, first, base, width, head = match.groups()
        n = _uint(count)
        if not 1 <= n <= 1024:
            raise _Unusual
        start = match.end()
        end = start + (_LENGTHS[head] if len(head) < 3 else head[1] << 8 | head[2])
        patches, at = _uints(data, end)
        time = first, base, _WIDTHS[width], data[start:end], patches
        quality: list[list[int]] = []
        if data[at] == 0x80:
            at += 1
        else:
            item, at = cbor.decode_item(data, at, _QUALITY_DEPTH)
            quality = records.check_quality(item, n)
        sequence = first_sequence, step
        group = FastGroup(_uint(meter), _uint(boot), n, quality, [], [], sequence, time, [])
        columns = _count(data[at])
        at += 1
        for _ in range(columns):
            at = self._column(data, at, group)
        return group, at

    def _column(self, data: bytes, at: int, group: FastGroup) -> int:
        """Add a column to the group; where it ends."""
        match = _COLUMN(data, at)
        if match is None:
            raise _Unusual
        item, first, base, width, head = match.groups()
        register = self._registers.get(item) or self._new_register(item)
        registers = group.registers
        if registers and register[:3] <= registers[-1][:3]:
            raise _Unusual
        start = match.end()
        at = start + (_LENGTHS[head] if len(head) < 3 else head[1] << 8 | head[2])
        packed = data[start:at]
        absent: list[int] = []
        patches: tuple[bytes, ...] = ()
        if data.startswith(b"\x80\x80", at):
            at += 2
        else:
            patches, at = _uints(data, at)
            items, at = _uints(data, at)
            if items:
                absent = records.check_absent([_uint(one) for one in items], group.n)
        registers.append(register)
        group.absents.append(absent)
        group.columns.append((first, base, _WIDTHS[width], packed, patches))
        return at

    def _new_register(self, item: bytes) -> list[int]:
        """Function, address, count and order, as `_COLUMN` found them."""
        match = _REGISTER(item)
        assert match is not None  # it is a part of _COLUMN
        register = [_uint(one) for one in match.groups()]
        if len(self._registers) < _MAX_KEPT:
            self._registers[item] = register
        return register


def _uint(item: bytes) -> int:
    return _from_bytes(item, "big") & _ARGUMENT[len(item)]


def _count(head: int) -> int:
    """Number of items of an array with a short head."""
    if not 0x80 <= head < 0x98:
        raise _Unusual
    return head - 0x80


def _uints(data: bytes, at: int) -> tuple[tuple[bytes, ...], int]:
    """Array of up to 23 unsigned integers, and where it ends."""
    match = _UINTS[data[at]](data, at)
    if match is None:
        raise _Unusual
    return match.groups(), match.end()


def _anchors(data: bytes, at: int) -> tuple[tuple[Anchor, ...], int]:
    """Key 8, if it is there."""
    if data[at] != 8:
        return (), at
    count = _count(data[at + 1])
    if not count:
        raise _Unusual
    at += 2
    anchors = []
    for _ in range(count):
        match = _ANCHOR(data, at)
        if match is None:
            raise _Unusual
        anchors.append(Anchor(*[_uint(item) for item in match.groups()]))
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
            match = _HEALTH(data, at)
            if match is None:
                raise _Unusual
            if data[at + 1] - 0xA0 != _HEALTH_KEYS - match.groups().count(None):
                raise _Unusual
            values[key] = data[at + 1 : match.end()]
            at = match.end()
        else:
            item, at = cbor.decode_item(data, at + 1, _PAIR_DEPTH)
            values[key] = schema.check_value(key, item)
        last = key
    if at != len(data) or schema.HEALTH_KEY not in values or schema.GENESIS_KEY in values:
        raise _Unusual
    return values
