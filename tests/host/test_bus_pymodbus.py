"""The device's bus code against real pymodbus servers: RTU over a pty, TCP, RTU over TCP; on
CPython and on MicroPython.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from meterseal.profiles import find
from meterseal.sim.meter import SimulatedMeter
from meterseal.sim.server import MeterServer

ROOT = Path(__file__).resolve().parent.parent.parent
PROFILES = ROOT / "firmware" / "profiles"
MICROPYTHON = Path(sys.executable).parent / "micropython"
INTERPRETERS = {"cpython": sys.executable, "micropython": str(MICROPYTHON)}
SAMPLES = ("eastron-sdm120", "eastron-sdm630", "carlo-gavazzi-em340", "schneider-iem3155")
ALL = tuple(sorted(path.stem for path in PROFILES.glob("*.json")))


class Frozen:
    """A clock that stands still, so that every reading must show exactly one truth."""

    def __init__(self) -> None:
        self.now_ms = 0

    def __call__(self) -> int:
        return self.now_ms


def simulated(name: str) -> SimulatedMeter:
    clock = Frozen()
    meter = SimulatedMeter(
        find(PROFILES, name), start_energy_wh=1_234_567, start_export_wh=890, clock_ms=clock
    )
    clock.now_ms = 3_600_000
    return meter


def read(
    interpreter: str, kind: str, server: MeterServer, name: str, unit: int
) -> list[list[str]]:
    target = server.path if kind == "rtu" else str(server.port)
    command = [INTERPRETERS[interpreter], str(ROOT / "tests/support/bus_reader.py"), kind]
    command += [str(target), str(PROFILES / f"{name}.json"), str(unit), "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def serve(kind: str, meter: SimulatedMeter) -> MeterServer:
    server = MeterServer([meter])
    if kind == "rtu":
        return server.start_rtu()
    return server.start_tcp(rtu_frames=kind == "rtu_over_tcp")


def check(lines: list[list[str]], meter: SimulatedMeter) -> None:
    """Three complete readings without error, each with exactly the words that the meter holds."""
    registers = sorted(meter.profile.registers.values(), key=lambda r: (r.function, r.address))
    truth = meter.truth()
    words = [word for register in registers for word in meter.words(register, truth)]
    expected = "".join(f"{word:04x}" for word in words)
    readings = [line for line in lines if line[0] == "reading"]
    assert [line[1:5] for line in readings] == [
        ["0", "0", str((1 << len(registers)) - 1), expected]
    ] * 3


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("kind", ["rtu", "tcp", "rtu_over_tcp"])
@pytest.mark.parametrize("name", SAMPLES)
def test_words_arrive_as_the_meter_holds_them(interpreter: str, kind: str, name: str) -> None:
    meter = simulated(name)
    with serve(kind, meter) as server:
        check(read(interpreter, kind, server, name, meter.unit_id), meter)


@pytest.mark.long
@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("kind", ["rtu", "tcp"])
@pytest.mark.parametrize("name", ALL)
def test_every_profile_end_to_end(interpreter: str, kind: str, name: str) -> None:
    meter = simulated(name)
    with serve(kind, meter) as server:
        check(read(interpreter, kind, server, name, meter.unit_id), meter)
