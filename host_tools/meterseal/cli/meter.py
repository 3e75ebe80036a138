"""`meterseal meter`: a simulated meter on a pseudo-terminal (Modbus RTU) or on loopback (Modbus
TCP).
"""

import json
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meterseal.errors import ProfileError
from meterseal.profiles import find
from meterseal.profiles.line import line_conflicts
from meterseal.resources import profiles_dir
from meterseal.sim.faults import LINE_FAULTS, METER_FAULTS, parse_fault
from meterseal.sim.meter import DEFAULT_SERIAL, SimulatedMeter

if TYPE_CHECKING:
    from meterseal.sim.server import MeterServer

_HELP = """Simulate a meter at a charging station: sessions of 1.2 to 3 kW, energy that moves.

Modbus RTU on a new pseudo-terminal unless --tcp is given. Runs until Ctrl-C or SIGTERM.

Examples:

    meterseal meter --profile eastron-sdm120 --link /tmp/meter0

    meterseal meter --profile schneider-iem3155 --tcp --port 1502 --speed 60

    meterseal meter --profile eastron-sdm630@1 --profile eastron-sdm120@2

    meterseal meter --fault crc:0.05 --fault swapped@60 --json

Faults: KIND (every answer), KIND:PROBABILITY, KIND#N (the Nth answer), KIND@FROM-UNTIL (seconds):
"""
_FAULTS = "\n\n".join(f"{kind}: {text}" for kind, text in (LINE_FAULTS | METER_FAULTS).items())


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("meter", help=f"{_HELP}\n{_FAULTS}")(meter)


def meter(
    profile: Annotated[
        list[str] | None,
        typer.Option(help="Profile id, or ID@UNIT; repeat it for several meters on one line."),
    ] = None,
    tcp: Annotated[bool, typer.Option("--tcp", help="Modbus TCP instead of RTU.")] = False,
    rtu_over_tcp: Annotated[
        bool, typer.Option("--rtu-over-tcp", help="RTU frames in a TCP stream.")
    ] = False,
    host: Annotated[str, typer.Option(help="Address to listen on (TCP).")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on (TCP); 0: any free one.")] = 0,
    link: Annotated[
        Path | None, typer.Option(help="Make this symbolic link to the pseudo-terminal.")
    ] = None,
    speed: Annotated[int, typer.Option(min=1, help="Simulated seconds in one real second.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of load and grid.")] = 1,
    serial: Annotated[str, typer.Option(help="Serial number of the meter.")] = str(DEFAULT_SERIAL),
    start_energy_wh: Annotated[int, typer.Option(help="Energy counter at the start.")] = 0,
    turnaround_ms: Annotated[
        int | None, typer.Option(help="Delay of each answer; default: as the profile says.")
    ] = None,
    fault: Annotated[
        list[str] | None, typer.Option(help="A fault, see above; repeat it for several.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line when ready.")] = False,
) -> None:
    """Serve until told to stop (help text: `_HELP`)."""
    from meterseal.sim.server import MeterServer

    meters = [
        _meter(name, index, seed=seed, speed=speed, serial=serial, start_energy_wh=start_energy_wh)
        for index, name in enumerate(profile or ["eastron-sdm120"])
    ]
    if not (tcp or rtu_over_tcp):
        for conflict in line_conflicts([(m.profile, m.unit_id) for m in meters]):
            typer.echo(f"warning: {conflict.code}: {conflict.text}", err=True)
    if turnaround_ms is None:
        turnaround_ms = max(meter.profile.bus.turnaround_ms for meter in meters)
    faults = [parse_fault(text, rtu=rtu_over_tcp or not tcp) for text in fault or []]
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with MeterServer(meters, faults=faults, seed=seed, turnaround_ms=turnaround_ms) as server:
        if tcp or rtu_over_tcp:
            server.start_tcp(host, port, rtu_frames=rtu_over_tcp)
        else:
            server.start_rtu(link)
        _announce(server, host, link, as_json)
        stopped.wait()


def _meter(
    name: str, index: int, *, seed: int, speed: int, serial: str, start_energy_wh: int
) -> SimulatedMeter:
    """Meter of `ID` or `ID@UNIT`; without a unit the first meter keeps its factory id, the others
    count on.
    """
    profile_id, _, unit = name.partition("@")
    profile = find(profiles_dir(), profile_id)
    if unit and not (unit.isdigit() and 1 <= int(unit) <= 247):
        raise ProfileError(
            "profile-unit", f"expected a unit id from 1 to 247 after @, found {unit!r}", ""
        )
    return SimulatedMeter(
        profile,
        unit_id=int(unit) if unit else profile.bus.unit_id + index,
        seed=seed + index,
        speed=speed,
        start_energy_wh=start_energy_wh,
        serial=int(serial) + index if serial.isdigit() else serial,
    )


def _announce(server: "MeterServer", host: str, link: Path | None, as_json: bool) -> None:
    """Say where the meter listens, on stdout: a line for people, or one JSON line for programs."""
    where: dict[str, object] = {
        "ready": True,
        "meters": [
            {"profile": m.profile.id, "unit_id": m.unit_id} for m in server.meters.values()
        ],
    }
    if server.path is not None:
        where |= {"kind": "rtu", "path": server.path, "link": str(link) if link else None}
    else:
        where |= {"kind": "tcp", "host": host, "port": server.port}
    if as_json:
        typer.echo(json.dumps(where))
        return
    names = ", ".join(f"{m.profile.name} (unit {m.unit_id})" for m in server.meters.values())
    place = link or server.path or f"{host}:{server.port}"
    typer.echo(f"{names} on {place}. Ctrl-C stops it.")
