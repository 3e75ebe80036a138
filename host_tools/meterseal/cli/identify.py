"""`meterseal profiles identify`: find line settings, unit id and profile of a meter."""

import json
import logging
import time
from typing import Annotated, Any, Literal

import typer

from meterseal.errors import ConfigurationError
from meterseal.identify import Identification, identify_meter
from meterseal.identify.judge import Judgement
from meterseal.identify.link import (
    LineSettings,
    Link,
    open_tcp,
    search_line,
    settings_to_try,
    units_to_try,
)
from meterseal.profiles import load_all
from meterseal.resources import profiles_dir

_SCAN_TIMEOUT_S = 0.2
IDENTIFY_HELP = """Say which profile fits the meter on a line, and why the others do not.

TARGET is a serial port (/dev/ttyUSB0) or HOST:PORT for Modbus TCP. Line settings and unit ids are
tried unless they are given. The meter is only read. The counter is watched for --watch-s seconds
and compared with the power: let something charge meanwhile. Exit code 0 if one profile fits, or
several that read the same energy; 1 otherwise.

Examples:

    meterseal profiles identify /dev/ttyUSB0

    meterseal profiles identify COM5 --parity E --unit-id 3 --watch-s 120

    meterseal profiles identify /dev/ttyUSB0 --scan --baud 9600 --parity N

    meterseal profiles identify 192.168.1.40:502 --json
"""


def identify(
    target: Annotated[str, typer.Argument(help="Serial port, or HOST:PORT.")],
    baud: Annotated[int | None, typer.Option(help="Only this rate.")] = None,
    parity: Annotated[
        Literal["N", "E", "O"] | None, typer.Option(help="Only this parity.")
    ] = None,
    unit_id: Annotated[int | None, typer.Option(min=1, max=247, help="Only this id.")] = None,
    scan: Annotated[
        bool, typer.Option("--scan", help="All unit ids, 1 to 247: minutes for each line setting.")
    ] = False,
    watch_s: Annotated[float, typer.Option(min=0, help="Watch the counter for so long.")] = 60,
    timeout_s: Annotated[float, typer.Option(help="Longest wait for an answer.")] = 1.0,
    speed: Annotated[
        int, typer.Option(min=1, help="Speed of a simulated meter (`meterseal meter --speed`).")
    ] = 1,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="All reasons of all profiles.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Find the meter, judge every profile, print the verdict."""
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    profiles = load_all(profiles_dir())
    units = units_to_try(profiles.values(), unit_id, scan)
    search_s = min(timeout_s, _SCAN_TIMEOUT_S) if scan else timeout_s
    if ":" in target:
        link, unit = _over_tcp(target, units, search_s)
    else:
        settings = [
            candidate
            for candidate in settings_to_try(profiles.values())
            if baud in (None, candidate.baud) and parity in (None, candidate.parity)
        ] or [LineSettings(baud or 9600, parity or "N", 1)]
        link, unit = _over_serial(target, settings, units, search_s)
    if link is None:
        _nothing(target, as_json)
        raise typer.Exit(1)
    if search_s < timeout_s:
        link.reopen(timeout_s)
    # Behind a gateway every meter may be found on TCP.
    tried = [p for p in profiles.values() if ":" in target or "rtu" in p.bus.kinds]
    typer.echo(f"unit {unit} answers on {link.description}; watching {watch_s:g} s", err=True)
    try:
        result = identify_meter(
            link, unit, tried, watch_s=watch_s, clock_s=lambda: time.monotonic() * speed
        )
    finally:
        link.close()
    _print(result, link, verbose, as_json)
    raise typer.Exit(0 if result.certain else 1)


def _over_tcp(target: str, units: list[int], timeout_s: float) -> tuple[Link | None, int]:
    host, _, port = target.rpartition(":")
    if not port.isdigit():
        raise ConfigurationError(
            "target-form", f"expected HOST:PORT, found {target!r}", "For example 192.168.1.40:502."
        )
    link = open_tcp(host.strip("[]"), int(port), timeout_s)
    for unit in units:
        if link.answers(unit):
            return link, unit
    link.close()
    return None, 0


def _over_serial(
    path: str, settings: list[LineSettings], units: list[int], timeout_s: float
) -> tuple[Link | None, int]:
    for candidate, link, unit in search_line(path, settings, units, timeout_s):
        if link is not None:
            return link, unit
        typer.echo(f"{candidate}: no answer", err=True)
    return None, 0


def _nothing(target: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"target": target, "best": None, "profiles": []}))
    text = (
        f"no meter answered on {target}. Check wiring (A and B swapped?), supply, and the unit id "
        "on the meter's display (--unit-id), or try them all (--scan)."
    )
    typer.echo(text, err=True)


def _print(result: Identification, link: Link, verbose: bool, as_json: bool) -> None:
    if as_json:
        tree = {
            "link": link.description,
            "unit_id": result.unit_id,
            "best": result.best.profile.id if result.best else None,
            "certain": result.certain,
            "rivals": [rival.profile.id for rival in result.rivals],
            "profiles": [_tree(judgement) for judgement in result.judgements],
        }
        typer.echo(json.dumps(tree))
        return
    for judgement in result.judgements:
        typer.echo(f"{judgement.verdict:9} {judgement.profile.id}")
        reasons = [
            r for r in judgement.reasons if verbose or r.against or judgement is result.best
        ]
        for reason in reasons:
            typer.echo(f"            {reason.code}: {reason.text}")
    typer.echo(_verdict(result))


def _verdict(result: Identification) -> str:
    best = result.best
    if best is None:
        return "No profile fits. Write one: firmware/profiles/README.md."
    shown = ", ".join(f"{name} {text}" for name, text in best.identity.items())
    text = f"Best: {best.profile.id}" + (f" ({shown})" if shown else "")
    if result.twins:
        twins = ", ".join(twin.profile.id for twin in result.twins)
        text += f"; {twins} read the same energy register"
    if result.rivals:
        names = ", ".join(rival.profile.id for rival in result.rivals)
        return f"{text}. Not certain: {names} would fit as well. Compare with the plate."
    if best.verdict == "possible":
        return f"{text}. Nothing confirms it: watch longer while something charges."
    return text + "."


def _tree(judgement: Judgement) -> dict[str, Any]:
    return {
        "id": judgement.profile.id,
        "verdict": judgement.verdict,
        "identity": judgement.identity,
        "values": judgement.values,
        "reasons": [
            {"code": reason.code, "text": reason.text, "against": reason.against}
            for reason in judgement.reasons
        ],
    }
