"""Random profiles: only ProfileError comes out. Random words: decoded exactly as fractions say."""

import json
import math
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from agent import decode, profile
from agent.errors import ProfileError
from agent.modbus.client import Line
from agent.profile_plan import plan
from hypothesis import strategies as st
from support.fuzz import fuzz

PROFILES = Path(__file__).resolve().parent.parent.parent / "firmware" / "profiles"
SHIPPED = [json.loads(path.read_text()) for path in sorted(PROFILES.glob("*.json"))]
LINE = Line(9600)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(("f32", "s64", "ABCD", "kWh", "0x0048", "0xFFFF", "energy_import_wh")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("fn", "addr", "type", "order", "unit", "sf", "serial", "scale")),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def _paths(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a tree of objects and lists."""
    found = [path] if path else []
    children: list[tuple[Any, Any]] = []
    if isinstance(tree, dict):
        children = list(tree.items())
    elif isinstance(tree, list):
        children = list(enumerate(tree))
    for key, child in children:
        found += _paths(child, (*path, key))
    return found


@st.composite
def damaged_profiles(draw: Any) -> bytes:
    """A shipped profile in which one to three places were changed or removed."""
    tree = json.loads(json.dumps(draw(st.sampled_from(SHIPPED))))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(_paths(tree)))
        parent = tree
        for step in path[:-1]:
            parent = parent[step]
        if draw(st.booleans()) and isinstance(parent, dict):
            del parent[path[-1]]
        else:
            parent[path[-1]] = draw(json_values)
    return json.dumps(tree).encode()


def _load(data: bytes) -> None:
    """Load and plan, or ProfileError with a code; nothing else."""
    try:
        loaded = profile.load(data)
    except ProfileError as error:
        assert error.code.startswith("profile-")
        assert error.fields["where"]
        return
    reads = plan(loaded.columns, loaded.listed, loaded.bus, LINE)
    assert sorted(part[0] for read in reads for part in read.parts) == list(
        range(len(loaded.columns))
    )


def changed_profiles(data: bytes) -> None:
    _load(data)


def files_that_are_no_profile(data: bytes) -> None:
    _load(data)


def profiles_with_damaged_bytes(tree: dict[str, Any], position: int, junk: bytes) -> None:
    data = bytearray(json.dumps(tree).encode())
    position %= len(data)
    data[position : position + len(junk)] = junk
    _load(bytes(data))


def floats_are_rounded_once_from_the_exact_value(kind: str, raw: bytes, exp10: int) -> None:
    raw = raw[:4] if kind == "f32" else raw
    value = struct.unpack(">f" if kind == "f32" else ">d", raw)[0]
    found = decode.milli(raw, kind, 0, exp10)
    if not math.isfinite(value):
        assert found is None
    else:
        assert found == round(Fraction(value) * Fraction(10) ** exp10)


def integers(kind: str, order: int, raw: bytes, exp10: int) -> None:
    raw = raw[: 2 * decode.WORDS[kind]]
    words = [raw[i : i + 2] for i in range(0, len(raw), 2)]
    if order & 2:
        words = [word[::-1] for word in words]
    if order & 1:
        words.reverse()
    number = int.from_bytes(b"".join(words), "big", signed=kind[0] == "s")
    assert decode.milli(raw, kind, order, exp10) == round(Fraction(number) * Fraction(10) ** exp10)


CHECKS = {
    changed_profiles: (damaged_profiles(),),
    files_that_are_no_profile: (
        st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()),
    ),
    profiles_with_damaged_bytes: (
        st.sampled_from(SHIPPED),
        st.integers(0, 2**32),
        st.binary(min_size=1, max_size=3),
    ),
    floats_are_rounded_once_from_the_exact_value: (
        st.sampled_from(("f32", "f64")),
        st.binary(min_size=8, max_size=8),
        st.integers(-12, 12),
    ),
    integers: (
        st.sampled_from(("u16", "s16", "u32", "s32", "u64", "s64", "acc32", "acc64")),
        st.integers(0, 3),
        st.binary(min_size=8, max_size=8),
        st.integers(-12, 12),
    ),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_few_examples(check: Callable[..., None]) -> None:
    fuzz(check, CHECKS[check], 60)


@pytest.mark.long
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_many_examples(check: Callable[..., None]) -> None:
    fuzz(check, CHECKS[check], 5_000)
