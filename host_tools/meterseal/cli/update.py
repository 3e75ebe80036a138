"""`meterseal update`: build, sign and publish updates of stations, see how far they came."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterseal.cli.keys import Passphrase

if TYPE_CHECKING:
    from meterseal.collector.updates import Rollouts

_HELP = """Updates from afar: built anywhere, signed by an owner, spread by the collector in rings.

A station takes only what an owner of its config.json signed, tries it beside the version that
runs, and goes back by itself if meters, journal, sealing or uplink do not work. The first stations
that fail pause the roll-out.

Examples:

    meterseal update build build/update --board ESP32_GENERIC_S3

    meterseal update sign build/update --key keys/owner.key

    meterseal update publish build/update --data collector --ring 10% --ring rest

    meterseal update status --data collector --trust trust.json

    meterseal update resume code 1793491200 --data collector --trust trust.json
"""
_ALL_BOARDS = ""
_Out = Annotated[Path, typer.Argument(help="Directory of the update.")]
_Boards = Annotated[list[str], typer.Option("--board", help="Board (folder of boards/); again.")]
_Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
_Data = Annotated[Path, typer.Option(help="The collector's data directory.")]
_Trust = Annotated[Path, typer.Option(help="Trust file of the collector.")]
_Database = Annotated[str, typer.Option(help="Database URL, if not in --data.")]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    verb = typer.Typer(help=_HELP, no_args_is_help=True)
    verb.command("build", help="Lay out an update: code, settings, an image or owners.")(build)
    verb.command("sign", help="Sign what was built, as an owner.")(sign)
    verb.command("publish", help="Let the collector offer it, ring by ring.")(publish)
    verb.command("status", help="What stations made of each; exit code 1: one is paused.")(status)
    verb.command("resume", help="Let a paused one go on, as its owner.")(resume)
    app.add_typer(verb, name="update")


def build(
    out: _Out,
    board: _Boards = [],  # noqa: B006 - typer's own form
    source: Annotated[
        Path | None, typer.Option(help="Firmware to build; default: this package's.")
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="Settings instead: a directory.")] = None,
    image: Annotated[Path | None, typer.Option(help="A whole image instead.")] = None,
    owner: Annotated[list[Path], typer.Option(help="Owners instead: PEM, once or twice.")] = [],  # noqa: B006
    number: Annotated[int, typer.Option(help="Number of settings, image or owners.")] = 0,
    version: Annotated[str, typer.Option(help="Version of an image.")] = "",
    python: Annotated[bool, typer.Option(help="Code as .py, not compiled.")] = False,
    as_json: _Json = False,
) -> None:
    """Lay out the files and describe them."""
    from meterseal.cli import output
    from meterseal.update import build as make

    if not board and not owner:
        raise typer.BadParameter("expected at least one board", param_hint="--board")
    if (settings or image or owner) and number < 1:
        raise typer.BadParameter("expected one above all before it", param_hint="--number")
    if settings:
        made = make.build_settings(settings, board, number, out)
    elif image:
        made = make.build_image(image, board, number, version, out)
    elif owner:
        made = make.build_owners([_public(path) for path in owner], number, out)
    else:
        made = make.build_code(source, board, out, not python)
    size = sum(entry.length for entry in made.files)
    if as_json:
        output.result_json({"number": made.number, "files": len(made.files), "bytes": size})
    else:
        output.result(f"{made.kind.name.lower()} {made.version}, number {made.number}")
        output.result(f"{len(made.files)} files, {size} bytes. Next: meterseal update sign {out}")


def sign(
    out: _Out,
    key: Annotated[Path, typer.Option(help="The owner's private key.")],
    passphrase_file: Passphrase = None,
) -> None:
    """Sign the manifest of what was built."""
    from meterseal.cli import output
    from meterseal.cli.keys import passphrase_of
    from meterseal.registry.role_keys import load_key
    from meterseal.update.build import load_description
    from meterseal.update.shelf import SIGNED

    signed = load_description(out).sign(load_key(key, passphrase_of(passphrase_file)))
    (out / SIGNED).write_bytes(signed)
    output.result(f"{out / SIGNED}: {len(signed)} bytes. Next: meterseal update publish {out}")


def publish(
    out: _Out,
    data: _Data,
    ring: Annotated[
        list[str], typer.Option(help="`rest`, a share like 10%, or device ids; in order.")
    ] = ["10%", "rest"],  # noqa: B006
    most_bad: Annotated[int, typer.Option(min=0, help="Stations that may fail.")] = 0,
    good_percent: Annotated[
        int, typer.Option(min=0, max=100, help="Of a ring, before the next one begins.")
    ] = 90,
    patience_h: Annotated[int, typer.Option(min=1, help="Silent so long: failed.")] = 168,
    trust: Annotated[Path | None, typer.Option(help="Trust file; device ids need it.")] = None,
) -> None:
    """Put it on the collector's shelf; it is offered from now on."""
    from meterseal.cli import output
    from meterseal.trust import load_trust
    from meterseal.update.rings import Plan
    from meterseal.update.shelf import Shelf

    plan = Plan(tuple(ring), most_bad, 10 * good_percent, 3600 * patience_h)
    known = [kid.hex() for kid in load_trust(trust).keys] if trust else []
    made = Shelf(data / "updates").publish(out, plan, known)
    output.result(f"{made.manifest.version} is offered: {', '.join(ring)}")


def status(data: _Data, trust: _Trust, database: _Database = "", as_json: _Json = False) -> None:
    """Every update, its rings, and what each station made of it."""
    from meterseal.cli import output

    rollouts = _rollouts(data, trust, database)
    table = rollouts.table()
    if as_json:
        output.result_json(table)
    else:
        _show(table)
        for one in rollouts.certificates():
            output.note(f"{one['station']}: {one['certificate']} ends on {one['ends']}")
    raise typer.Exit(_is_paused(table))


def _is_paused(table: list[dict[str, Any]]) -> bool:
    """Whether one stands still that no newer one of its kind replaces on all of its boards."""
    replaced: dict[str, set[str]] = {}
    for update in table:
        boards = set(update["boards"]) or {_ALL_BOARDS}
        newer = replaced.setdefault(update["kind"], set())
        if update["paused"] and _ALL_BOARDS not in newer and not boards <= newer:
            return True
        newer |= boards
    return False


def _show(table: list[dict[str, Any]]) -> None:
    from meterseal.cli import output

    for update in table:
        output.result(f"{update['kind']} {update['version']} (number {update['number']})")
        for ring in update["rings"]:
            output.result(f"  ring {ring['name']}: {_counts(ring)}")
        if update["paused"]:
            output.result(f"  PAUSED: {update['paused']}")


def resume(
    kind: Annotated[str, typer.Argument(help="code, settings, image or owners.")],
    number: Annotated[int, typer.Argument(help="Its number, as `status` shows it.")],
    data: _Data,
    trust: _Trust,
    database: _Database = "",
) -> None:
    """Offer a paused update again; the stations that failed so far are known and count no more."""
    from meterseal.cli import output

    made = _rollouts(data, trust, database).resume(kind, number)
    output.result(f"{made.manifest.version} goes on without {', '.join(sorted(made.excused))}")


def _rollouts(data: Path, trust: Path, database: str) -> "Rollouts":
    from meterseal.collector.database import Database
    from meterseal.collector.updates import Rollouts
    from meterseal.trust import load_trust

    url = database or f"sqlite:///{data / 'collector.sqlite'}"
    return Rollouts(data / "updates", Database(url), load_trust(trust))


def _counts(ring: dict[str, Any]) -> str:
    states = [station["state"] for station in ring["stations"]]
    return ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states))) or "nobody"


def _public(path: Path) -> bytes:
    from meterseal.trust_keys import load_public_file

    return load_public_file(path)
