"""Every profile, end to end: the device's Modbus master reads the simulated meter.

RTU, TCP and RTU over TCP, on both interpreters. The expected integers come from the host's decoder
and the simulator's words; the device decodes what it read itself.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.meters import PROFILES, ROOT, one_line
from meterseal.decode import decode
from meterseal.resources import micropython_binary
from meterseal.sim.meter import SimulatedMeter
from meterseal.sim.server import MeterServer

SCRIPT = Path(__file__).with_name("device_reads_meters.py")
INTERPRETERS = {"micropython": str(micropython_binary()), "cpython": sys.executable}
LINKS = ("rtu", "tcp", "rtu_over_tcp")


@pytest.fixture(scope="module", params=LINKS)
def server(request: pytest.FixtureRequest) -> Iterator[MeterServer]:
    with MeterServer(one_line()) as server:
        if request.param == "rtu":
            server.start_rtu()
        else:
            server.start_tcp(rtu_frames=request.param == "rtu_over_tcp")
        server.kind = request.param
        yield server


def expected(meter: SimulatedMeter) -> dict[str, int | None]:
    """Quantity -> thousandths, by the host's decoder on the simulator's words."""
    truth, profile = meter.truth(), meter.profile
    return {
        name: decode(
            register,
            meter.words(register, truth),
            meter.setup_value(profile.setup[register.sf]) if register.sf else None,
        )
        for name, register in profile.registers.items()
    }


def run_device(interpreter: str, server: MeterServer, folder: Path) -> list[dict[str, Any]]:
    """What the device printed, one object for each meter."""
    link: dict[str, Any] = {"kind": server.kind}
    if server.path:
        link["path"] = server.path
    else:
        link |= {"host": "127.0.0.1", "port": server.port}
    meters = [{"profile": m.profile.id, "unit_id": m.unit_id} for m in server.meters.values()]
    plan = folder / "plan.json"
    plan.write_text(json.dumps({"link": link, "meters": meters}), "utf-8")
    command = [interpreter, str(SCRIPT), str(ROOT / "firmware"), str(plan)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_every_profile(server: MeterServer, interpreter: str, tmp_path: Path) -> None:
    lines = run_device(INTERPRETERS[interpreter], server, tmp_path)
    assert [line["profile"] for line in lines] == list(PROFILES)
    for line, meter in zip(lines, server.meters.values(), strict=True):
        assert line["values"] == expected(meter), line["profile"]
        assert (line["status"], line["flags"]) == (0, 0), line["profile"]
        assert line["unexpected"] == [], line["profile"]
        assert len(line["identity"]) == len(meter.profile.identity), line["profile"]
