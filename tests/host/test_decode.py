"""The host's decoder: every type and order against exact values, and every register dump."""

import json
import math
import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meterseal.decode import (
    decode,
    identity_text,
    round_half_even,
    scale_factor_of,
    signed_value,
    words_of,
)
from meterseal.errors import ProfileError
from meterseal.profiles import Register, load

ROOT = Path(__file__).resolve().parent.parent.parent
PROFILES = sorted((ROOT / "firmware" / "profiles").glob("*.json"))
DUMPS = ROOT / "tests" / "profiles"


def register(kind: str, count: int, **changes: object) -> Register:
    """A register in W, high word first."""
    plain = Register(
        section="registers",
        name="power_w",
        function=3,
        address=0,
        type=kind,
        count=count,
        order="ABCD",
        unit="W",
        exp10=0,
        sf=None,
        resolution=None,
        total=False,
        not_available=(),
        expect=(),
        sources=("x",),
        confidence="single",
        note=None,
    )
    return replace(plain, **changes)


def cases() -> list[object]:
    """Every dump of every profile."""
    found = []
    for path in PROFILES:
        dumps = json.loads((DUMPS / path.name).read_text("utf-8"))["dumps"]
        found += [pytest.param(path, dump, id=f"{path.stem}-{dump['name']}") for dump in dumps]
    return found


@pytest.mark.parametrize(("path", "dump"), cases())
def test_every_dump_decodes_to_its_expected_integers(path: Path, dump: dict) -> None:
    profile, memory = load(path), {}
    for run in dump["registers"]:
        for offset, word in enumerate(run["words"]):
            memory[run["fn"], int(run["addr"], 16) + offset] = int(word, 16)
    decoded = {}
    for quantity in dump["expected"]:
        r = profile.registers[quantity]
        words = [memory[r.function, address] for address in range(r.address, r.end)]
        decoded[quantity] = decode(r, words, dump.get("scale_factors", {}).get(r.sf))
    assert decoded == dump["expected"]


@pytest.mark.parametrize(
    ("kind", "data", "milli"),
    [
        ("u16", "FFFF", 65_535_000),
        ("s16", "FFFF", -1_000),
        ("u32", "80000000", 2_147_483_648_000),
        ("s32", "80000000", -2_147_483_648_000),
        ("u64", "FFFFFFFFFFFFFFFF", (2**64 - 1) * 1000),
        ("s64", "FFFFFFFFFFFFFFFE", -2_000),
        ("acc32", "FFFFFFFF", (2**32 - 1) * 1000),
        ("acc64", "8000000000000000", 2**63 * 1000),
        ("f32", "3F800000", 1_000),
        ("f32", "80000000", 0),
        ("f32", "00000001", 0),
        ("f32", "C2F6E979", -123_456),
        ("f32", "7F7FFFFF", (2**24 - 1) * 2**104 * 1000),
        ("f64", "3FF0000000000000", 1_000),
        ("f64", "C05EDD2F1A9FBE77", -123_456),
    ],
)
def test_types(kind: str, data: str, milli: int) -> None:
    words = words_of(bytes.fromhex(data))
    assert decode(register(kind, len(words)), words) == milli


@pytest.mark.parametrize(
    ("order", "data"),
    [("ABCD", "11223344"), ("CDAB", "33441122"), ("BADC", "22114433"), ("DCBA", "44332211")],
)
def test_orders_of_32_bits(order: str, data: str) -> None:
    words = words_of(bytes.fromhex(data))
    assert decode(register("u32", 2, order=order), words) == 0x11223344 * 1000


def test_low_word_first_reverses_all_four_words_of_64_bits() -> None:
    words = words_of(bytes.fromhex("7788556633441122"))
    assert decode(register("u64", 4, order="CDAB"), words) == 0x1122334455667788 * 1000


@pytest.mark.parametrize("data", ["7FC00000", "FFFFFFFF", "7F800000", "FF800000"])
def test_nan_and_infinity_are_no_value(data: str) -> None:
    assert decode(register("f32", 2), words_of(bytes.fromhex(data))) is None


def test_a_marker_is_compared_after_undoing_the_order() -> None:
    marked = register("s32", 2, order="CDAB", not_available=(0x7FFFFFFF,))
    assert decode(marked, [0xFFFF, 0x7FFF]) is None
    assert decode(marked, [0x7FFF, 0xFFFF]) is not None


def test_ties_go_to_even() -> None:
    fine = register("u16", 1, exp10=-4)
    assert [decode(fine, [n]) for n in (5, 15, 25, 6, 4)] == [0, 2, 2, 1, 0]
    assert [round_half_even(Fraction(n, 2)) for n in (-3, -1, 1, 3, 5)] == [-2, 0, 0, 2, 2]


def test_scale_factor_of_a_real_snapshot() -> None:
    """chargeITmobility/bsm-python, doc/examples/snapshots.md: TotWhImp 00002710, factor 0001,
    100000.0 Wh.
    """
    total = register("acc32", 2, name="energy_import_wh", unit="Wh", sf="energy_sf")
    assert decode(total, [0x0000, 0x2710], scale_factor_of([0x0001])) == 100_000_000


def test_scale_factor_refusals() -> None:
    scaled = register("s16", 1, sf="power_sf")
    for words in ([0x8000], [11], [0xFFF5]):
        with pytest.raises(ProfileError) as refused:
            scale_factor_of(words)
        assert refused.value.code == "decode-scale-factor"
    with pytest.raises(ProfileError) as missing:
        decode(scaled, [1])
    assert missing.value.code == "decode-scale-factor"


def test_wrong_length_and_unit_are_refused() -> None:
    with pytest.raises(ProfileError) as length:
        decode(register("u32", 2), [1])
    assert length.value.code == "decode-length"
    with pytest.raises(ProfileError) as unit:
        decode(register("u32", 2, unit=None), [1, 2])
    assert unit.value.code == "decode-unit"


def test_identity_as_on_the_plate() -> None:
    text = register("str", 4, unit=None)
    assert identity_text(text, words_of(b"EM340\0\0 ")) == "EM340"
    assert identity_text(register("raw", 2, unit=None), [1, 0xAB]) == "0001 00AB"
    assert identity_text(register("u32", 2, unit=None), [0x0133, 0x70AB]) == "20148395"
    assert signed_value(register("f32", 2, unit=None), [0x4040, 0]) == 3


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float32_is_exact(value: float) -> None:
    words = words_of(struct.pack(">f", value))
    assert decode(register("f32", 2), words) == round(Fraction(value) * 1000)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-9, 9))
def test_float64_is_exact(value: float, exp10: int) -> None:
    words = words_of(struct.pack(">d", value))
    exact = Fraction(value) * Fraction(10) ** (3 + exp10)
    assert decode(register("f64", 4, exp10=exp10), words) == round(exact)


@given(st.integers(0, 2**32 - 1))
def test_any_32_bits_decode_or_are_no_value(raw: int) -> None:
    words = [raw >> 16, raw & 0xFFFF]
    value = decode(register("f32", 2), words)
    expected = struct.unpack(">f", raw.to_bytes(4, "big"))[0]
    assert (value is None) == (not math.isfinite(expected))
