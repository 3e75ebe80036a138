"""Reads payloads in the form that stations nearly always send, several times as fast as the rest.

Regular expressions check the strict form (fast_forms.py); numbers are converted when somebody asks
for them. Whatever does not match, right or wrong, is left to the general decoder (cbor.py,
schema.py), which alone decides what is refused and why; tests compare the two.
"""

import struct
from typing import Any, Final, NamedTuple

from meterseal.errors import MalformedBatch
from meterseal.models import Contents, Meter
from meterseal.wire import cbor, records, schema
from meterseal.wire import fast_forms as forms
from meterseal.wire.fast_payload import FastGroup, FastPayload, FastSeries, Found
from meterseal.wire.packed import Payload

# Depth of an item: value of a pair of the payload; a group's quality.
_PAIR_DEPTH, _QUALITY_DEPTH = 2, 4
_ANCHORS_KEY, _GROUPS_KEY, _EVENTS_KEY, _LOST_KEY = 8, 13, 14, 15
_STATIC_KEYS: Final = (9, 10, 11, 12)
_METERS: Final = 3
_MAX_KEPT: Final = 10_000

_ALL_PRESENT: Final[list[int]] = []
_EMPTY: Final = 0x80
# Heads of the arrays that end with patches and with absent indices.
_PATCHED, _GAPPY = 0x89, 0x8A
_PATCHED_TIMES: Final = 0x85
_HEALTH_HEAD: Final = 0xA0 + forms.HEALTH_KEYS
_LENGTHS: Final = forms.LENGTHS
_BATCHES_0_AND_1: Final = (b"\x00", b"\x01")
_LONGEST_ITEM: Final = 9


class _Unusual(Exception):
    """Not the usual form: the general decoder decides."""


class PlainPayload(NamedTuple):
    """What the general decoder read."""

    contents: Contents


class PayloadReader:
    """Reads payloads: the usual ones fast, the others with the general decoder.

    Keys 9 to 12 (firmware, configuration, key class, meters) are the same in nearly every batch of
    a chain and are kept. The encoding of an item is never the beginning of the encoding of another
    one: bytes that begin with what is kept mean what is kept with it.
    """

    def __init__(self) -> None:
        self._kept: dict[bytes, tuple[bytes, list[Any]]] = {}

    def read(self, data: bytes) -> Payload:
        """A payload that passed the schema.

        Raises MalformedBatch `cbor-...` and as `schema.check_payload`.
        """
        try:
            return self._read(data)
        except (_Unusual, MalformedBatch, LookupError, struct.error):
            pass  # which of them says nothing: the general decoder begins anew
        return PlainPayload(schema.check_payload(cbor.decode_map(data)))

    def _read(self, data: bytes) -> FastPayload:
        heads = forms.opening(data)
        if heads is None:
            raise _Unusual
        at = heads.end()
        anchors = None
        if data[at] == _ANCHORS_KEY:
            anchors = forms.anchors[data[at + 1] - 0x80](data, at)
            if anchors is None:
                raise _Unusual
            at = anchors.end()
        static, at = self._static(heads[1], data, at)
        groups, at = _groups(data, at, heads[6])
        health, rare = _tail(data, at, data[0] - (0xAD if anchors is None else 0xAE))
        payload = FastPayload(heads, anchors, static, groups, health, rare)
        if not _stands_alone(heads, anchors, static[_METERS], groups, rare):
            schema.check_whole(payload.contents)
        return payload

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


def _stands_alone(
    heads: Found,
    anchors: Found | None,
    meters: tuple[Meter, ...],
    groups: list[FastGroup],
    rare: dict[int, Any],
) -> bool:
    """Whether it is clear at sight that what depends on more than one key is right.

    Number at least 2, sequence numbers far from 2^64, one anchor, one group with all readings of a
    meter that exists, no event, no loss. Otherwise `schema.check_whole` has to look.
    """
    if len(groups) != 1 or (anchors is not None and anchors.re.groups > forms.ANCHOR_LEN):
        return False
    number, first_sequence, count = heads.group(2, 6, 7)
    meter, n_item = groups[0].found.group(1, 3)
    return (
        number not in _BATCHES_0_AND_1
        and len(first_sequence) < _LONGEST_ITEM
        and n_item == count
        and len(meter) == 1
        and meter[0] < len(meters)
        and _EVENTS_KEY not in rare
        and _LOST_KEY not in rare
    )


def _count(head: int) -> int:
    """Number of items of an array with a short head."""
    if not 0x80 <= head < 0x98:
        raise _Unusual
    return head - 0x80


def _groups(data: bytes, at: int, first_sequence: bytes) -> tuple[list[FastGroup], int]:
    """Key 13."""
    if data[at] != _GROUPS_KEY:
        raise _Unusual
    groups = []
    count = _count(data[at + 1])
    at += 2
    for _ in range(count):
        group, at = _group(data, at, first_sequence)
        groups.append(group)
    return groups, at


def _group(data: bytes, at: int, first_sequence: bytes) -> tuple[FastGroup, int]:
    found = forms.group(data, at)
    if found is None:
        raise _Unusual
    n_item, head = found.group(3, 7)
    n = forms.uint(n_item)
    if not 1 <= n <= 1024:
        raise _Unusual
    first_at = found.start(forms.TIME_FIRST)
    at = found.end() + (_LENGTHS.get(head) or forms.length(head))
    patches = None
    if data[first_at - 1] == _PATCHED_TIMES:
        patches = _some_uints(data, at)
        at = patches.end()
    quality: list[list[int]] = []
    if data[at] == _EMPTY:  # all readings right
        at += 1
    else:
        item, at = cbor.decode_item(data, at, _QUALITY_DEPTH)
        quality = records.check_quality(item, n)
    packed: list[FastSeries] = [(b"", first_at, patches, _ALL_PRESENT)]
    at = _columns(data, at, n, packed)
    return FastGroup(data, found, first_sequence, n, quality, packed), at


def _columns(data: bytes, at: int, n: int, packed: list[FastSeries]) -> int:
    """Adds the columns of a group to `packed`; where they end."""
    count = _count(data[at])
    at += 1
    last = b""
    for _ in range(count):
        found = forms.column(data, at)
        if found is None:
            raise _Unusual
        register, head = found.groups()
        if register[:-1] <= last:  # encodings of unsigned integers ascend as the integers do
            raise _Unusual
        last = register[:-1]
        form, first_at = data[at], at + 1 + len(register)
        at = found.end() + (_LENGTHS.get(head) or forms.length(head))
        patches, absent = None, _ALL_PRESENT
        if form == _PATCHED:
            patches = _some_uints(data, at)
            at = patches.end()
        elif form == _GAPPY:
            patches = _uints(data, at)
            missing = _some_uints(data, patches.end())
            absent = records.check_absent(forms.uint_list(missing.groups()), n)
            at = missing.end()
        packed.append((register, first_at, patches, absent))
    return at


def _uints(data: bytes, at: int) -> Found:
    """Array of up to 23 unsigned integers."""
    found = forms.uints[data[at]](data, at)
    if found is None:
        raise _Unusual
    return found


def _some_uints(data: bytes, at: int) -> Found:
    """The same, of at least one."""
    if data[at] == _EMPTY:
        raise _Unusual
    return _uints(data, at)


def _tail(data: bytes, at: int, pairs: int) -> tuple[bytes, dict[int, Any]]:
    """The last `pairs` pairs: encoding of health; events, losses and what is rare."""
    last = _GROUPS_KEY
    health = b""
    rare: dict[int, Any] = {}
    for _ in range(pairs):
        key = data[at]
        if not last < key < 24 or key == schema.GENESIS_KEY:
            raise _Unusual
        last = key
        if key == schema.HEALTH_KEY:
            found = forms.health(data, at)
            if found is None or data[at + 1] != _HEALTH_HEAD - found.groups().count(None):
                raise _Unusual
            end = found.end()
            health = data[at + 1 : end]
            at = end
        else:
            item, at = cbor.decode_item(data, at + 1, _PAIR_DEPTH)
            rare[key] = schema.check_value(key, item)
    if at != len(data) or not health:
        raise _Unusual
    return health, rare
