"""Evidence packs: one form; every change refused; the same report, byte for byte, from it."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from meterseal.errors import Error, TrustError, VerificationError
from meterseal.mrv.evidence import write_evidence
from meterseal.mrv.exact import pretty
from meterseal.mrv.methodology import parse
from meterseal.mrv.pack import Pack
from meterseal.mrv.recompute import recompute
from meterseal.mrv.run import run
from meterseal.report.document import build as build_document

from tests.fleet.reporting import anchors_of, request_of
from tests.fleet.world import PROFILES, Fleet, Plan, build

STRIDE = 97


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Fleet]:
    """A small pack: one station, one meter profile, two days of hours."""
    folder = tmp_path_factory.mktemp("pack")
    plan = Plan("pack", stations=1, read_interval_s=3600, batch_readings=24, vehicles=2)
    plan.last = plan.first.replace(day=2)
    fleet, _ = build(plan, folder)
    profile = (PROFILES / "eastron-sdm120.json").read_bytes()
    outcome = run(replace(request_of(folder, fleet), profiles=(profile,)))
    pack = folder / "out.zip"
    write_evidence(pack, outcome, pretty(build_document(outcome)))
    return pack, fleet


def refused(pack: Path, data: bytes, fleet: Fleet) -> str:
    """Code with which a changed pack is refused."""
    pack.write_bytes(data)
    with pytest.raises(Error) as refusal:
        recompute(pack, build_document, *anchors_of(fleet))
    return refusal.value.code


def rebuilt(path: Path, change: dict[str, bytes], extra: dict[str, bytes] | None = None) -> bytes:
    """A pack of right form around changed members: only what is in them can give it away."""
    from meterseal.mrv.pack import member, write_pack

    pack = Pack(path)
    facts = {k: v for k, v in pack.manifest.items() if k not in ("format", "version", "members")}
    members = {name: change.get(name, pack.read(name)) for name in pack.names()} | (extra or {})
    target = path.with_name("rebuilt.zip")
    write_pack(target, facts, [member(name, data) for name, data in members.items()])
    return target.read_bytes()


def test_recompute_gives_the_same_report(made: tuple[Path, Fleet]) -> None:
    pack, fleet = made
    found = recompute(pack, build_document, *anchors_of(fleet))
    assert found.anchored
    assert pretty(found.document) == Pack(pack).read("report.json")


def test_without_anchors_a_pack_is_unanchored(made: tuple[Path, Fleet]) -> None:
    pack, fleet = made
    operator, second = anchors_of(fleet)
    assert not recompute(pack, build_document).anchored
    assert not recompute(pack, build_document, operator).anchored
    assert not recompute(pack, build_document, (), second).anchored


def test_other_keys_are_refused(made: tuple[Path, Fleet]) -> None:
    pack, fleet = made
    operator, second = anchors_of(fleet)
    with pytest.raises(TrustError) as refusal:
        recompute(pack, build_document, ("ab" * 32,), second)
    assert refusal.value.code == "trust-anchor"
    with pytest.raises(VerificationError) as other:
        recompute(pack, build_document, operator, ("cd" * 32,))
    assert other.value.code == "trust-second-role"


def change_bytes(made: tuple[Path, Fleet], tmp_path: Path, stride: int) -> int:
    """Changes every `stride`-th byte in turn; how many packs were refused."""
    pack, fleet = made
    data = bytearray(pack.read_bytes())
    target = tmp_path / "changed.zip"
    places = range(0, len(data), stride)
    for at in places:
        flip = 1 + at % 255
        data[at] ^= flip
        assert refused(target, bytes(data), fleet).startswith("pack-"), at
        data[at] ^= flip
    print(f"\n{len(places)} packs of {len(data)} bytes with one byte changed: all refused")
    return len(places)


def test_some_changed_bytes_are_refused(made: tuple[Path, Fleet], tmp_path: Path) -> None:
    assert change_bytes(made, tmp_path, STRIDE) > 100


@pytest.mark.long
def test_every_changed_byte_is_refused(made: tuple[Path, Fleet], tmp_path: Path) -> None:
    assert change_bytes(made, tmp_path, 1) == made[0].stat().st_size


def test_cut_and_extended_packs_are_refused(made: tuple[Path, Fleet], tmp_path: Path) -> None:
    pack, fleet = made
    data = pack.read_bytes()
    target = tmp_path / "other.zip"
    for length in (0, 1, 21, 22, len(data) // 2, len(data) - 22, len(data) - 1):
        assert refused(target, data[:length], fleet) == "pack-form"
    for more in (b"\0", b"PK", data):
        assert refused(target, data + more, fleet) == "pack-form"
        assert refused(target, more + data, fleet) == "pack-form"


def rezip(path: Path, target: Path, names: list[str], extra: dict[str, bytes]) -> bytes:
    """The members of a pack in another order, or with others."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in names:
            new.writestr(zipfile.ZipInfo(name), old.read(name))
        for name, data in extra.items():
            new.writestr(zipfile.ZipInfo(name), data)
    return target.read_bytes()


def test_other_members_are_refused(made: tuple[Path, Fleet], tmp_path: Path) -> None:
    pack, fleet = made
    names = zipfile.ZipFile(pack).namelist()
    target = tmp_path / "rezip.zip"
    cases = {
        "reordered": (["manifest.json", *reversed(names[1:])], {}, "pack-members"),
        "manifest last": ([*names[1:], names[0]], {}, "pack-manifest"),
        "extra": (names, {"extra.txt": b"x"}, "pack-members"),
        "missing": (names[:-1], {}, "pack-members"),
        "other attributes": (names, {}, "pack-form"),
    }
    for name, (order, extra, code) in cases.items():
        assert refused(tmp_path / "o.zip", rezip(pack, target, order, extra), fleet) == code, name


def test_changed_members_in_right_form_are_refused(
    made: tuple[Path, Fleet], tmp_path: Path
) -> None:
    pack, fleet = made
    whole = Pack(pack)
    (batches,) = [name for name in whole.names() if name.startswith("batches/")]
    raw = whole.read(batches)
    report = json.loads(whole.read("report.json"))
    report["totals"]["issued_t"] += 1
    flipped = raw[:-1] + bytes([raw[-1] ^ 1])
    activity = whole.read("activity.toml").replace(b'"0.60"', b'"0.10"')
    for change in (
        {"report.json": pretty(report)},
        {batches: flipped},
        {batches: raw[: len(raw) // 2]},
        {"activity.toml": activity},
    ):
        data = rebuilt(pack, change)
        assert refused(tmp_path / "c.zip", data, fleet) == "report-differs", list(change)


def test_an_extra_member_in_right_form_is_refused(
    made: tuple[Path, Fleet], tmp_path: Path
) -> None:
    pack, fleet = made
    data = rebuilt(pack, {}, {"notes.txt": b"hidden"})
    assert refused(tmp_path / "e.zip", data, fleet) == "pack-members"


HOSTILE = {
    "a list": b"[]\n",
    "a number": b"3\n",
    "no JSON": b"{",
    "members as text": {"members": ["a"]},
    "members as number": {"members": 7},
    "anchors as number": {"anchors": 5},
    "supersedes as list": {"supersedes": ["x"]},
    "no batches": {"batches": None},
    "no fetch": {"fetch": None},
    "no demo": {"demo": None},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_manifests_are_refused(
    name: str, made: tuple[Path, Fleet], tmp_path: Path
) -> None:
    pack, fleet = made
    change = HOSTILE[name]
    whole = Pack(pack)
    manifest = change if isinstance(change, bytes) else pretty(whole.manifest | change)
    target = tmp_path / "x.zip"
    with zipfile.ZipFile(target, "w") as file:
        file.writestr("manifest.json", manifest)
        for member in whole.names():
            file.writestr(member, whole.read(member))
    assert refused(target, target.read_bytes(), fleet).startswith("pack-")


HOSTILE_MEMBERS = {
    "book.json": (
        b'{"format": "meterseal-report-book", "version": 1, "entries": [5]}',
        "book-json",
    ),
    "trust.json": (b"[]", "trust"),
    "activity.toml": (b"\xff", ""),
    "inputs/samples.csv": (b"\xff", "input-csv"),
    "report.json": (b"\xff", "report-differs"),
}


@pytest.mark.parametrize("name", HOSTILE_MEMBERS)
def test_hostile_members_are_refused(name: str, made: tuple[Path, Fleet], tmp_path: Path) -> None:
    pack, fleet = made
    data, code = HOSTILE_MEMBERS[name]
    assert refused(tmp_path / "x.zip", rebuilt(pack, {name: data}), fleet).startswith(code)


def test_nothing_unfolds(made: tuple[Path, Fleet], tmp_path: Path) -> None:
    """A compressed member is refused before anything of it is read."""
    target = tmp_path / "bomb.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("manifest.json", pretty(Pack(made[0]).manifest))
        file.writestr("batches/x", bytes(10_000_000))
    with pytest.raises(VerificationError) as refusal:
        Pack(target)
    assert refusal.value.code == "pack-form" and "stored" in str(refusal.value)


def test_the_reports_before_are_those_that_a_verifier_knows(made: tuple[Path, Fleet]) -> None:
    pack, fleet = made
    with pytest.raises(VerificationError) as refusal:
        recompute(pack, build_document, *anchors_of(fleet), previous_head="ab" * 32)
    assert refusal.value.code == "book-head"


def test_the_methodology_is_in_the_pack_and_another_one_is_named(
    made: tuple[Path, Fleet], tmp_path: Path
) -> None:
    pack, fleet = made
    assert recompute(pack, build_document, *anchors_of(fleet)).methodology_shipped
    own = Pack(pack).read("methodology.toml") + b"# another edition\n"
    folder = pack.parent
    request = request_of(folder, fleet)
    activity = replace(request.activity, methodology=parse(own, "ams-iii-c"))
    outcome = run(replace(request, activity=activity))
    other = tmp_path / "other.zip"
    write_evidence(other, outcome, pretty(build_document(outcome)))
    assert not recompute(other, build_document, *anchors_of(fleet)).methodology_shipped
