"""The programs of docs/other-languages.md, run as they stand there: good batches, a broken one."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.host.test_audit_tampering import HourlyStation

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "other-languages.md"
COUNT = 3


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, HourlyStation]:
    """Batches, the same with one bit changed, the key as PEM."""
    folder = tmp_path_factory.mktemp("languages")
    station = HourlyStation()
    batches = bytearray(b"".join(station.seals(COUNT)))
    (folder / "good").write_bytes(batches)
    batches[-100] ^= 1
    (folder / "bad").write_bytes(batches)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    key = station.key.public_key().public_bytes(serialization.Encoding.PEM, form)
    (folder / "key.pem").write_bytes(key)
    return folder, station


def program(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return str(found)


def check(command: list[str], files: tuple[Path, HourlyStation], lines: list[str]) -> None:
    folder, _ = files
    for name, good in (("good", True), ("bad", False)):
        arguments = [*command, str(folder / name), str(folder / "key.pem")]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=300, check=False)
        assert (done.returncode == 0) == good, done.stderr
        assert done.stdout.splitlines() == (lines if good else lines[:-1])


NUMBERS = [f"{number} 60" for number in range(1, COUNT + 1)]


def test_python(files: tuple[Path, HourlyStation]) -> None:
    script = files[0] / "check.py"
    script.write_text(program("python"), encoding="utf-8")
    check([sys.executable, str(script)], files, NUMBERS)


def test_javascript(files: tuple[Path, HourlyStation]) -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs node and npm: apt-get install nodejs npm")
    folder = files[0] / "node"
    shutil.copytree(ROOT / "tests" / "node" / "cose", folder)
    command = ["npm", "install", "--omit=optional", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"npm cannot fetch the packages: {done.stderr.strip().splitlines()[-1:]}")
    (folder / "check.mjs").write_text(program("javascript"), encoding="utf-8")
    check(["node", str(folder / "check.mjs")], files, NUMBERS)


def test_go(files: tuple[Path, HourlyStation]) -> None:
    if shutil.which("go") is None:
        pytest.skip("needs Go: apt-get install golang-go")
    (files[0] / "check.go").write_text(program("go"), encoding="utf-8")
    build = ["go", "build", "-o", str(files[0] / "check"), str(files[0] / "check.go")]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    fresh = HourlyStation(files[1].key, files[1].chain)
    hashes = []
    for _ in range(COUNT):
        fresh.seal()
        hashes.append(fresh.head.hex())
    check([str(files[0] / "check")], files, hashes)
