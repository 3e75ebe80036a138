"""Readings taken together against those taken one by one: the same values and refusals."""

import random
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meterseal.errors import MalformedBatch
from meterseal.models import Contents, Group
from meterseal.wire import cbor, fast_columns, schema
from meterseal.wire.columns import decode_readings
from meterseal.wire.fast import PayloadReader
from meterseal.wire.fast_payload import FastPayload
from meterseal.wire.readings import read_all, read_readings
from support.host import INVALID, VALID, by_id
from support.station import Station, column

USUAL = [by_id(name) for name in ("sdm120-hour", "em340-hour", "iem3155-hour", "two-meters")]
USUAL += [by_id(name) for name in ("absent-values", "wrap-64", "noise-64", "readings-1024")]


def plain(groups: Any) -> Any:
    """Groups as lists, or the code of a refusal."""
    if isinstance(groups, MalformedBatch):
        return groups.code
    return [list(map(_list, group)) for group in groups]


def _list(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_list(one) for one in value]
    return value.tolist() if hasattr(value, "tolist") else value


def one_by_one(payload: bytes) -> Any:
    """The general way, from the bytes on; None if the payload does not pass the schema."""
    try:
        contents: Contents = schema.check_payload(cbor.decode_map(payload))
    except MalformedBatch:
        return None
    try:
        found: tuple[Group, ...] | MalformedBatch = decode_readings(contents)
    except MalformedBatch as refusal:
        found = refusal
    return plain(found)


def payload_of(test: dict[str, Any]) -> bytes:
    if test["payload_hex"]:
        return bytes.fromhex(test["payload_hex"])
    payload: bytes = cbor2.loads(bytes.fromhex(test["bytes_hex"])).value[2]
    return payload


READABLE = [
    test
    for test in VALID + INVALID
    if (test["error"] or "valid").startswith(("valid", "column-", "sequence-", "field-order"))
    and one_by_one(payload_of(test)) is not None  # the others: test_wire_fast.py
]


def test_all_vectors_together() -> None:
    reader = PayloadReader()
    payloads, expected = [], []
    for test in READABLE:
        payloads.append(reader.read(payload_of(test)))
        expected.append(one_by_one(payload_of(test)))
    assert sum(isinstance(one, str) for one in expected) > 20
    assert [plain(one) for one in read_all(payloads)] == expected


@pytest.mark.parametrize("test", READABLE, ids=lambda test: test["id"])
def test_each_vector_alone(test: dict[str, Any]) -> None:
    alone = one_by_one(payload_of(test))
    (found,) = read_all([PayloadReader().read(payload_of(test))])
    assert plain(found) == alone


def test_usual_batches_are_decoded_together() -> None:
    reader = PayloadReader()
    payloads = [reader.read(payload_of(test)) for test in USUAL]
    groups = [group for one in payloads if isinstance(one, FastPayload) for group in one.groups]
    assert len(groups) >= len(USUAL)
    assert len(fast_columns.decode_usual(groups)) == len(groups)


def test_more_groups_than_one_block_and_of_many_lengths() -> None:
    reader = PayloadReader()
    station = Station()
    payloads, expected = [], []
    for number in range(60):
        payload = station.payload()
        if number % 7 == 3:
            payload[7] = payload[13][0][2] = 2
            values = [[100, 200], [300, 400]]
            registers = [one[:4] for one in payload[13][0][6]]
            payload[13][0][6] = [column(*pair) for pair in zip(registers, values, strict=True)]
        station.close(payload)
        data = cbor2.dumps(dict(sorted(payload.items())))
        payloads.append(reader.read(data))
        expected.append(one_by_one(data))
    assert [plain(one) for one in read_all(payloads)] == expected


def change(payload: bytes, source: random.Random) -> bytes:
    """A few bytes of the readings changed."""
    changed = bytearray(payload)
    for _ in range(source.randrange(1, 4)):
        changed[source.randrange(len(changed) // 8, len(changed))] = source.randrange(256)
    return bytes(changed)


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_changed_readings_among_others(seed: int) -> None:
    source = random.Random(seed)
    datas = [payload_of(test) for test in USUAL[:6]]
    datas[source.randrange(6)] = change(source.choice(datas), source)
    check_together(datas)


def check_together(datas: list[bytes]) -> int:
    """How many of the payloads passed the schema."""
    reader = PayloadReader()
    payloads, expected = [], []
    for data in datas:
        alone = one_by_one(data)
        if alone is not None:
            payloads.append(reader.read(data))
            expected.append(alone)
    assert [plain(one) for one in read_all(payloads)] == expected
    return len(payloads)


def test_every_packed_byte_changed() -> None:
    """Behind the schema: padding, patches, values."""
    data = payload_of(by_id("sdm120-hour"))
    source = random.Random(5)
    readable = 0
    for at in range(len(data) - 420, len(data)):
        changed = data[:at] + bytes((data[at] ^ source.randrange(1, 256),)) + data[at + 1 :]
        readable += check_together([changed])
    assert readable > 200


def test_nothing_and_one() -> None:
    assert read_all([]) == []
    reader = PayloadReader()
    for name in ("zero-readings", "genesis", "sdm120-hour"):
        data = payload_of(by_id(name))
        assert plain(read_readings(reader.read(data))) == one_by_one(data)
    bad = next(test for test in INVALID if test["id"] == "padding")
    with pytest.raises(MalformedBatch) as refusal:
        read_readings(reader.read(payload_of(bad)))
    assert refusal.value.code == "column-padding"


@pytest.mark.long
def test_changed_readings_at_length() -> None:
    source = random.Random(4711)
    datas = [payload_of(test) for test in USUAL[:6]]
    for _ in range(30_000):
        check_together([source.choice(datas), change(source.choice(datas), source)])
