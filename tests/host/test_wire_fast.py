"""The fast reader of payloads against the general decoder: always the same result or refusal."""

import random
from collections import Counter
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meterseal.errors import MalformedBatch
from meterseal.models import Contents
from meterseal.wire import cbor, schema
from meterseal.wire.fast import PayloadReader, PlainPayload
from meterseal.wire.fast_payload import FastPayload
from support.host import INVALID, VALID, by_id
from support.sealed import private_key, seal

USUAL = ("sdm120-hour", "em340-hour", "iem3155-hour", "two-meters", "absent-values", "health-full")


def plain(contents: Contents) -> Any:
    """Contents with everything converted that may be kept as bytes."""
    groups = tuple(
        (
            one.meter,
            one.boot,
            one.n,
            one.quality,
            one.registers,
            one.absents,
            one.series(contents.first_sequence),
        )
        for one in contents.groups
    )
    return contents._replace(groups=groups, health_item=contents.health)


def outcome(read: Any, payload: bytes) -> Any:
    try:
        return plain(read(payload).contents)
    except MalformedBatch as refusal:
        return refusal.code


def general(payload: bytes) -> PlainPayload:
    return PlainPayload(schema.check_payload(cbor.decode_map(payload)))


def agree(reader: PayloadReader, payload: bytes) -> Any:
    found = outcome(reader.read, payload)
    assert found == outcome(general, payload)
    return found


def payload_of(test: dict[str, Any]) -> bytes:
    """Payload of any vector that has one: also of those that are refused later on."""
    if test["payload_hex"]:
        return bytes.fromhex(test["payload_hex"])
    try:
        payload = cbor2.loads(bytes.fromhex(test["bytes_hex"])).value[2]
    except Exception:  # noqa: BLE001  # whatever cbor2 thinks of a broken envelope
        return b""
    return payload if isinstance(payload, bytes) else b""


@pytest.mark.parametrize("test", VALID + INVALID, ids=lambda test: test["id"])
def test_every_vector(test: dict[str, Any]) -> None:
    agree(PayloadReader(), payload_of(test))


def test_usual_batches_are_read_fast() -> None:
    reader = PayloadReader()
    for name in USUAL:
        assert isinstance(reader.read(payload_of(by_id(name))), FastPayload)


def test_reader_that_has_read_everything_before() -> None:
    reader = PayloadReader()
    for _ in range(2):
        for test in VALID + INVALID:
            agree(reader, payload_of(test))


def test_other_meters_of_a_kept_chain_are_noticed() -> None:
    reader = PayloadReader()
    payload = cbor2.loads(payload_of(by_id("sdm120-hour")))
    for unit in (1, 1, 7, 1):
        payload[12][0][2] = unit
        found = reader.read(cbor2.dumps(payload)).contents
        assert found.meters[0].unit == unit


@settings(max_examples=300)
@given(st.sampled_from(USUAL), st.data())
def test_changed_bytes(name: str, data: st.DataObject) -> None:
    payload = bytearray(payload_of(by_id(name)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at] = data.draw(st.integers(0, 255))
    agree(PayloadReader(), bytes(payload))


@settings(max_examples=150)
@given(st.sampled_from(USUAL), st.data())
def test_cut_and_grown_payloads(name: str, data: st.DataObject) -> None:
    payload = payload_of(by_id(name))
    at, end = sorted(data.draw(st.tuples(*[st.integers(0, len(payload))] * 2)))
    more = data.draw(st.binary(max_size=4))
    agree(PayloadReader(), payload[:at] + more + payload[end:])


# Heads that say the same in more bytes, or something near it.
HEADS = [b"\x18\x05", b"\x19\x00\x05", b"\x1a\x00\x00\x00\x05", b"\x1b" + bytes(7) + b"\x05"]
HEADS += [
    b"\x20",
    b"\x38\x00",
    b"\x9f",
    b"\xff",
    b"\xf4",
    b"\xf9\x00\x00",
    b"\xc2\x41\x05",
    b"\x61a",
]


@pytest.mark.parametrize("name", USUAL)
def test_other_heads_everywhere(name: str) -> None:
    payload = payload_of(by_id(name))
    reader = PayloadReader()
    codes = Counter()
    for at in range(0, len(payload), 3):
        for head in HEADS:
            found = agree(reader, payload[:at] + head + payload[at + 1 :])
            codes[found if isinstance(found, str) else "accepted"] += 1
    assert len(codes) > 5


@pytest.mark.long
@pytest.mark.parametrize("name", USUAL)
def test_every_value_of_every_byte(name: str) -> None:
    payload = payload_of(by_id(name))
    reader = PayloadReader()
    for at in range(len(payload)):
        for value in range(256):
            agree(reader, payload[:at] + bytes((value,)) + payload[at + 1 :])


def test_many_chains_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meterseal.wire.fast._MAX_KEPT", 10)
    reader = PayloadReader()
    payload = cbor2.loads(payload_of(by_id("sdm120-hour")))
    for number in range(50):
        payload[1] = number.to_bytes(16, "big")
        raw, _ = seal(payload, private_key(7))
        assert reader.read(cbor2.loads(raw).value[2]).contents.chain == payload[1]
    assert len(reader._kept) == 10


@pytest.mark.long
def test_random_changes_at_length() -> None:
    source = random.Random(18)
    for _ in range(100_000):
        payload = bytearray(payload_of(by_id(source.choice(USUAL))))
        for _ in range(source.randrange(1, 4)):
            payload[source.randrange(len(payload))] = source.randrange(256)
        agree(PayloadReader(), bytes(payload))
