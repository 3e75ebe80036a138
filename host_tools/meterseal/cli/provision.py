"""`meterseal provision`: a board into service over its cable."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterseal.cli import output
from meterseal.cli.who import named
from meterseal.errors import EnvironmentProblem, Error

if TYPE_CHECKING:
    from meterseal.provision.order import Order

_HELP = """Put a board into service: from a blank board to a first verified batch.

Flashes MicroPython if --image names one and it is missing or too old, copies the agent and the
configuration, has the key made on the board and proven, checks the meters, has a batch sealed and
verifies it, registers the device, and writes report and label to --out. What is done already is
left alone: after an interruption, give the same command again. Secrets are never read back.

Without --registry the entry is kept in OUT/facts.json until `meterseal devices sync` hands it in.
The station has to reach its collector, unless --offline says that it cannot yet. Whatever happens,
what can run on the board runs again at the end.
--batch takes a CSV file with a line for each board: port,station and, if they differ, config,
secrets, ca, board, meters, replace; --out then has a directory for each station.

Exit code 0: in service; 1: a step was refused; 3: no board, or something else is missing here.

Examples:

    meterseal provision /dev/ttyUSB0 --config station.json --secrets secrets.json --ca ca.der

    meterseal provision auto --config station.json --station battambang-03 --dry-run

    meterseal provision --batch stations.csv --config station.json --registry registry.sqlite
"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("provision", help=_HELP)(provision)


def provision(
    port: Annotated[str, typer.Argument(help="Serial port, or `auto`.")] = "auto",
    config: Annotated[Path | None, typer.Option(help="The station's config.json.")] = None,
    station: Annotated[str, typer.Option(help="Station id, if the file has another.")] = "",
    secrets: Annotated[Path | None, typer.Option(help="The station's secrets.json.")] = None,
    ca: Annotated[Path | None, typer.Option(help="The collector's CA certificate, DER.")] = None,
    board: Annotated[str, typer.Option(help="Board definition: pins, partition table.")] = "",
    image: Annotated[Path | None, typer.Option(help="MicroPython image for the chip.")] = None,
    chip: Annotated[str, typer.Option(help="Chip, as esptool names it.")] = "auto",
    meters: Annotated[
        Path | None, typer.Option(help="Meters for the registry: JSON of {`meters`: [...]}.")
    ] = None,
    registry: Annotated[
        str, typer.Option(envvar="METERSEAL_REGISTRY", help="SQLite file or SQLAlchemy URL.")
    ] = "",
    replaces: Annotated[
        str, typer.Option("--replace", help="Device id of the board that this one replaces.")
    ] = "",
    offline: Annotated[
        bool, typer.Option("--offline", help="The collector need not be reached yet.")
    ] = False,
    erase: Annotated[
        bool, typer.Option("--erase", help="When flashing: key, files and journal may go.")
    ] = False,
    by: Annotated[str, typer.Option("--by", help="Who does it; default: the user's name.")] = "",
    out: Annotated[Path, typer.Option(help="Directory for state and report.")] = Path("station"),
    wait_s: Annotated[float, typer.Option(min=1, help="How long meters may take.")] = 60.0,
    batch: Annotated[Path | None, typer.Option(help="CSV file of many boards.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Take one board or many through the steps (help text: `_HELP`)."""
    from meterseal.provision.link import find_port
    from meterseal.provision.many import batch_rows

    common = {"station": station, "config": config, "secrets": secrets, "ca": ca, "board": board}
    common |= {"meters": meters, "replace": replaces}
    more = {"image": image, "chip": chip, "registry": registry, "wait_s": wait_s}
    more |= {"by": named(by), "offline": offline, "erase": erase}
    if batch is None:
        find_port(port)  # before anything is asked of the files
        made = _order(common | {"port": port}, out, more)
        found = _plan(made) if dry_run else _provision(made)
        _say(found, as_json)
        return
    results = []
    for row in batch_rows(batch):
        one = common | {name: value for name, value in row.items() if value}
        results.append(_one_of_many(one, out / row["station"], more, dry_run))
    _say({"boards": results}, as_json)
    if any("refused" in one for one in results):
        raise typer.Exit(1)


def _one_of_many(
    one: dict[str, Any], out: Path, more: dict[str, Any], dry_run: bool
) -> dict[str, Any]:
    """A board of a CSV file; what goes wrong with it does not stop the others."""
    try:
        made = _order(one, out, more)
        return _plan(made) if dry_run else _provision(made)
    except Error as problem:
        output.error(problem)
        return {"station": one["station"], "refused": problem.code}


def _order(one: dict[str, Any], out: Path, more: dict[str, Any]) -> "Order":
    from meterseal.provision.order import Order, complete, read_json

    config = read_json(Path(one["config"])) if one["config"] else {}
    config = complete(config, one["station"], one["board"])
    meters = read_json(Path(one["meters"])).get("meters", []) if one["meters"] else []
    return Order(
        port=one["port"],
        config=config,
        out=out,
        secrets=read_json(Path(one["secrets"])) if one["secrets"] else {},
        ca_der=_bytes(Path(one["ca"])) if one["ca"] else b"",
        board=one["board"],
        meters=meters,
        replaces=one["replace"],
        **more,
    )


def _provision(order: "Order") -> dict[str, Any]:
    from meterseal.provision.run import provision

    found = provision(order, output.status)
    return {"station": order.station, "out": str(order.out), **found}


def _plan(order: "Order") -> dict[str, Any]:
    from meterseal.provision.run import plan

    return {"station": order.station, "would": dict(plan(order))}


def _say(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.result_json(found)
        return
    for one in found.get("boards", [found]):
        for name, text in one.get("would", {}).items():
            output.result(f"{name:<14} {text or 'nothing to do'}")
        if "device_id" in one:
            output.verdict(True, f"{one['station']}: device {one['device_id']} is in service")
            output.note(f"batch {one['batch']} verified; report and label: {one['out']}")
            output.note("the enrolment counts once countersigned")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        text = f"expected to read {path}: {problem}"
        raise EnvironmentProblem("file-unreadable", text, "Check the path.") from problem
