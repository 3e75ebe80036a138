"""The decoder against the vectors: every valid one understood, every invalid one named."""

from typing import Any

import pytest
from meterseal.errors import VerificationError
from meterseal.models import Group, VerifiedBatch
from meterseal.wire import cbor, records
from meterseal.wire.columns import unpack
from meterseal.wire.shape import check_field, sint, uint
from support import literal
from support.host import BATCHES, INVALID, VALID, code_of, make_verifier, raw, vectors


def ids(tests: list[dict[str, Any]]) -> list[str]:
    return [test["id"] for test in tests]


@pytest.mark.parametrize("test", VALID, ids=ids(VALID))
def test_valid_batch_is_understood(test: dict[str, Any]) -> None:
    batch = make_verifier(test["key"]).verify(raw(test))
    assert batch.hash.hex() == test["hash_hex"]
    assert readings_of(batch) == literal.readings(bytes.fromhex(test["payload_hex"]))
    if test["input"] is not None:
        check_against_input(batch, test["input"])


def check_against_input(batch: VerifiedBatch, given: dict[str, Any]) -> None:
    contents = batch.contents
    assert contents.chain.hex() == given["chain_hex"]
    assert contents.number == given["number"]
    assert (contents.previous or b"").hex() == (given["previous_hex"] or "")
    assert contents.first_sequence == given["first_sequence"]
    assert contents.sealed_mono_ms == given["sealed_mono_ms"]
    assert [list(anchor) for anchor in contents.anchors] == given["anchors"]
    assert len(contents.events) == len(given["events"])
    assert len(contents.lost) == len(given["lost"])
    assert {str(key) for key in contents.health} == set(given["health"])
    words = {sequence: value[5] for sequence, value in readings_of(batch, words=True).items()}
    assert words == expected_words(given)


def readings_of(batch: VerifiedBatch, words: bool = False) -> dict[int, Any]:
    """Sequence -> boot, time, unit, status, flags, value (or words) by register."""
    found: dict[int, Any] = {}
    for group in batch.groups:
        values = by_row(group, words)
        unit = batch.meters[group.meter].unit
        for row, sequence in enumerate(group.sequence.tolist()):
            time, status, flags = group.t_100ms[row], group.status[row], group.flags[row]
            found[sequence] = (group.boot, time, unit, status, flags, values.get(row, {}))
    return found


def by_row(group: Group, words: bool) -> dict[int, dict[tuple[int, ...], Any]]:
    values: dict[int, dict[tuple[int, ...], Any]] = {}
    for column in group.columns:
        rows = range(len(column.values)) if column.rows is None else column.rows.tolist()
        cells = column.words() if words else column.values.tolist()
        for row, cell in zip(rows, cells, strict=True):
            values.setdefault(row, {})[column.register] = cell
    return values


def expected_words(given: dict[str, Any]) -> dict[int, Any]:
    """Sequence -> words by register, out of what the device was given."""
    found = {}
    for reading in given["readings"]:
        meter = given["contexts"][reading["context"]]["meters"][reading["meter"]]
        words, at = bytes.fromhex(reading["words_hex"]), 0
        values = found[reading["sequence"]] = {}
        for index, column in enumerate(meter["columns"]):
            length = 2 * column[2]
            if reading["present"] >> index & 1:
                values[tuple(column)] = words[at : at + length]
            at += length
    return found


@pytest.mark.parametrize("test", INVALID, ids=ids(INVALID))
def test_invalid_batch_is_refused_by_name(test: dict[str, Any]) -> None:
    verifier = make_verifier(test["key"])
    assert code_of(verifier.verify, raw(test)) == test["error"]
    (verdict,) = verifier.verify_each([raw(test)])
    assert verdict.batch is None
    assert verdict.refusal is not None and verdict.refusal.code == test["error"]


def test_invalid_batches_do_not_disturb_those_beside_them() -> None:
    verifier = make_verifier(*(key["id"] for key in BATCHES["keys"]))
    tests = [test for pair in zip(INVALID, VALID * 9, strict=False) for test in pair]
    tests = [test for test in tests if test["error"] != "key-unknown"]
    verdicts = list(verifier.verify_each(raw(test) for test in tests))
    assert len(verdicts) == len(tests)
    for test, verdict in zip(tests, verdicts, strict=True):
        assert (verdict.refusal.code if verdict.refusal else None) == test["error"], test["id"]


CBOR = vectors("cbor_v1")["tests"]


@pytest.mark.parametrize("test", CBOR, ids=ids(CBOR))
def test_single_items(test: dict[str, Any]) -> None:
    data = bytes.fromhex(test["bytes_hex"])
    if test["result"] == "valid":
        assert cbor.decode(data) == value_of(test["value"])
    else:
        assert code_of(cbor.decode, data) == test["error"]


def value_of(node: Any) -> Any:
    """The notation of CBOR in JSON (tests/vectors/README.md)."""
    if isinstance(node, list):
        return [value_of(item) for item in node]
    if isinstance(node, dict):
        if list(node) == ["hex"]:
            return bytes.fromhex(node["hex"])
        return {int(key): value_of(value) for key, value in node.items()}
    return node


COLUMNS = vectors("columns_v1")["tests"]


@pytest.mark.parametrize("test", COLUMNS, ids=ids(COLUMNS))
def test_packed_integers(test: dict[str, Any]) -> None:
    first, base, width, packed_hex, patches = test["encoded"]

    def decode() -> list[int]:
        for value, field in (
            (first, uint("first")),
            (base, sint("base")),
            (width, uint("width", 0, 64)),
        ):
            check_field(value, field)
        records.check_uints(patches, "patches")
        packed = bytes.fromhex(packed_hex)
        n = test["count"]
        series = [(test["bits"], n, first, base, width, packed, patches)]
        found: list[int] = unpack(series, n)[0].tolist()
        return found

    if test["result"] == "valid":
        assert decode() == test["values"]
    else:
        with pytest.raises(VerificationError) as refusal:
            decode()
        assert refusal.value.code == test["error"]
