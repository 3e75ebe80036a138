"""Schema of the records in a payload: meters, groups, anchors, events, losses (WIRE_FORMAT 4-7).

Every function takes a decoded CBOR item and returns the record or raises MalformedBatch.
"""

from typing import Any, Final

from meterseal.models import Anchor, Edge, Event, Lost, Meter, Registers
from meterseal.wire.packed import PackedGroup, pack_group
from meterseal.wire.shape import Shape, array, bstr, refuse, refuse_type, sint, tstr, uint

LOST_BATCHES, LOST_READINGS = 0, 1

_WORDS: Final = bstr("words", 2, 250)
_REGISTERS: Final = Shape("registers", uint("function", 3, 4), uint("address", 0, 65_535), _WORDS)
_METER: Final = Shape(
    "meter",
    tstr("profile", 1, 64),
    bstr("profile_hash", 16, 16),
    uint("unit", 0, 255),
    array("identity"),
    array("setup"),
)
_INTEGERS: Final = (
    uint("first"),
    sint("base"),
    uint("width", 0, 64),
    bstr("packed"),
    array("patches"),
)
_SERIES: Final = Shape("integers", *_INTEGERS)
_OPTIONAL: Final = {"integers": 1, "column": 2}
_COLUMN: Final = Shape(
    "column",
    uint("function", 3, 4),
    uint("address", 0, 65_535),
    uint("count", 1, 4),
    uint("order", 0, 3),
    *_INTEGERS,
    array("absent"),
)
_GROUP: Final = Shape(
    "group",
    uint("meter"),
    uint("boot"),
    uint("n", 1, 1024),
    array("sequence"),
    array("time"),
    array("quality"),
    array("columns"),
)
_QUALITY: Final = Shape("quality", uint("index"), uint("status", 0, 255), uint("flags", 0, 7))
_ANCHOR: Final = Shape(
    "anchor",
    uint("boot"),
    uint("mono_ms"),
    uint("t_unix_ms"),
    uint("source", 1, 6),
    uint("error_ms"),
)
_EVENT: Final = Shape("event", uint("kind"), uint("boot"), uint("mono_ms"), array("detail"))
_EVENT_DETAILS: Final = {
    1: Shape("boot", uint("reset_cause"), uint("boots_coalesced")),
    2: Shape("clock_set", uint("source"), sint("step_ms")),
    3: Shape("meter_lost", uint("meter")),
    4: Shape("meter_found", uint("meter")),
    5: Shape("meter_changed", uint("meter_before"), uint("meter_after")),
    6: Shape("config_changed", bstr("old", 8, 8), bstr("new", 8, 8)),
    7: Shape("firmware_changed", tstr("old"), tstr("new")),
    8: Shape("cabinet", uint("open", 0, 1)),
    9: Shape("task_restarted", tstr("task"), tstr("reason")),
    10: Shape("reset", tstr("reason")),
    11: Shape("flash_fault", uint("sector")),
    12: Shape("sampling_interval", uint("interval_s"), uint("reason")),
    13: Shape("sampling_stopped", uint("reason")),
    14: Shape("update", tstr("step"), tstr("version")),
    15: Shape("certificate", uint("slot"), uint("t_not_after_unix_s")),
    16: Shape("session", uint("connector"), tstr("step"), bstr("pseudonym")),
}
_METER_EVENTS: Final = frozenset((3, 4, 5))
_LOST: Final = Shape(
    "lost",
    uint("kind", 0, 1),
    uint("first"),
    uint("last"),
    uint("reason", 1, 4),
    bstr("last_hash"),
    uint("first_sequence"),
    uint("last_sequence"),
    array("before"),
    array("after"),
)
_ACKNOWLEDGED: Final = 4
"""Reason of batches alone: what was never sealed was never acknowledged."""
_EDGE: Final = Shape(
    "edge",
    tstr("meter", 1, 64),
    uint("unit", 0, 255),
    uint("function", 3, 4),
    uint("address", 0, 65_535),
    _WORDS,
)


def meter(item: Any) -> Meter:
    """Section 4.1."""
    profile, profile_hash, unit, identity, setup = _METER.check(item)
    return Meter(
        profile,
        profile_hash,
        unit,
        tuple([_registers(one) for one in identity]),
        tuple([_registers(one) for one in setup]),
    )


def _registers(item: Any) -> Registers:
    function, address, words = _REGISTERS.check(item)
    _check_even(words)
    return Registers(function, address, words)


def _check_even(words: bytes) -> None:
    if len(words) & 1:
        refuse("field-range", "words", "an even number of bytes", str(len(words)))


def group(item: Any) -> PackedGroup:
    """Section 4.2, still packed."""
    packed = _GROUP.check(item)
    _, _, n, sequence, time, quality, columns = packed
    packed[3] = sequence and _series(sequence)
    packed[4] = _series(time)
    if quality:
        check_quality(quality, n)
    last: list[int] = []
    packed[6] = [_padded(one, _COLUMN) for one in columns]
    for one in packed[6]:
        key = _column(one, n)
        if key <= last:
            refuse("field-order", "columns", "ascending function, address, count", str(key))
        last = key
    return pack_group(packed)


def _series(item: Any) -> list[Any]:
    series = _SERIES.check(_padded(item, _SERIES))
    check_uints(series[4], "patches")
    return series


def _padded(item: Any, shape: Shape) -> Any:
    """With the empty arrays at the end that an encoder leaves out."""
    if type(item) is not list:
        return item
    missing, optional = len(shape.fields) - len(item), _OPTIONAL[shape.name]
    if 0 <= missing < optional and item[-1] == []:
        refuse("field-range", shape.name, "no empty array at the end", "one")
    return item + [[]] * missing if missing <= optional else item


def check_uints(items: Any, where: str) -> list[int]:
    """An array of unsigned integers: the item itself."""
    if type(items) is not list:
        refuse_type(where, list, items)
    for item in items:
        if type(item) is not int or item < 0:
            refuse_type(where, int, item)
    return items


def check_quality(items: Any, n: int) -> list[Any]:
    """Section 4.4, for n readings: the item itself."""
    if type(items) is not list:
        refuse_type("quality", list, items)
    last = -1
    for item in items:
        index, status, flags = _QUALITY.check(item)
        if index >= n:
            refuse("field-range", "quality: index", f"less than {n}", str(index))
        if 4 < status < 128:
            refuse("field-range", "quality: status", "0 to 4 or from 128", str(status))
        if not status and not flags:
            refuse("field-range", "quality", "a status or flags other than 0", "0 and 0")
        if index <= last:
            refuse("field-order", "quality", "ascending indices", f"{index} behind {last}")
        last = index
    return items


def _column(item: Any, n: int) -> list[int]:
    """Checks a column; function, address and count, by which columns are ordered."""
    column = _COLUMN.check(item)
    if column[8]:
        check_uints(column[8], "patches")
    if column[9]:
        check_absent(column[9], n)
    return column[:3]


def check_absent(items: Any, n: int) -> list[int]:
    """Indices of the readings without a value, fewer than n: the item itself."""
    indices = check_uints(items, "absent")
    last = -1
    for index in indices:
        if index <= last:
            refuse("field-order", "absent", "ascending indices", f"{index} behind {last}")
        if index >= n:
            refuse("field-range", "absent", f"indices below {n}", str(index))
        last = index
    if len(indices) >= n:
        refuse("field-range", "absent", "at least one value in a column", "none")
    return indices


def anchor(item: Any) -> Anchor:
    """Section 5."""
    return Anchor._make(_ANCHOR.check(item))


def event(item: Any) -> Event:
    """Section 6. A kind from 64 on may be unknown; its detail is kept as it is."""
    kind, boot, mono_ms, detail = _EVENT.check(item)
    shape = _EVENT_DETAILS.get(kind)
    if shape is not None:
        shape.check(detail)
    elif kind < 64:
        refuse("key-critical-unknown", "event", "a known kind, or one from 64 on", str(kind))
    for one in detail:
        if isinstance(one, list | dict):
            refuse_type("event: detail", int, one)
    return Event(kind, boot, mono_ms, tuple(detail))


def meters_of_event(one: Event) -> tuple[Any, ...]:
    """Indices into `meters` that an event names."""
    return one.detail if one.kind in _METER_EVENTS else ()


def lost(item: Any) -> Lost:
    """Section 7."""
    kind, first, last, reason, last_hash, first_sequence, last_sequence, before, after = (
        _LOST.check(item)
    )
    if first > last:
        refuse("field-range", "lost", "first at most last", f"{first} and {last}")
    if len(last_hash) != (32 if kind == LOST_BATCHES else 0):
        refuse("field-range", "lost: last_hash", "32 bytes with batches, else none", "others")
    if kind == LOST_READINGS and reason == _ACKNOWLEDGED:
        refuse("field-range", "lost: reason", "1 to 3 with readings", str(reason))
    if kind == LOST_READINGS and (first, last) != (first_sequence, last_sequence):
        refuse("field-range", "lost: readings", "the same range twice", "two ranges")
    if first_sequence > last_sequence + 1:
        refuse("field-range", "lost: sequences", "first at most last + 1", str(first_sequence))
    edges = tuple([_edge(one) for one in before]), tuple([_edge(one) for one in after])
    return Lost(kind, first, last, reason, last_hash, first_sequence, last_sequence, *edges)


def _edge(item: Any) -> Edge:
    edge = Edge._make(_EDGE.check(item))
    _check_even(edge.words)
    return edge
