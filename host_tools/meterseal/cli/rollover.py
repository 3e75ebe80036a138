"""`meterseal rollover`: a new key for a board in service."""

from pathlib import Path
from typing import Annotated, Any

import typer

from meterseal.cli.who import named

_HELP = """Give a board in service a new key, which its old key signs.

The old key is gone afterwards and its chain ends; the next batch begins a new one. DEVICE is the
id of the old key. The enrolment of the new key and the old one's statement are written to --out,
and entered into --registry, if there is one; else `meterseal devices rollover` enters them later.
After an interruption, give the same command again.

Exit code 0: the board has a new key; 1: refused; 3: no board.

Examples:

    meterseal rollover /dev/ttyUSB0 746291b0c351eaa7 --station battambang-03

    meterseal rollover /dev/ttyUSB0 746291b0c351eaa7 --registry registry.sqlite
"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("rollover", help=_HELP)(run)


def run(
    port: Annotated[str, typer.Argument(help="Serial port of the board, or `auto`.")],
    device: Annotated[str, typer.Argument(help="Device id, 16 hexadecimal digits.")],
    station: Annotated[str, typer.Option(help="Station id; default: as in the registry.")] = "",
    key_class: Annotated[str, typer.Option(help="Key class, without a registry.")] = "software",
    registry: Annotated[
        str, typer.Option(envvar="METERSEAL_REGISTRY", help="SQLite file or SQLAlchemy URL.")
    ] = "",
    by: Annotated[str, typer.Option("--by", help="Who does it; default: the user's name.")] = "",
    out: Annotated[Path, typer.Option(help="Directory for the files.")] = Path("rollover"),
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Roll over, write, enter (help text: `_HELP`)."""
    from meterseal.cli import output
    from meterseal.collector.registry_database import open_registry
    from meterseal.provision import rollover
    from meterseal.provision.link import find_port
    from meterseal.registry.acts import Acts

    log = open_registry(registry, create=False) if registry else None
    held = log.state().in_service(device) if log else None
    if held is not None:
        station, key_class = station or held.station, held.entry["key_class"]
    if not station:
        raise typer.BadParameter("expected --station, or a --registry that knows the device")
    enrolment, statement = rollover.roll_over(find_port(port), device, station, key_class)
    rollover.write(out, enrolment, statement)
    entries: list[Any] = []
    if log is not None and held is not None:
        rollover.check_against(statement, bytes.fromhex(held.entry["public_key"]), enrolment)
        entries = Acts(log, named(by)).rollover(device, enrolment, statement, "")
    if as_json:
        found = {"device_id": enrolment["device_id"], "old_device_id": device, "out": str(out)}
        output.result_json(found | {"entries": [one["n"] for one in entries]})
        return
    output.verdict(True, f"{station}: device {enrolment['device_id']} follows {device}")
    output.note(f"enrolment and statement: {out}")
    if not entries:
        output.note(f"enter them: meterseal devices rollover {device} {out}/{rollover.ENROLMENT} "
                    f"{out}/{rollover.STATEMENT}")  # fmt: skip
    output.note("the new key counts once countersigned")
