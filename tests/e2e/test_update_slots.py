"""Slots on the real VM: a damaged one, or one that cannot be started, leaves no station dead.

The content of the slots is laid out as an installer leaves it; the station is started as a board
is, and started again when it resets itself.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent.ports.unix_storage import FileStore
from agent.update_files import SlotFiles
from agent.update_settings import cable_hash
from agent.update_slots import CODE, SETTINGS, Slots
from meterseal.resources import firmware_dir
from meterseal.sim import station
from meterseal.update.build import PACK, build_code, pack

NUMBER = 2000000000
UPDATED = "9.9.9"
CONFIG: dict[str, Any] = {
    "station_id": "slots",
    "meters": [{"profile": "eastron-sdm630", "unit_id": 1, "bus": 0}],
    "buses": [{"kind": "tcp", "host": "127.0.0.1", "port": 9}],
    "uplink": {"url": ""},
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A code update of this firmware with another version, compiled."""
    source = tmp_path_factory.mktemp("source") / "firmware"
    shutil.copytree(firmware_dir(), source)
    version = source / "agent/version.py"
    version.write_text(re.sub(r'VERSION = ".*"', f'VERSION = "{UPDATED}"', version.read_text()))
    out = tmp_path_factory.mktemp("code")
    build_code(source, ["UNIX_SIM"], out, compiled=True)
    return out / "files"


class Bench:
    """A station directory with a key."""

    def __init__(self, root: Path) -> None:
        self.root = root
        station.create(root, CONFIG)
        station.enrol(root)
        self.store = FileStore(str(root / "state"))

    def slots(self, name: str) -> Any:
        return Slots(self.store, name)

    def keep(self, name: str, files: dict[str, bytes]) -> Path:
        """Kept in slot a; its directory."""
        directory = self.root / f"{name}_a"
        for path, content in files.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(content)
        digest = SlotFiles(str(directory)).digest()
        cable = cable_hash(lambda path: (self.root / path).read_bytes(), files)
        slots = self.slots(name)
        slots.install(NUMBER, "9.9", digest, cable_8=cable)
        slots.keep()
        return directory

    def starts(self, most: int = 3) -> list[str]:
        """What it says until the station stands, over at most so many boots."""
        said: list[str] = []
        for _ in range(most):
            process = subprocess.Popen(
                station.command(self.root), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True,
            )  # fmt: skip
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line.rstrip())
                if "app start" in line:
                    process.kill()
            process.wait()
            if "app start" in said[-1]:
                return said
            assert process.returncode == 3, said  # a reset, as of a board
        raise AssertionError(f"expected a station that stands, found {said}")


# A board starts itself again where it stopped, which a PC does not.
BOARD_LIKE = b"""

def _pause_and_reset(self):
    self.reset("paused")


Board.pause_and_reset = _pause_and_reset
"""


def code_files(built: Path) -> dict[str, bytes]:
    return {path: (built / path).read_bytes() for path in (PACK, "agent/p256_table.bin")}


def from_slot(said: list[str]) -> bool:
    return said[-1].endswith(f"version={UPDATED}")


def undisturbed(said: list[str]) -> bool:
    return not any("damaged" in line or "cannot" in line for line in said)


def test_a_kept_slot_runs(tmp_path: Path, built: Path) -> None:
    bench = Bench(tmp_path)
    directory = bench.keep(CODE, code_files(built))
    assert from_slot(bench.starts(1))
    assert bench.slots(CODE).kept == 1
    whole = (directory / PACK).read_bytes()
    places = range(40, len(whole), len(whole) // 6)
    for at in places:
        bench.keep(CODE, code_files(built))
        spoilt = whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :]
        (directory / PACK).write_bytes(spoilt)
        said = bench.starts(1)
        assert any("damaged" in line for line in said) and not from_slot(said)
        slots = bench.slots(CODE)
        assert (slots.kept, slots.kept_number, slots.failed_step) == (0, 0, "damaged")
        assert undisturbed(bench.starts(1))
    print(f"kept code with a byte changed at {len(places)} places: the station runs at once")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("agent/app.py", "raise ValueError('incompatible .mpy file')"),
        ("agent/app.py", "raise RuntimeError('no')"),
        ("agent/update_boot.py", "raise OSError(5)"),
        ("main.py", "def main(arguments, in_slot): raise MemoryError"),
        ("main.py", "x = ("),
        ("agent/supervisor.mpy", "M\x05\x00\x1f and no more"),
    ],
)
def test_one_that_cannot_be_started_gives_way_for_good(
    tmp_path: Path, path: str, text: str
) -> None:
    sources = {
        one.relative_to(firmware_dir()).as_posix(): one.read_bytes()
        for one in [firmware_dir() / "main.py", *(firmware_dir() / "agent").rglob("*.py")]
    }
    sources.pop(path.replace(".mpy", ".py"))
    sources[path] = text.encode()
    sources["agent/ports/unix.py"] += BOARD_LIKE
    table = (firmware_dir() / "agent/p256_table.bin").read_bytes()
    bench = Bench(tmp_path)
    bench.keep(CODE, {PACK: pack(sources), "agent/p256_table.bin": table})
    said = bench.starts(2)
    assert any("cannot be started" in line for line in said)
    slots = bench.slots(CODE)
    assert (slots.kept, slots.kept_number, slots.highest) == (0, 0, NUMBER)
    assert undisturbed(bench.starts(1))


def settings(**changes: Any) -> bytes:
    return json.dumps({"schema": 1} | CONFIG | changes).encode()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda data: data[:50], "damaged"),
        (lambda data: b"", "damaged"),
        (None, "refused"),
    ],
)
def test_damaged_or_refused_settings_give_way_to_the_cable(
    tmp_path: Path, spoil: Callable[[bytes], bytes] | None, says: str
) -> None:
    bench = Bench(tmp_path)
    content = settings(log_level="debug") if spoil else settings(unknown="key")
    directory = bench.keep(SETTINGS, {"config.json": content})
    if spoil:
        (directory / "config.json").write_bytes(spoil(content))
    said = bench.starts(2)
    assert any(says in line for line in said)
    assert bench.slots(SETTINGS).kept == 0
    assert undisturbed(bench.starts(1))


def test_the_cable_has_the_last_word(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.keep(SETTINGS, {"config.json": settings(station_id="from afar")})
    assert undisturbed(bench.starts(1))
    assert bench.slots(SETTINGS).kept == 1
    station.create(tmp_path, CONFIG | {"station_id": "by cable"})
    assert any("the cable brought other settings" in line for line in bench.starts(1))
    assert bench.slots(SETTINGS).running() == 0
