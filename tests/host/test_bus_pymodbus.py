"""The device's bus code against real pymodbus servers: RTU over a pty, TCP, RTU over TCP; on
CPython and on MicroPython.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from meterseal.profiles import find
from meterseal.sim.faults import LINE_FAULTS, Fault
from meterseal.sim.meter import SimulatedMeter
from meterseal.sim.server import MeterServer

ROOT = Path(__file__).resolve().parent.parent.parent
PROFILES = ROOT / "firmware" / "profiles"
MICROPYTHON = Path(sys.executable).parent / "micropython"
INTERPRETERS = {"cpython": sys.executable, "micropython": str(MICROPYTHON)}
KINDS = ("rtu", "tcp", "rtu_over_tcp")
SAMPLES = ("eastron-sdm120", "eastron-sdm630", "carlo-gavazzi-em340", "schneider-iem3155")
USUAL = [("rtu", name) for name in SAMPLES]
USUAL += [("tcp", SAMPLES[0]), ("tcp", SAMPLES[3]), ("rtu_over_tcp", SAMPLES[2])]
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
    interpreter: str,
    kind: str,
    server: MeterServer,
    name: str,
    snapshots: int,
    timeout_ms: int,
    hold_ms: int = 0,
) -> list[list[str]]:
    """Lines of `support/bus_reader.py`, split."""
    target = str(server.path if kind == "rtu" else server.port)
    unit = str(next(iter(server.meters)))
    command = [INTERPRETERS[interpreter], str(ROOT / "tests/support/bus_reader.py"), kind, target]
    command += [str(PROFILES / f"{name}.json"), unit]
    command += [str(snapshots), str(timeout_ms), str(hold_ms)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def serve(kind: str, meter: SimulatedMeter, **options: Any) -> MeterServer:
    server = MeterServer([meter], **options)
    if kind == "rtu":
        return server.start_rtu()
    return server.start_tcp(rtu_frames=kind == "rtu_over_tcp")


def words_of(meter: SimulatedMeter) -> str:
    """What a complete reading must hold, in hexadecimal."""
    registers = sorted(meter.profile.registers.values(), key=lambda r: (r.function, r.address))
    truth = meter.truth()
    return "".join(f"{word:04x}" for r in registers for word in meter.words(r, truth))


def check(lines: list[list[str]], meter: SimulatedMeter) -> None:
    """Three complete readings without error, each with exactly the words that the meter holds."""
    complete = str((1 << len(meter.profile.registers)) - 1)
    readings = [line for line in lines if line[0] == "reading"]
    assert readings == [["reading", "0", "0", complete, words_of(meter)]] * 3
    identity = [line[1:] for line in lines if line[0] == "identity"]
    expected = [*meter.profile.identity.values(), *meter.profile.setup.values()]
    assert sorted(identity) == sorted(
        [str(r.function), str(r.address), "".join(f"{word:04x}" for word in meter.words(r))]
        for r in expected
    )


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize(("kind", "name"), USUAL)
def test_words_arrive_as_the_meter_holds_them(interpreter: str, kind: str, name: str) -> None:
    meter = simulated(name)
    with serve(kind, meter) as server:
        check(read(interpreter, kind, server, name, 3, 1000), meter)


@pytest.mark.parametrize(
    "interpreter", ["micropython", pytest.param("cpython", marks=pytest.mark.long)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_taken_although_another_task_held_the_loop(
    interpreter: str, kind: str
) -> None:
    """500 ms each time, far beyond the limit of 100 ms for an answer: no retry, no timeout."""
    meter = simulated("eastron-sdm630")
    with serve(kind, meter) as server:
        lines = read(interpreter, kind, server, "eastron-sdm630", 2, 100, 500)
    readings = [line for line in lines if line[0] == "reading"]
    assert [line[1:3] for line in readings] == [["0", "0"]] * 2
    assert {line[4] for line in readings} == {words_of(meter)}


@pytest.mark.long
@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ALL)
def test_every_profile_end_to_end(interpreter: str, kind: str, name: str) -> None:
    meter = simulated(name)
    with serve(kind, meter) as server:
        check(read(interpreter, kind, server, name, 3, 1000), meter)


@pytest.mark.parametrize(
    ("interpreter", "kind"),
    [
        ("micropython", "rtu"),
        ("micropython", "tcp"),
        pytest.param("cpython", "rtu", marks=pytest.mark.long),
        pytest.param("cpython", "tcp", marks=pytest.mark.long),
        pytest.param("micropython", "rtu_over_tcp", marks=pytest.mark.long),
    ],
)
def test_a_bad_line_costs_time_but_never_truth(interpreter: str, kind: str) -> None:
    meter = simulated("eastron-sdm120")
    kinds = [name for name in LINE_FAULTS if kind != "tcp" or name != "crc"]
    faults = [Fault(name, probability=0.04) for name in kinds]
    with serve(kind, meter, faults=faults, seed=5) as server:
        lines = read(interpreter, kind, server, "eastron-sdm120", 6, 200)
        assert server.injector.counts
    whole = words_of(meter)
    readings = [line for line in lines if line[0] == "reading"]
    assert len(readings) == 6
    for _, status, _, present, words in readings:
        got = [int(present) >> i & 1 for i in range(len(meter.profile.registers))]
        # All registers of this meter have two words: eight digits each, zero where absent.
        pieces = [whole[8 * i : 8 * i + 8] if there else "0" * 8 for i, there in enumerate(got)]
        assert words == "".join(pieces)
        assert (status == "0") == all(got)
    assert sum(line[1] == "0" for line in readings) >= 3
    assert int(lines[-1][6]) > 0
