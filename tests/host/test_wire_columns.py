"""Column decoding against the literal reading of WIRE_FORMAT 4.3, on what the device encodes."""

from typing import Any

import numpy as np
import pytest
from agent.columns import encode_integers
from hypothesis import given, settings
from hypothesis import strategies as st
from meterseal.errors import MalformedBatch
from meterseal.models import Column, undo_order
from meterseal.wire.columns import unpack
from support import literal

BITS = st.sampled_from((16, 32, 48, 64))


@st.composite
def value_lists(draw: st.DrawFn) -> tuple[int, list[int]]:
    """Values like those of meters: noise, counters, jumps, wraps."""
    bits = draw(BITS)
    step = draw(st.sampled_from((1, 5, 300, 70_000, 2**30, 2**bits - 1)))
    value = draw(st.integers(0, 2**bits - 1))
    steps = draw(st.lists(st.integers(-step, step), max_size=70))
    jumps = draw(st.dictionaries(st.integers(0, 69), st.integers(0, 2**bits - 1), max_size=4))
    values = [value]
    for index, one in enumerate(steps):
        values.append(jumps.get(index, values[-1] + one) % 2**bits)
    return bits, values


@settings(max_examples=200)
@given(value_lists())
def test_what_the_device_encodes_is_decoded(given_values: tuple[int, list[int]]) -> None:
    bits, values = given_values
    encoded = [*encode_integers(values, bits)]
    encoded[4] = list(encoded[4])
    assert literal.values(bits, len(values), encoded) == values
    series = (bits, len(values), *encoded)
    assert unpack([series], len(values))[0].tolist() == values  # type: ignore[list-item]


@settings(max_examples=60)
@given(st.lists(value_lists(), min_size=1, max_size=12), st.integers(0, 5))
def test_many_columns_at_once(columns: list[tuple[int, list[int]]], more: int) -> None:
    """Columns with absent values are shorter than the group."""
    series: list[Any] = []
    for bits, values in columns:
        encoded = list(encode_integers(values, bits))
        series.append((bits, len(values), *encoded[:4], list(encoded[4])))
    n = max(len(values) for _, values in columns) + more
    found = unpack(series, n)
    for row, (_, values) in zip(found, columns, strict=True):
        assert row[: len(values)].tolist() == values


@settings(max_examples=200)
@given(BITS, st.integers(1, 40), st.data())
def test_every_width(bits: int, m: int, data: st.DataObject) -> None:
    """Also encodings that no device chooses: any width, any residuals."""
    width = data.draw(st.integers(0, bits)) if m > 1 else 0
    residuals = data.draw(st.lists(st.integers(0, 2**width - 1), min_size=m - 1, max_size=m - 1))
    text = "".join(f"{one:0{width}b}" for one in residuals) if width else ""
    text += "0" * (-len(text) % 8)
    packed = int(text or "0", 2).to_bytes(len(text) // 8, "big")
    first = data.draw(st.integers(0, 2**bits - 1))
    base = data.draw(st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)) if m > 1 else 0
    series = (bits, m, first, base, width, packed, [])
    expected = literal.values(bits, m, [first, base, width, packed, []])
    assert unpack([series], m)[0].tolist() == expected


def test_blocks_of_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meterseal.wire.columns._MAX_ROWS", 3)
    values = [[7 * row + index * index for index in range(9)] for row in range(8)]
    series: list[Any] = [(32, 9, *map(_listed, encode_integers(one, 32))) for one in values]
    found = unpack(series, 9)
    assert found.tolist() == values
    assert not found.flags.writeable


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value


def test_verified_numbers_cannot_be_changed() -> None:
    values = unpack([(32, 3, 5, 1, 0, b"", [])], 3)
    with pytest.raises(ValueError, match="read-only"):
        values[0, 0] = 6


@pytest.mark.parametrize("width", [57, 58, 63, 64])
def test_residuals_wider_than_a_window(width: int) -> None:
    """At every bit offset: a neighbour of odd width in front moves it."""
    for shift in range(8):
        residuals = [2**width - 1 - index for index in range(5)]
        text = "".join(f"{one:0{width}b}" for one in residuals)
        text += "0" * (-len(text) % 8)
        packed = int(text, 2).to_bytes(len(text) // 8, "big")
        series: list[Any] = [(64, shift + 2, 0, 0, 1, b"\x00" * ((shift + 8) // 8), [])]
        series.append((64, 6, 3, -1, width, packed, []))
        expected = literal.values(64, 6, [3, -1, width, packed, []])
        assert unpack(series, 10)[1][:6].tolist() == expected


@given(st.integers(1, 4), st.integers(0, 3), st.data())
def test_words_as_the_meter_sent_them(count: int, order: int, data: st.DataObject) -> None:
    words = data.draw(st.binary(min_size=2 * count, max_size=2 * count))
    pairs = [words[at : at + 2] for at in range(0, len(words), 2)]
    if order & 1:
        pairs.reverse()
    value = int.from_bytes(b"".join(p[::-1] if order & 2 else p for p in pairs), "big")
    assert undo_order(value, count, order) == words
    column = Column(4, 0, count, order, np.array([value], np.uint64), None)
    assert column.words() == [words]


def test_refusal_names_the_defect() -> None:
    with pytest.raises(MalformedBatch, match="expected 8 packed bytes, found 7"):
        unpack([(32, 9, 0, 0, 8, b"\x00" * 7, [])], 9)
