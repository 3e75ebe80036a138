"""A virtual board, a meter and a technician's laptop: the real commands, the real mpremote."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from meterseal.demo.processes import Child, meterseal
from meterseal.profiles import find
from meterseal.provision.image import agent_files
from meterseal.resources import firmware_dir, micropython_binary, profiles_dir
from meterseal.sim.meter import SimulatedMeter
from meterseal.sim.server import MeterServer

PROFILE = "eastron-sdm630"
PASSWORD = "Kampot-pepper-4711"
STEPS = (
    *("firmware", "agent", "configuration", "key", "proof", "record", "clock", "self-test"),
    *("batch", "registry", "report"),
)


class Bench:
    """`folder` holds the board, its tap, the files of the order and what comes out."""

    def __init__(self, folder: Path, port: int, python: str = sys.executable) -> None:
        self.folder, self.python = folder, python
        self.port, self.tap, self.out = folder / "port", folder / "tap", folder / "out"
        self.registry = folder / "registry.sqlite"
        self.more: list[str] = ["--offline"]
        self.board = self._board()
        bus = {"kind": "tcp", "host": "127.0.0.1", "port": port}
        config = {"station_id": "bench-1", "read_interval_s": 1, "seal_interval_s": 5}
        config |= {"meters": [{"profile": PROFILE, "unit_id": 1, "bus": 0}], "buses": [bus]}
        config |= {"clock": {"ntp_host": ""}}
        self.write("config.json", config)
        self.write("secrets.json", {"wifi_password": PASSWORD})

    def _board(self) -> Child:
        options = ["--link", str(self.port), "--tap", str(self.tap), "--json"]
        command = meterseal("station", "board", str(self.folder / "board"), *options)
        made = Child("board", [self.python, *command[1:]], self.folder / "board.log")
        made.ready()
        return made

    def write(self, name: str, value: Any) -> None:
        (self.folder / name).write_text(json.dumps(value))

    def connect(self, url: str, ca: Path) -> None:
        """Give the order a collector."""
        config = json.loads((self.folder / "config.json").read_text())
        config["uplink"] = {"url": url, "retry_min_s": 1, "retry_max_s": 2, "poll_interval_s": 2}
        self.write("config.json", config)
        self.more = ["--ca", str(ca)]  # and not offline any more

    def command(self, *options: str) -> list[str]:
        """The command of the technician."""
        files = ["--config", str(self.folder / "config.json"), "--by", "S. Chan"]
        files += ["--secrets", str(self.folder / "secrets.json"), "--out", str(self.out)]
        files += ["--registry", str(self.registry), "--json", *self.more]
        return [self.python, "-m", "meterseal", "provision", str(self.port), *files, *options]

    def run(self, *options: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*options),
            capture_output=True,
            text=True,
            timeout=280,
            cwd=cwd,
            check=False,
        )

    def power_cut(self) -> None:
        """The board dies where it stands, and its port with it."""
        supervisor = self.board._process.pid
        children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        for pid in (supervisor, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.board.stop()

    def power_on(self) -> None:
        """The board starts from what is on its flash."""
        self.board = self._board()

    def kill_at(self, step: str, further: int = 0) -> bool:
        """Kill the command when it begins a step, or `further` lines on; whether it got there."""
        process = subprocess.Popen(
            self.command(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        assert process.stderr is not None
        seen = False
        for line in process.stderr:
            if f" {step}: " in line:
                seen, further = True, further - 1
                if further < 0:
                    break
        process.kill()
        process.wait()
        process.stderr.close()
        return seen


LAY_OUT = """
import os, sys, vfs
firmware, source, image = sys.argv[1:]
sys.path[:] = [firmware]
from agent.ports.unix_storage import FileFlash
flash = FileFlash(image, 256)
vfs.VfsLfs2.mkfs(flash)
made = vfs.VfsLfs2(flash)
def copy(path):
    for name, kind, *_ in os.ilistdir(source + path):
        if kind & 0x4000:
            made.mkdir(path + "/" + name)
            copy(path + "/" + name)
        else:
            with open(source + path + "/" + name, "rb") as old:
                with made.open(path + "/" + name, "wb") as new:
                    new.write(old.read())
copy("")
"""


def lay_out_agent(folder: Path) -> None:
    """The flash of a board that has the agent already: to copy it takes most of the time."""
    (folder / "board").mkdir()
    for name, data in agent_files().items():
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "source" / name).write_bytes(data)
    script = folder / "lay_out.py"
    script.write_text(LAY_OUT)
    places = [firmware_dir(), folder / "source", folder / "board" / "vfs.bin"]
    subprocess.run([str(one) for one in (micropython_binary(), script, *places)], check=True)


@contextmanager
def bench(folder: Path, python: str = sys.executable, blank: bool = True) -> Iterator[Bench]:
    """A board that is powered, with a meter at its bus; if not `blank`, it has the agent."""
    if not blank:
        lay_out_agent(folder)
    meter = SimulatedMeter(find(profiles_dir(), PROFILE), unit_id=1, start_energy_wh=123_456)
    with MeterServer([meter], turnaround_ms=5) as server:
        server.start_tcp("127.0.0.1", 0)
        assert server.port is not None
        made = Bench(folder, server.port, python)
        try:
            yield made
        finally:
            made.board.stop()


def done_already(stderr: str) -> list[str]:
    """Steps that found nothing to do."""
    lines = [line for line in stderr.splitlines() if line.endswith("done already")]
    return [line.split()[1].rstrip(":") for line in lines]


def files_of(folder: Path) -> Iterator[Path]:
    """Every file below."""
    for root, _, names in os.walk(folder):
        yield from (Path(root) / name for name in names)
