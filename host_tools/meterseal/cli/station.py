"""`meterseal station`: the firmware on this PC, on the real MicroPython VM."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from meterseal.errors import EnvironmentProblem

_HELP = """Run the station firmware on this PC: the files that ship, on the real MicroPython VM.

Its directory stands for the board: configuration, key, flash image. Simulated keys are marked
as such in everything they sign.

Examples:

    meterseal station init build/station --profile eastron-sdm120 --device /tmp/meter0

    meterseal station identity build/station

    meterseal station run build/station

    meterseal station board build/board --link build/board.port
"""

station = typer.Typer(help=_HELP, no_args_is_help=True)

Directory = Annotated[Path, typer.Argument(help="The directory that stands for the board.")]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.add_typer(station, name="station")


@station.command()
def init(
    directory: Directory,
    profile: Annotated[str, typer.Option(help="Meter profile.")] = "eastron-sdm120",
    device: Annotated[str, typer.Option(help="Serial device or pty of the meter.")] = "",
    tcp: Annotated[str, typer.Option(help="HOST:PORT of a Modbus TCP meter instead.")] = "",
    unit_id: Annotated[int, typer.Option(help="Modbus unit id.")] = 1,
    url: Annotated[str, typer.Option(help="https address of the collector.")] = "",
    ca: Annotated[Path | None, typer.Option(help="The collector's CA certificate, DER.")] = None,
    read_interval_s: Annotated[int, typer.Option(min=1)] = 60,
    seal_interval_s: Annotated[int, typer.Option(min=1)] = 3600,
) -> None:
    """Lay out a station directory with one meter."""
    from meterseal.sim.station import create

    config = {
        "station_id": directory.name,
        "read_interval_s": read_interval_s,
        "seal_interval_s": seal_interval_s,
        "meters": [{"profile": profile, "unit_id": unit_id, "bus": 0}],
        "buses": [bus(device, tcp)],
        "uplink": {"url": url} if url else {},
    }
    create(directory, config, ca.read_bytes() if ca else None)
    typer.echo(f"{directory} is laid out. Next: meterseal station run {directory}")


def bus(device: str, tcp: str) -> dict[str, Any]:
    """The bus of the configuration: a serial device, or HOST:PORT."""
    if not tcp:
        return {"kind": "rtu", "device": device}
    host, _, port = tcp.rpartition(":")
    if not host or not port.isdigit():
        raise typer.BadParameter(f"expected HOST:PORT, found {tcp!r}", param_hint="--tcp")
    return {"kind": "tcp", "host": host, "port": int(port)}


@station.command()
def identity(directory: Directory) -> None:
    """Print device id, public key and key class; makes the key on first use."""
    from meterseal.sim.station import enrol

    typer.echo(json.dumps(enrol(directory)))


@station.command()
def run(directory: Directory) -> None:
    """Run the firmware until Ctrl-C; its log goes to stdout."""
    from meterseal.sim.station import command

    if not (directory / "config.json").is_file():
        raise EnvironmentProblem(
            "station-missing",
            f"expected a station directory, found no {directory}/config.json",
            "Make one with `meterseal station init`.",
        )
    arguments = command(directory)
    if os.name == "posix":
        os.execv(arguments[0], arguments)
    sys.exit(subprocess.call(arguments))


@station.command()
def board(
    directory: Directory,
    link: Annotated[Path | None, typer.Option(help="Symbolic link to the board's port.")] = None,
    tap: Annotated[
        Path | None, typer.Option(help="Keep every byte that leaves the board over its cable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """A virtual board that mpremote and `meterseal provision` can open, until Ctrl-C.

    It begins blank, as MicroPython does on a new chip, and keeps its flash in DIRECTORY.
    """
    try:
        from meterseal.sim.board import VirtualBoard, serve
    except ImportError as problem:
        raise EnvironmentProblem(
            "pseudo-terminal-missing",
            f"expected pseudo-terminals, as Linux and macOS have them: {problem}",
            "Use a real board, or run this on Linux or macOS.",
        ) from problem

    with VirtualBoard(directory, link, tap) as made:
        found = {"port": made.port}
        text = f"The board is at {made.port}. Next: meterseal provision {made.port} --help"
        print(json.dumps(found) if as_json else text, flush=True)
        serve(made)
