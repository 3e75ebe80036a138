"""Code updates in a row fit the file system of every board: real LittleFS, the real build."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from meterseal.boards import board_names, load_partitions
from meterseal.resources import boards_dir, firmware_dir, micropython_binary, profiles_dir
from meterseal.trust_keys import public_bytes
from meterseal.update.build import build_code
from meterseal.update.shelf import SIGNED

TESTS = Path(__file__).resolve().parents[1]
OWNER = ec.derive_private_key(7, ec.SECP256R1())
BLOCK = 4096


def file_system_blocks() -> int:
    """Of the board with the smallest file system."""
    tables = [load_partitions(boards_dir() / name / "partitions.csv") for name in board_names()]
    return min(one.size // BLOCK for table in tables for one in table if one.name == "vfs")


@pytest.fixture(scope="module")
def updates(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three versions, built as they ship."""
    out = tmp_path_factory.mktemp("room")
    source = out / "source"
    shutil.copytree(firmware_dir(), source, ignore=shutil.ignore_patterns("__pycache__"))
    made = []
    for number in range(3):
        version = source / "agent/version.py"
        text = re.sub(r'VERSION = ".*"', f'VERSION = "9.{number}"', version.read_text())
        version.write_text(re.sub(r"UNIX_S = \d+", f"UNIX_S = {2000000000 + number}", text))
        built = out / f"u{number}"
        manifest = build_code(source, ["BENCH"], built, compiled=True)
        (built / SIGNED).write_bytes(manifest.sign(OWNER))
        made.append(built)
    return made


def test_updates_in_a_row_fit(updates: list[Path], tmp_path: Path) -> None:
    cable = tmp_path / "cable"
    (cable / "profiles").mkdir(parents=True)
    for path in sorted(profiles_dir().glob("*.json"))[:4]:
        shutil.copy(path, cable / "profiles")
    (cable / "config.json").write_text(json.dumps({"filler": "x" * 6000}))
    for name in ("secrets.json", "ca.der", "ca2.der"):
        (cable / name).write_bytes(b"c" * 1500)
    blocks = file_system_blocks()
    command = [str(micropython_binary()), "-X", "heapsize=32m"]
    command += [str(TESTS / "support/updates_on_vm.py"), str(firmware_dir()), str(TESTS)]
    command += [str(blocks), public_bytes(OWNER).hex(), str(cable), *map(str, updates)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = [line.split() for line in done.stdout.splitlines()]
    size = sum(path.stat().st_size for path in (updates[0] / "files").rglob("*.*"))
    print(
        f"{blocks} blocks, a code update of {size} bytes; free: {[int(one[1]) for one in found]}"
    )
    assert [one[2] for one in found] == ["-", "9.0", "9.1", "9.2"]
    settings = 2 * 12  # blocks of two slots: config.json, four profiles, two certificates
    assert int(found[-1][1]) > settings + 16
