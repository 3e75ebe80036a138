"""Manifests and rings on the host; the device reads what the host writes, and refuses the rest."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pycddl
import pytest
from agent.certificate import not_after_unix_s
from agent.errors import UpdateError as DeviceRefusal
from agent.update_install import Installer
from agent.update_manifest import open_manifest
from agent.update_owners import Owners
from agent.update_slots import CODE, Slots
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from fakes.board import Store
from meterseal import pki
from meterseal.errors import UpdateError
from meterseal.resources import firmware_dir
from meterseal.trust_keys import public_bytes
from meterseal.update.build import build_code, build_owners, build_settings
from meterseal.update.manifest import FileEntry, Kind, Manifest, read_manifest
from meterseal.update.rings import (
    KEPT,
    OFFERED,
    REFUSED,
    SILENT,
    WENT_BACK,
    Plan,
    check_ring,
    members,
    progress,
)
from meterseal.update.shelf import SIGNED, Shelf

OWNER = ec.derive_private_key(7, ec.SECP256R1())
DEVICES = [f"{i:016x}" for i in range(20)]


def owners() -> Owners:
    return Owners(Store(), [public_bytes(OWNER).hex()])


def some(count: int, seed: int = 1) -> Manifest:
    source = random.Random(seed)
    files = tuple(
        FileEntry(
            f"agent/{source.choice('abc') * (i % 40 + 1)}{i}.mpy", i * 977, source.randbytes(32)
        )
        for i in range(count)
    )
    boards = ("UNIX_SIM", "ESP32_GENERIC")[: 1 + seed % 2]
    return Manifest(Kind.CODE, boards, 1 << 24 + seed % 8, "9.9", files)


@pytest.mark.parametrize("count", [0, 1, 23, 24, 100])
def test_the_device_reads_what_the_host_wrote(count: int) -> None:
    manifest = some(count, count)
    found = open_manifest(manifest.sign(OWNER), owners())
    assert (found.kind, tuple(found.boards)) == (0, manifest.boards)
    assert (found.number, found.version) == (manifest.number, "9.9")
    assert [FileEntry(*entry) for entry in found.files()] == list(manifest.files)
    assert read_manifest(manifest.sign(OWNER), public_bytes(OWNER))[0] == manifest


@pytest.mark.parametrize("count", [0, 3, 100])
def test_a_manifest_is_what_the_cddl_says(count: int) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/updates.md").read_text()
    schema = pycddl.Schema(text.partition("```cddl\n")[2].partition("```")[0])
    schema.validate_cbor(some(count).payload())
    with pytest.raises(pycddl.ValidationError):
        schema.validate_cbor(some(count).payload().replace(b"\xa8\x00\x01", b"\xa8\x00\x02", 1))


def test_what_the_device_refuses_the_host_refuses_too() -> None:
    good = some(2).sign(OWNER)
    for at in range(len(good)):
        bad = good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :]
        with pytest.raises(UpdateError):
            read_manifest(bad, public_bytes(OWNER))
        with pytest.raises(DeviceRefusal):
            open_manifest(bad, owners())


def test_code_is_built_signed_published_and_served(tmp_path: Path) -> None:
    manifest = build_code(None, ["UNIX_SIM"], tmp_path / "u", compiled=False)
    assert {f.path for f in manifest.files} == {"code.pack", "agent/p256_table.bin"}
    shelf = Shelf(tmp_path / "shelf")
    with pytest.raises(UpdateError, match="signature"):
        shelf.publish(tmp_path / "u", Plan())
    (tmp_path / "u" / SIGNED).write_bytes(manifest.sign(OWNER))
    shelf.publish(tmp_path / "u", Plan())
    entry = manifest.files[0]
    whole = (tmp_path / "u/files" / entry.path).read_bytes()
    assert shelf.piece(entry.sha256.hex(), 3, 20) == whole[3:23]
    assert shelf.piece("00" * 32, 0, 1) is None
    with pytest.raises(UpdateError, match="above"):
        shelf.publish(tmp_path / "u", Plan())
    assert len(manifest.sign(OWNER)) < 16384


def test_the_format_of_the_journal_is_that_of_what_is_built(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(firmware_dir(), source, ignore=shutil.ignore_patterns("__pycache__"))
    ring = source / "agent/journal_ring.py"
    ring.write_text(ring.read_text().replace("LAYOUT = const(1)", "LAYOUT = const(2)"))
    manifest = build_code(source, ["UNIX_SIM"], tmp_path / "u", compiled=False)
    assert manifest.journal == 2
    opened = open_manifest(manifest.sign(OWNER), owners())
    installer = Installer("UNIX_SIM", str(tmp_path), Slots(Store(), CODE), 1, None, None)
    with pytest.raises(DeviceRefusal, match="going back would not be possible"):
        installer.check(opened)
    assert build_code(None, ["UNIX_SIM"], tmp_path / "v", compiled=False).journal == 1
    ring.write_text("")
    with pytest.raises(UpdateError, match="LAYOUT"):
        build_code(source, ["UNIX_SIM"], tmp_path / "u", compiled=False)


def test_what_was_changed_after_signing_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s/config.json").write_text(json.dumps({"schema": 1}))
    (tmp_path / "s/secrets.json").write_text("{}")
    manifest = build_settings(tmp_path / "s", ["UNIX_SIM"], 3, tmp_path / "u")
    assert [entry.path for entry in manifest.files] == ["config.json"]
    (tmp_path / "u" / SIGNED).write_bytes(manifest.sign(OWNER))
    (tmp_path / "u/files/config.json").write_text("{}")
    with pytest.raises(UpdateError, match="what the owner signed"):
        Shelf(tmp_path / "shelf").publish(tmp_path / "u", Plan())


def test_owners_travel_in_a_manifest(tmp_path: Path) -> None:
    second = public_bytes(ec.derive_private_key(8, ec.SECP256R1()))
    manifest = build_owners([public_bytes(OWNER), second], 1, tmp_path / "o")
    held = owners()
    held.rotate(open_manifest(manifest.sign(OWNER), held))
    assert held.keys == [public_bytes(OWNER), second]


def test_rings() -> None:
    rings = members((",".join(DEVICES[:2]), "25%", "rest"), DEVICES, 5)
    assert [len(ring) for ring in rings] == [2, 5, 13]
    assert sorted(device for ring in rings for device in ring) == DEVICES
    assert members(("25%", "rest"), DEVICES, 5) != members(("25%", "rest"), DEVICES, 6)
    for wrong in ("", "all", "0%", "101%", "3f", "x" * 16):
        with pytest.raises(UpdateError):
            check_ring(wrong)


def test_one_ring_after_the_other_and_an_end_when_too_many_fail() -> None:
    rings = [DEVICES[:4], DEVICES[4:10], DEVICES[10:]]
    plan = Plan(("a", "b", "rest"), most_bad=1, good_permille=750)
    assert progress(plan, rings, {}).open_rings == 1
    assert progress(plan, rings, dict.fromkeys(DEVICES[:2], KEPT)).open_rings == 1
    three = dict.fromkeys(DEVICES[:3], KEPT)
    assert progress(plan, rings, three | {DEVICES[3]: OFFERED}).open_rings == 2
    assert progress(plan, rings, three | {DEVICES[3]: WENT_BACK}).paused == ""
    for bad in (WENT_BACK, REFUSED, SILENT):
        found = progress(plan, rings, three | {DEVICES[3]: bad, DEVICES[5]: bad})
        assert "2 of 5 failed" in found.paused and found.open_rings == 2
    bad = dict.fromkeys((DEVICES[3], DEVICES[5]), WENT_BACK)
    assert progress(plan, rings, three | bad, list(bad)).open_rings == 2
    assert progress(plan, [[], DEVICES], {}).open_rings == 1  # nobody proves nothing


@pytest.mark.parametrize("days", [1, 59, 400, 9000])
def test_the_device_reads_the_end_of_a_certificate(days: int) -> None:
    made = pki.make_authority("certificates", days=days).certificate
    der = made.public_bytes(Encoding.DER)
    assert not_after_unix_s(der) == int(made.not_valid_after_utc.timestamp())


def test_settings_need_a_number(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    command = [sys.executable, "-m", "meterseal", "update", "build", str(tmp_path / "out")]
    done = subprocess.run(
        [*command, "--board", "UNIX_SIM", "--settings", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "--number" in done.stderr
