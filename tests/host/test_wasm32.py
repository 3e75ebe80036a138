"""The pure modules on a MicroPython of 32 bits: all vectors, byte for byte, as on the boards.

The unix VM has 64 bits; MicroPython for WebAssembly, run by node, has 32.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PLACE = ROOT / "build" / "wasm"
QUICK = ("vectors", "cbor", "columns", "decode", "frame", "profile", "reading")
SLOW = ("batch", "p256", "p256_nonce", "p256_field", "journal", "journal_parts", "signer")


@pytest.fixture(scope="module")
def modules() -> Path:
    """The folder with the package of package-lock.json."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs node and npm: apt-get install nodejs npm")
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "tests" / "wasm" / name, PLACE)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(
        command, cwd=PLACE, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        pytest.skip(f"npm cannot fetch the package: {done.stderr.strip().splitlines()[-1:]}")
    return PLACE / "node_modules"


def run(modules: Path, names: tuple[str, ...]) -> str:
    """Output of the device tests of these names."""
    script = ROOT / "tests" / "wasm" / "run.mjs"
    tests = [f"test_{name}" for name in names]
    done = subprocess.run(
        ["node", str(script), str(modules), str(ROOT), *tests],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check(output: str) -> None:
    """32 bits, something ran, nothing failed."""
    lines = output.splitlines()
    print(lines[-1])
    passed, failed = lines[-1].replace(",", "").split()[0:3:2]
    assert lines[0] == "bits 32"
    assert int(passed) > 50 and int(failed) == 0, output


def test_the_vectors_on_32_bits(modules: Path) -> None:
    check(run(modules, QUICK))


@pytest.mark.long
def test_keys_batches_and_journal_on_32_bits(modules: Path) -> None:
    check(run(modules, SLOW))
