"""A meter behind Modbus TCP that goes away in every way, and comes back: sampling never stops.

The firmware runs on the real MicroPython VM against a pymodbus meter; a gateway in between
refuses, resets or swallows what comes. Every interval has its reading, whatever its status.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from meterseal.demo.processes import Child
from meterseal.demo.stage import wait_until
from meterseal.profiles import find
from meterseal.resources import profiles_dir
from meterseal.sim import station
from meterseal.sim.meter import SimulatedMeter
from meterseal.sim.server import MeterServer
from support.odd_gateway import OddGateway

READING = re.compile(r"^debug journal reading sequence=(\d+) status=(\d+)")
OK, TIMEOUT, BUS = 0, 1, 4
ENOUGH = 2  # readings of the expected status, one after the other
PROFILE = "eastron-sdm120"


class Log:
    """What a running station says."""

    def __init__(self, child: Child, path: Path) -> None:
        self._child = child
        self._path = path
        self.lines: list[str] = []

    @property
    def readings(self) -> list[tuple[int, int]]:
        """(sequence, status) of each."""
        found = (READING.search(line) for line in self.lines)
        return [(int(one.group(1)), int(one.group(2))) for one in found if one]

    def expect(self, status: int) -> None:
        """Wait for readings of this status."""

        def seen() -> bool:
            self.lines += self._child.drain()
            return [one[1] for one in self.readings[-ENOUGH:]] == [status] * ENOUGH

        wait_until(f"readings of status {status}", seen, 30, self._path)


def meter() -> SimulatedMeter:
    return SimulatedMeter(find(profiles_dir(), PROFILE))


@pytest.fixture
def served() -> Iterator[MeterServer]:
    with MeterServer([meter()]) as server:
        server.start_tcp("127.0.0.1", 0)
        yield server


def running(directory: Path, port: int | None) -> Child:
    """A station that reads the meter at `port` each second."""
    bus = {"kind": "tcp", "host": "127.0.0.1", "port": port, "timeout_ms": 200, "retries": 0}
    settings = {
        "station_id": "x",
        "read_interval_s": 1,
        "quantities": ["energy_import_wh"],
        "meters": [{"profile": PROFILE}],
        "buses": [bus],
        "log_level": "debug",
    }
    station.create(directory / "station", settings)
    station.enrol(directory / "station")
    return Child("station", station.command(directory / "station"), directory / "station.log")


def test_every_interval_has_its_reading(tmp_path: Path, served: MeterServer) -> None:
    gateway = OddGateway(served.port)
    with running(tmp_path, gateway.port) as child:
        log = Log(child, tmp_path / "station.log")
        log.expect(OK)
        for mode, status in (("refuse", BUS), ("reset", BUS), ("silent", TIMEOUT)):
            gateway.behave(mode)
            log.expect(status)
            gateway.behave("pass")
            log.expect(OK)
    gateway.close()
    undisturbed(log)


def test_a_meter_that_comes_up_late_and_goes_away(tmp_path: Path, served: MeterServer) -> None:
    port = served.port
    served.stop()
    with running(tmp_path, port) as child:
        log = Log(child, tmp_path / "station.log")
        log.expect(BUS)
        with MeterServer([meter()]) as again:
            again.start_tcp("127.0.0.1", port)
            log.expect(OK)
        log.expect(BUS)
    undisturbed(log)


def undisturbed(log: Log) -> None:
    """No task was started again, no number left out."""
    assert not [line for line in log.lines if "supervisor" in line]
    numbers = [sequence for sequence, _ in log.readings]
    assert numbers == list(range(1, len(numbers) + 1))
