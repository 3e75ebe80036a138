"""The station on the real MicroPython VM with a console that is a pty, and a simulated meter."""

import os
import pty
import signal
import subprocess
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from meterseal.profiles import find
from meterseal.resources import profiles_dir
from meterseal.sim import station
from meterseal.sim.meter import SimulatedMeter
from meterseal.sim.server import MeterServer

PROFILE = "eastron-sdm630"


class ConsoleStation:
    """A running station; `port` is what a technician plugs in."""

    def __init__(self, directory: Path, identity: dict[str, Any], port: str) -> None:
        self.directory, self.identity, self.port = directory, identity, port
        self.process: subprocess.Popen[bytes] | None = None

    def break_in(self) -> None:
        """Ctrl-C, as the supervisor of a console turns it into a signal."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)


@contextmanager
def running(directory: Path, **config: Any) -> Iterator[ConsoleStation]:
    """A station that reads each second and seals each five, until the block ends."""
    meter = SimulatedMeter(find(profiles_dir(), PROFILE), unit_id=1, start_energy_wh=123_456)
    board, port = pty.openpty()
    tty.setraw(port)
    try:
        with MeterServer([meter], turnaround_ms=5) as server:
            server.start_tcp("127.0.0.1", 0)
            station.create(directory, _config(server.port) | config)
            made = ConsoleStation(directory, station.enrol(directory), os.ttyname(port))
            made.process = _start(directory, board)
            try:
                yield made
            finally:
                made.process.kill()
                made.process.wait()
    finally:
        os.close(board)
        os.close(port)


def _config(port: int | None) -> dict[str, Any]:
    return {
        "station_id": "bench",
        "read_interval_s": 1,
        "seal_interval_s": 5,
        "meters": [{"profile": PROFILE, "unit_id": 1, "bus": 0}],
        "buses": [{"kind": "tcp", "host": "127.0.0.1", "port": port}],
        "clock": {"ntp_host": ""},
        "log_level": "warn",
    }


def _start(directory: Path, board: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        station.command(directory),
        stdin=board,
        stdout=board,
        stderr=subprocess.STDOUT,
        env=os.environ | {"METERSEAL_CONSOLE": "1"},
    )
