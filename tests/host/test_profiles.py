"""The shipped profiles: found by id, complete with dumps and sources, shown in the README's
table.
"""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.meters import PROFILES, PROFILES_DIR, ROOT
from meterseal.errors import ProfileError
from meterseal.models import Meter, Registers
from meterseal.profiles import Profile, find, load
from meterseal.profiles.line import line_conflicts
from meterseal.profiles.sunspec import END_MODEL, SUNS, Block, discover, locate, placed, relocated
from meterseal.profiles.table import (
    BEGIN,
    DUMP_CLASSES,
    END,
    bench_text,
    dump_class,
    line_text,
    markdown,
    replaced,
    steps_of_a_charge,
)
from meterseal.serials import serial_of
from meterseal.verify.totals import ProfileTotals
from pymodbus.framer import FramerRTU

DUMPS = ROOT / "tests" / "profiles"
EVERY = pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda p: p.id)


def dumps_of(name: str) -> list[dict]:
    return json.loads((DUMPS / f"{name}.json").read_text("utf-8"))["dumps"]


def test_at_least_24_meters_are_shipped_and_each_is_named_after_its_file() -> None:
    assert len(PROFILES) >= 24
    assert all(profile.id == name for name, profile in PROFILES.items())


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("sdm120", "eastron-sdm120"), ("abb-b32", "abb-b23"), ("iem3155", "iem3155")],
)
def test_an_unknown_id_names_the_nearest(wrong: str, meant: str) -> None:
    with pytest.raises(ProfileError) as caught:
        find(PROFILES_DIR, wrong)
    assert caught.value.code == "profile-unknown"
    assert wrong in caught.value.text and meant in caught.value.text


def test_an_id_like_no_other_names_none() -> None:
    with pytest.raises(ProfileError) as caught:
        find(PROFILES_DIR, "zzzzzz")
    assert "mean" not in caught.value.text


def test_a_file_may_be_named_instead(tmp_path: Path) -> None:
    copy = tmp_path / "eastron-sdm120.json"
    copy.write_bytes((PROFILES_DIR / copy.name).read_bytes())
    assert find(PROFILES_DIR, str(copy)) == load(copy) == PROFILES["eastron-sdm120"]


@EVERY
def test_every_register_has_a_source_with_title_and_place(profile: Profile) -> None:
    known = {source.id: source for source in profile.sources}
    for register in profile.all_registers():
        assert register.sources, register.name
        assert all(name in known for name in register.sources), register.name
    for source in known.values():
        assert source.title and source.url.startswith("https://"), source


@EVERY
def test_nobody_claims_a_bench_that_did_not_happen(profile: Profile) -> None:
    assert profile.bench == () and bench_text(profile) == "nobody yet"


@EVERY
def test_every_dump_has_a_class_and_a_source(profile: Profile) -> None:
    dumps = dumps_of(profile.id)
    assert dumps and dump_class(DUMPS, profile) in DUMP_CLASSES
    assert all(dump["class"] in DUMP_CLASSES and dump["source"] for dump in dumps)


def test_identity_set_up_and_resettable_registers_are_where_others_found_them() -> None:
    """Facts from elsewhere; a register that no row names rests on its profile's own sources."""
    rows = list(csv.DictReader((DUMPS / "identity.csv").open(encoding="utf-8")))
    assert len(rows) >= 10 and all(row["source"] for row in rows)
    for row in rows:
        register = getattr(PROFILES[row["profile"]], row["section"])[row["name"]]
        place = register.function, register.address, register.type
        assert place == (int(row["fc"]), int(row["addr_hex"], 16), row["type"]), row


def test_captured_frames_are_whole_and_hold_the_words_of_their_dump() -> None:
    frames = [dump for name in PROFILES for dump in dumps_of(name) if "frame" in dump]
    assert len(frames) >= 2
    for dump in frames:
        frame = bytes.fromhex(dump["frame"])
        assert FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big"))
        words = "".join(word for run in dump["registers"] for word in run["words"])
        assert frame[3:-2].hex() == words.lower()


def test_dumps_are_what_the_generator_makes_of_the_table() -> None:
    subprocess.run([sys.executable, DUMPS / "generate.py", "--check"], check=True)


def test_every_register_is_a_row_of_the_table_of_facts() -> None:
    """One register has no word order, whatever a profile or the table says of it."""
    rows = list(csv.DictReader((DUMPS / "meters.csv").open(encoding="utf-8")))
    order = {"LSW-first": "CDAB", "AB": "ABCD"}
    places = {
        (row["fc"], int(row["addr_dec"]), row["type"], order.get(row["order"], row["order"]))
        for row in rows
    }
    for profile in PROFILES.values():
        for register in profile.registers.values():
            kind, words = register.type, "ABCD" if register.count == 1 else register.order
            place = str(register.function), register.address, kind, words
            assert place in places, f"{profile.id}: {register.name}"


def test_table_for_the_readme() -> None:
    text = markdown(PROFILES, DUMPS)
    lines = text.splitlines()
    assert lines[0] == BEGIN and lines[-1] == END and len(lines) == len(PROFILES) + 4
    assert len({line.count("|") for line in lines[1:-1]}) == 1
    assert "| captured | nobody yet |" in next(line for line in lines if "hiking" in line)
    assert "15 steps a charge" in next(line for line in lines if "em340" in line)
    assert markdown(PROFILES, None).count("| none |") == len(PROFILES)


def test_table_goes_between_the_markers_and_leaves_the_rest() -> None:
    before = f"# Title\n\n{BEGIN}\nold\n{END}\n\nEnd.\n"
    assert replaced(before, f"{BEGIN}\nnew\n{END}") == f"# Title\n\n{BEGIN}\nnew\n{END}\n\nEnd.\n"
    assert replaced("no markers", "new") is None
    assert replaced(f"{END} {BEGIN}", "new") is None


def test_line_text_says_what_is_only_general_knowledge() -> None:
    assert line_text(PROFILES["eastron-sdm120"]) == "2400 8N1, id 1"
    assert line_text(PROFILES["carlo-gavazzi-em340"]) == "9600 8N1, id 1 ?"
    assert line_text(PROFILES["carlo-gavazzi-em24-e1"]) == "TCP"
    assert line_text(PROFILES["bauer-bsm-ws36a"]) == "19200 8E1, id 42"


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("carlo-gavazzi-em340", 15),
        ("abb-b23", 150),
        ("eastron-sdm120", None),
        ("sunspec-203", None),
    ],
)
def test_steps_of_one_charge(name: str, steps: int | None) -> None:
    assert steps_of_a_charge(PROFILES[name].total) == steps


def test_lines_that_cannot_be_shared() -> None:
    def codes(*meters: tuple[str, int]) -> list[str]:
        found = line_conflicts([(PROFILES[name], unit) for name, unit in meters])
        return [conflict.code for conflict in found]

    assert codes(("eastron-sdm630", 1), ("carlo-gavazzi-em340", 2)) == []
    assert codes(("eastron-sdm630", 1), ("carlo-gavazzi-em340", 1)) == ["unit-id-shared"]
    assert codes(("eastron-sdm630", 1), ("eastron-sdm120", 2)) == ["speeds-mixed"]
    assert codes(("eastron-sdm630", 1), ("abb-ev3", 2)) == ["parities-mixed"]
    assert codes(("eastron-sdm630", 1), ("carlo-gavazzi-em24-e1", 1)) == []


def sunspec_memory(base: int, *blocks: tuple[int, int]) -> Callable[[int, int], list[int] | None]:
    """Words of a chain of (model, length) blocks at `base`; nothing elsewhere."""
    words = list(SUNS)
    for model, length in blocks:
        words += [model, length] + [0] * length
    words += [END_MODEL, 0]

    def read(address: int, count: int) -> list[int] | None:
        start = address - base
        return words[start : start + count] if 0 <= start <= len(words) - count else None

    return read


def test_sunspec_chain_is_walked_from_each_base() -> None:
    read = sunspec_memory(50000, (1, 65), (203, 105))
    blocks = [Block(1, 50002, 65), Block(203, 50069, 105)]
    assert discover(read, (40000, 0, 50000)) == (50000, blocks)
    assert discover(read, (40000, 0)) is None


def test_sunspec_chain_without_end_is_left_in_time() -> None:
    words = {40000: SUNS}
    found = discover(lambda address, count: words.get(address, [7, 0]), (40000,))
    assert found is not None and len(found[1]) == 64


@pytest.mark.parametrize("name", ["sunspec-203", "sunspec-213", "bauer-bsm-ws36a"])
@pytest.mark.parametrize(("base", "at"), [(40000, 40069), (0, 70), (50000, 50199), (0, 40070)])
def test_sunspec_registers_are_found_where_they_were_sealed(name: str, base: int, at: int) -> None:
    profile = PROFILES[name]
    moved = relocated(profile, base, at)
    model = profile.sunspec.model.to_bytes(2, "big")
    blocks = [
        Registers(3, one.address, model if one.address == at else b"A1" + bytes(30))
        for one in moved.identity.values()
    ]
    sealed = Meter(name, profile.hash_16, 1, tuple(blocks), ())
    assert placed(profile, sealed.identity) == moved
    assert serial_of(sealed, profile) == "A1"
    factors = [Registers(3, one.address, b"\x00\x02") for one in moved.setup.values()]
    total = ProfileTotals({profile.hash_16: profile}).of(sealed._replace(setup=tuple(factors)))
    assert total is not None and total.place[1] == moved.total.address
    assert placed(profile, ()) == profile


def test_sunspec_profile_moves_with_its_block() -> None:
    profile = PROFILES["sunspec-203"]
    old = profile.sunspec
    moved = locate(profile, sunspec_memory(50000, (1, 65), (64001, 10), (203, 105)))
    assert moved is not None and moved.sunspec.at == 50000 + 2 + 67 + 12
    assert moved.total.address - moved.sunspec.at == profile.total.address - old.at
    common = next(r.address for r in profile.identity.values() if r.address < old.at)
    assert common - old.bases[0] in {r.address - 50000 for r in moved.identity.values()}
    assert relocated(profile, old.bases[0], old.at) == profile


def test_sunspec_meter_without_the_model_is_not_found() -> None:
    assert locate(PROFILES["sunspec-203"], sunspec_memory(40000, (1, 65), (213, 124))) is None
    assert locate(PROFILES["sunspec-203"], lambda address, count: None) is None


def test_only_sunspec_profiles_are_located() -> None:
    with pytest.raises(ProfileError, match="profile-not-sunspec"):
        locate(PROFILES["abb-b23"], lambda address, count: None)


def test_the_readme_shows_this_table() -> None:
    """If not: `meterseal profiles table --write README.md`."""
    readme = (ROOT / "README.md").read_text("utf-8")
    assert replaced(readme, markdown(PROFILES, DUMPS)) == readme
