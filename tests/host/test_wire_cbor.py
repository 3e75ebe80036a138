"""The strict CBOR decoder against cbor2, on well-formed, mutated and random bytes."""

import io
import random
import tracemalloc
from typing import Any

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from meterseal.errors import MalformedBatch
from meterseal.wire import cbor
from support.host import VALID, code_of

U64 = 2**64 - 1
SCALARS = st.integers(-U64 - 1, U64) | st.binary(max_size=300) | st.text(max_size=30)
ITEMS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=30)
        | st.dictionaries(st.integers(0, U64), inner, max_size=30).map(
            lambda items: dict(sorted(items.items()))
        )
    ),
    max_leaves=40,
)


def depth(item: Any) -> int:
    inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return isinstance(item, list | dict) + max(map(depth, inner), default=0)


def reference(data: bytes) -> Any:
    """What cbor2 makes of one item; ValueError unless it is strictly of the subset."""
    stream = io.BytesIO(data)
    try:
        item = cbor2.CBORDecoder(stream, tag_hook=refuse_tag).decode()
    except Exception as problem:  # its tag decoders raise errors of every kind
        raise ValueError from problem
    if stream.read(1) or not in_subset(item) or depth(item) > cbor.MAX_DEPTH:
        raise ValueError
    if cbor2.dumps(item) != data:  # not the shortest form, indefinite, a key twice
        raise ValueError
    return item


def refuse_tag(*_: Any) -> Any:
    raise ValueError


def in_subset(item: Any) -> bool:
    if isinstance(item, list):
        return all(map(in_subset, item))
    if isinstance(item, dict):
        keys = list(item)
        return all(type(key) is int and key >= 0 for key in keys) and (
            keys == sorted(keys) and all(map(in_subset, item.values()))
        )
    if type(item) is int:
        return -U64 - 1 <= item <= U64
    return type(item) in (bytes, str)


def agree(data: bytes) -> None:
    try:
        expected = reference(data)
    except ValueError:
        with pytest.raises(MalformedBatch) as refusal:
            cbor.decode(data)
        assert refusal.value.code.startswith("cbor-")
        return
    assert cbor.decode(data) == expected


@given(ITEMS)
def test_what_cbor2_encodes_is_decoded(item: Any) -> None:
    data = cbor2.dumps(item)
    if depth(item) > cbor.MAX_DEPTH:
        assert code_of(cbor.decode, data) == "cbor-depth"
    else:
        assert cbor.decode(data) == item


@settings(max_examples=400)
@given(st.binary(max_size=40))
@example(bytes.fromhex("c249010000000000000000"))  # a bignum is an integer to cbor2
@example(bytes.fromhex("9f01ff"))
@example(bytes.fromhex("a2000100"))
def test_random_bytes(data: bytes) -> None:
    agree(data)


@given(ITEMS, st.data())
def test_mutated_items(item: Any, data: st.DataObject) -> None:
    encoded = bytearray(cbor2.dumps(item))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(encoded) - 1))
        encoded[at] = data.draw(st.integers(0, 255))
    agree(bytes(encoded))


@pytest.mark.parametrize("test", VALID[::9], ids=lambda test: test["id"])
def test_payload_cut_anywhere(test: dict[str, Any]) -> None:
    payload = bytes.fromhex(test["payload_hex"])[:2000]
    whole = len(payload) == len(test["payload_hex"]) // 2
    for length in range(len(payload) - whole):
        assert code_of(cbor.decode, payload[:length]) == "cbor-truncated"


def bombs() -> dict[str, bytes]:
    return {
        "array of 2^64 - 1 items": b"\x9b" + b"\xff" * 8,
        "map of 2^64 - 1 pairs": b"\xbb" + b"\xff" * 8,
        "bytes of 2^63": b"\x5b\x80" + b"\x00" * 7,
        "text of 4 GiB": b"\x7a\xff\xff\xff\xff",
        "arrays in arrays": b"\x9b\x00\x00\x00\x01\x00\x00\x00\x00" * 7000,
        "65,000 empty arrays": b"\x99\xfd\xe8" + b"\x80" * 65_000,
        "65,000 numbers": b"\x99\xfd\xe8" + b"\x00" * 65_000,
    }


@pytest.mark.parametrize("name", bombs())
def test_bombs_take_no_more_than_their_own_size(name: str) -> None:
    data = bombs()[name]
    tracemalloc.start()
    try:
        code = code_of(cbor.decode, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert code in (None, "cbor-truncated", "cbor-depth")
    assert peak < 100 * len(data) + 100_000


@pytest.mark.long
def test_random_bytes_at_length() -> None:
    source = random.Random(8949)
    for _ in range(500_000):
        agree(source.randbytes(source.randrange(1, 60)))
