"""Schema of a payload (WIRE_FORMAT section 3): which keys, which types, what depends on what.

Nothing is decoded here: the readings stay packed until columns.py takes them apart.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from meterseal.models import Anchor, Contents, Lost, Meter
from meterseal.wire import records
from meterseal.wire.cbor import Item
from meterseal.wire.shape import (
    U64_MAX,
    Field,
    Shape,
    array,
    bstr,
    check_field,
    refuse,
    sint,
    tstr,
    uint,
)

VERSION: Final = 1
FIRST_NON_CRITICAL_KEY: Final = 64

_NONCE: Final = Shape("nonce", bstr("nonce", 8, 64), uint("boot"), uint("mono_ms"))
_PLAIN: Final[dict[int, Field]] = {
    1: bstr("chain", 16, 16),
    2: uint("number", 1),
    3: bstr("previous", 32, 32),
    4: uint("boot"),
    5: uint("sealed_mono_ms"),
    6: uint("first_sequence"),
    7: uint("count", 0, 1024),
    9: tstr("firmware", 1, 32),
    10: bstr("config_hash", 8, 8),
    11: uint("key_class", 0, 2),
    19: bstr("receipt", 1, 1024),
    20: bstr("rollover", 1, 1024),
    22: bstr("tenant", 8, 32),
}
_LISTS: Final[dict[int, tuple[Field, Callable[[Any], Any]]]] = {
    8: (array("anchors", 1), records.anchor),
    12: (array("meters", 0, 32), records.meter),
    13: (array("groups"), records.group),
    14: (array("events", 1), records.event),
    15: (array("lost", 1), records.lost),
    18: (array("ocmf", 1), lambda item: check_field(item, tstr("record"), "ocmf")),
    21: (array("nonces", 1), _NONCE.check),
}
HEALTH_KEY, GENESIS_KEY = 16, 17
_ALWAYS: Final = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16)
_FIRST_EXTRA: Final = 18

BUS_COUNTERS_KEY: Final = 3
_BUS_COUNTERS: Final = Shape(
    "bus counters",
    *map(
        uint,
        ("ok", "timeouts", "crc_errors", "malformed", "exceptions", "retries"),
    ),
)
_HEALTH: Final[dict[int, Field]] = {
    0: uint("free heap"),
    1: uint("largest free block"),
    2: uint("journal fill"),
    3: array("bus counters"),
    4: sint("RSSI"),
    5: uint("sectors erased"),
    6: uint("bad sectors"),
    7: uint("batches waiting"),
}
_GENESIS: Final[dict[int, Field]] = {
    0: uint("reason", 0, 3),
    1: bstr("provisioning record", 32, 32),
    2: bstr("last chain", 16, 16),
    3: uint("last number"),
    4: bstr("last hash", 32, 32),
}


def check_payload(payload: dict[int, Item]) -> Contents:
    """What a payload says, if it is one of version 1.

    Raises MalformedBatch `version-unknown`, `key-critical-unknown`, `field-...`, `meter-unknown`,
    `lost-overlap`, `sequence-mismatch` (more or fewer readings than counted).
    """
    _check_version(payload)
    for key in _ALWAYS:
        if key not in payload:
            refuse("field-missing", "payload", f"key {key}", "none")
    checked: dict[int, Any] = {key: check_value(key, item) for key, item in payload.items()}
    get = checked.get
    contents = Contents(
        chain=checked[1],
        number=checked[2],
        previous=get(3),
        boot=checked[4],
        sealed_mono_ms=checked[5],
        first_sequence=checked[6],
        count=checked[7],
        anchors=get(8, ()),
        firmware=checked[9],
        config_hash=checked[10],
        key_class=checked[11],
        meters=checked[12],
        groups=checked[13],
        events=get(14, ()),
        lost=get(15, ()),
        health_item=checked[HEALTH_KEY],
        genesis=get(GENESIS_KEY),
        extra={key: value for key, value in checked.items() if key >= _FIRST_EXTRA},
    )
    check_whole(contents)
    return contents


def _check_version(payload: dict[int, Item]) -> None:
    if 0 not in payload:
        refuse("field-missing", "payload", "key 0", "none")
    version = check_field(payload[0], uint("version"))
    if version != VERSION:
        refuse("version-unknown", "payload", f"version {VERSION}", str(version))


def check_value(key: int, item: Any) -> Any:
    """The value of a key of the payload, checked by itself."""
    field = _PLAIN.get(key)
    if field is not None:
        return check_field(item, field)
    if key in _LISTS:
        form, check = _LISTS[key]
        return tuple([check(one) for one in check_field(item, form)])
    if key == HEALTH_KEY:
        return _health(item)
    if key == GENESIS_KEY:
        return _genesis(item)
    if 0 < key < FIRST_NON_CRITICAL_KEY:
        refuse("key-critical-unknown", "payload", "known keys below 64", f"key {key}")
    return item


def _health(item: Any) -> dict[int, Any]:
    if type(item) is not dict:
        refuse("field-type", "health", "a map", "another type")
    for key, value in item.items():
        if key in _HEALTH:
            check_field(value, _HEALTH[key], "health")
        if key == BUS_COUNTERS_KEY:
            check_bus_counters(value)
    return item


def check_bus_counters(item: Any) -> None:
    """Key 3 of `health`."""
    for counters in check_field(item, _HEALTH[BUS_COUNTERS_KEY], "health"):
        _BUS_COUNTERS.check(counters)


def _genesis(item: Any) -> dict[int, Any]:
    if type(item) is not dict:
        refuse("field-type", "genesis", "a map", "another type")
    for key, value in item.items():
        if key in _GENESIS:
            check_field(value, _GENESIS[key], "genesis")
        elif key < FIRST_NON_CRITICAL_KEY:
            refuse("key-critical-unknown", "genesis", "known keys below 64", f"key {key}")
    if 0 not in item:
        refuse("field-missing", "genesis", "a reason", "none")
    if (item[0] == 0) != (1 in item):
        code = "field-unexpected" if 1 in item else "field-missing"
        refuse(code, "genesis", "a provisioning record with reason 0 alone", "otherwise")
    head = [key for key in (2, 3, 4) if key in item]
    if len(head) not in (0, 3):
        refuse("field-missing", "genesis", "keys 2, 3 and 4 together", f"only {head}")
    return item


def check_whole(contents: Contents) -> None:
    """What depends on more than one key."""
    if contents.number < 2 or contents.previous is None or contents.genesis is not None:
        _check_conditional("previous", contents.previous, contents.number > 1)
        _check_conditional("genesis", contents.genesis, contents.number == 1)
    if contents.next_sequence - 1 > U64_MAX:
        refuse("field-range", "first_sequence", "sequence numbers below 2^64", "others")
    if len(contents.anchors) > 1:
        _check_anchors(contents.anchors)
    _check_groups(contents)
    for event in contents.events:
        _check_meters(records.meters_of_event(event), contents.meters)
    for lost in contents.lost:
        _check_lost(lost, contents)


def _check_conditional(name: str, value: object, wanted: bool) -> None:
    if (value is not None) != wanted:
        code = "field-missing" if wanted else "field-unexpected"
        refuse(code, name, "previous from number 2 on, genesis in number 1", "otherwise")


def _check_anchors(anchors: tuple[Anchor, ...]) -> None:
    for before, after in pairwise(anchors):
        if after[:2] <= before[:2]:
            refuse("field-order", "anchors", "ascending boot and time", str(after[:2]))


def _check_groups(contents: Contents) -> None:
    last = (-1, -1)
    total = 0
    for group in contents.groups:
        place = group.boot, group.meter
        if place[1] >= len(contents.meters):
            _check_meters((place[1],), contents.meters)
        if place <= last:
            refuse("field-order", "groups", "ascending boot and meter", str(place))
        last = place
        total += group.n
        if not group.numbered and len(contents.groups) > 1:
            refuse("sequence-mismatch", "groups", "sequence numbers in each of several", "none")
    if total != contents.count:
        refuse("sequence-mismatch", "groups", f"{contents.count} readings", str(total))


def _check_meters(indices: tuple[int, ...], meters: tuple[Meter, ...]) -> None:
    for index in indices:
        if index >= len(meters):
            refuse("meter-unknown", "meter", f"an index below {len(meters)}", str(index))


def _check_lost(lost: Lost, contents: Contents) -> None:
    if lost.kind == records.LOST_BATCHES and lost.last >= contents.number:
        refuse("lost-overlap", "lost", f"numbers below {contents.number}", str(lost.last))
    first, behind = contents.first_sequence, contents.next_sequence
    if max(first, lost.first_sequence) < min(behind, lost.last_sequence + 1):
        refuse("lost-overlap", "lost", "readings that are not in this batch", "others")
