"""`meterseal inspect`: a running board over its cable."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from meterseal.onsite.cable import Cable

_HELP = """Look at a running station over its cable, without stopping it.

Prints state, counters, journal, self-test and the last lines of the log. --pull takes the
journaled batches out. --challenge has a nonce sealed together with a reading taken for it, so that
what the meter shows can be compared with what the key signs.

Exit code 0: the self-test found nothing; 1: it did, or the answer does not verify; 3: no station.

Examples:

    meterseal inspect /dev/ttyUSB0

    meterseal inspect /dev/ttyUSB0 --pull batches.cborseq

    meterseal inspect /dev/ttyUSB0 --challenge new --out challenge.cborseq
"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("inspect", help=_HELP)(inspect)


def inspect(
    port: Annotated[str, typer.Argument(help="Serial port of the board.")],
    pull: Annotated[Path | None, typer.Option(help="Write the journaled batches here.")] = None,
    first: Annotated[int, typer.Option(min=1, help="With --pull: from this batch on.")] = 1,
    challenge: Annotated[
        str, typer.Option(help="Nonce of 8 to 64 bytes in hexadecimal, or `new`.")
    ] = "",
    out: Annotated[
        Path, typer.Option(help="With --challenge: write the sealed answer here.")
    ] = Path("challenge.cborseq"),
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Ask and leave with the exit code (help text: `_HELP`)."""
    from meterseal.cli import output
    from meterseal.onsite.cable import open_cable

    nonce = _nonce(challenge)
    cable = open_cable(port)
    if pull is not None:
        found = _pull(cable, pull, first)
    elif nonce:
        found = _challenge(cable, nonce, out)
    else:
        found = _look(cable)
    good = found.pop("good")
    if as_json:
        output.result_json(found)
    else:
        for line in _text(found):
            output.result(line)
    raise typer.Exit(0 if good else 1)


def _nonce(text: str) -> bytes:
    import secrets

    if text == "new":
        return secrets.token_bytes(16)
    try:
        nonce = bytes.fromhex(text)
    except ValueError:
        nonce = b"?"
    if text and not 8 <= len(nonce) <= 64:
        raise typer.BadParameter("expected 8 to 64 bytes in hexadecimal, or `new`")
    return nonce


def _look(cable: "Cable") -> dict[str, Any]:
    from meterseal.onsite import inspect as asking

    about = asking.state(cable)
    checks = asking.check(cable)
    about["check"] = [{"name": name, "good": good, "found": text} for name, good, text in checks]
    about["log"] = asking.last_lines(cable)
    return about | {"good": all(good for _, good, _ in checks)}


def _pull(cable: "Cable", path: Path, first: int) -> dict[str, Any]:
    from meterseal.cli import output
    from meterseal.onsite import inspect as asking

    batches = asking.pull(cable, first)
    path.write_bytes(b"".join(raw for _, raw in batches))
    output.verdict(True, f"{path}: {len(batches)} batches; next: meterseal verify {path}")
    return {"file": str(path), "batches": [number for number, _ in batches], "good": True}


def _challenge(cable: "Cable", nonce: bytes, path: Path) -> dict[str, Any]:
    from meterseal.cli import output
    from meterseal.onsite import inspect as asking
    from meterseal.resources import profiles_dir
    from meterseal.verify.totals import ProfileTotals

    sealed = asking.challenge(cable, nonce, ProfileTotals.load(profiles_dir()))
    path.write_bytes(sealed.raw)
    output.verdict(True, f"{path}: nonce {nonce.hex()} sealed in batch {sealed.number}")
    output.note("compare the registers with the meters' displays, and the key with the registry")
    return {
        "file": str(path),
        "nonce": nonce.hex(),
        "batch": sealed.number,
        "batch_hash": sealed.batch_hash.hex(),
        "registers": [
            {
                "unit_id": one.unit,
                "profile": one.profile,
                "identity": one.identity,
                "energy_import_mwh": one.energy_import_mwh,
            }
            for one in sealed.registers
        ],
        "good": True,
    }


def _text(found: dict[str, Any], indent: str = "") -> list[str]:
    """Names and values, one a line."""
    lines = []
    for name, value in found.items():
        words = name.replace("_", " ")
        if isinstance(value, dict):
            lines += [f"{indent}{words}:", *_text(value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            lines.append(f"{indent}{words}:")
            lines += [f"{indent}  {', '.join(map(str, one.values()))}" for one in value]
        elif isinstance(value, list) and value and isinstance(value[0], str):
            lines += [f"{indent}{words}:", *(f"{indent}  {one}" for one in value)]
        else:
            lines.append(f"{indent}{words}: {value}")
    return lines
