"""The virtual board behind its pseudo-terminal, by the real mpremote."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from meterseal.sim.board import VirtualBoard

TIMEOUT_S = 60


class Bench:
    """A virtual board in a process of its own, and mpremote on its port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = folder / "port"
        command = [sys.executable, "-m", "meterseal", "station", "board", str(folder / "board")]
        self.process = subprocess.Popen(
            [*command, "--link", str(self.port), "--json"], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert "port" in self.process.stdout.readline()

    def mpremote(self, *arguments: str, good: bool = True) -> str:
        """What mpremote prints."""
        command = [sys.executable, "-m", "mpremote", "connect", str(self.port), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        assert (done.returncode == 0) == good, done.stdout + done.stderr
        return done.stdout

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(TIMEOUT_S)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("board"))
    yield made
    made.stop()


def test_it_answers_and_keeps_its_identity(bench: Bench) -> None:
    ask = "import machine, sys; print(machine.unique_id(), sys.implementation.name)"
    first = bench.mpremote("exec", ask)
    assert "micropython" in first
    assert bench.mpremote("exec", ask) == first


def test_a_folder_of_the_laptop_is_mounted(bench: Bench, tmp_path: Path) -> None:
    """Its protocol is binary, and a question of it ends with the byte that begins our marks."""
    (tmp_path / "mm.py").write_text("print('from', __file__)\nx = '\\x03' * 300\n")
    said = bench.mpremote("mount", str(tmp_path), "exec", "import mm; print(len(mm.x))")
    assert "from mm.py" in said and "300" in said


def test_files_of_every_byte_are_kept_over_a_reset(bench: Bench, tmp_path: Path) -> None:
    source, back = tmp_path / "some.bin", tmp_path / "back.bin"
    source.write_bytes(bytes(range(256)) + os.urandom(9000))
    bench.mpremote("fs", "cp", str(source), ":some.bin")
    bench.mpremote("reset")
    time.sleep(0.5)
    assert hashlib.sha256(source.read_bytes()).hexdigest() in bench.mpremote(
        "fs", "sha256sum", ":some.bin"
    )
    bench.mpremote("fs", "cp", ":some.bin", str(back))
    assert back.read_bytes() == source.read_bytes()
    assert "some.bin" in bench.mpremote("fs", "ls")
    bench.mpremote("fs", "rm", ":some.bin")
    assert "some.bin" not in bench.mpremote("fs", "ls")


def test_names_survive_with_resume_and_not_a_soft_reset(bench: Bench) -> None:
    bench.mpremote("exec", "kept = 7")
    assert bench.mpremote("resume", "exec", "print(kept)").strip() == "7"
    bench.mpremote("exec", "print(kept)", good=False)


def test_an_endless_loop_is_interrupted(bench: Bench, tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text("while True:\n    pass\n")
    bench.mpremote("fs", "cp", str(script), ":main.py")
    bench.mpremote("reset")
    time.sleep(0.5)
    assert bench.mpremote("exec", "print('free')").strip() == "free"
    bench.mpremote("fs", "rm", ":main.py")


def test_the_pc_is_out_of_reach_of_its_files(bench: Bench) -> None:
    assert "OSError" in bench.mpremote(
        "exec",
        "try:\n    open('/etc/hostname')\nexcept OSError as error:\n    print('OSError', error)",
    )


def test_a_board_without_power_is_gone(tmp_path: Path) -> None:
    link = tmp_path / "link"
    with VirtualBoard(tmp_path / "board", link):
        assert link.is_symlink()
    assert not link.is_symlink()
