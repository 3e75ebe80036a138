"""`meterseal salvage`: batches out of a dead board's flash."""

from pathlib import Path
from typing import Annotated

import typer

_HELP = """Recover sealed batches from a flash dump of a dead board.

DUMP is the whole flash or the partition `journal`, as esptool reads it. What is recovered is byte
for byte what the board sealed; verify it like everything else. Readings that the board had not
sealed yet are not recovered: nothing vouches for them.

Exit code 0: everything that the journal names was recovered; 1: something was not.

Examples:

    esptool --port /dev/ttyUSB0 read-flash 0 ALL dump.bin

    meterseal salvage dump.bin --out batches.cborseq
"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("salvage", help=_HELP)(run)


def run(
    dump: Annotated[Path, typer.Argument(help="Flash dump.")],
    out: Annotated[Path, typer.Option(help="File for the batches.")] = Path("batches.cborseq"),
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Recover and leave with the exit code (help text: `_HELP`)."""
    from meterseal.cli import output
    from meterseal.errors import EnvironmentProblem
    from meterseal.onsite.salvage import salvage

    try:
        data = dump.read_bytes()
    except OSError as problem:
        text = f"expected a flash dump: {problem}"
        raise EnvironmentProblem("file-unreadable", text, "Check the path.") from problem
    found = salvage(data)
    out.write_bytes(b"".join(raw for _, raw in found.batches))
    good = not (found.damaged or found.missing)
    if as_json:
        numbers = {"damaged": found.damaged, "missing": found.missing}
        batches = [number for number, _ in found.batches]
        output.result_json({"file": str(out), "batches": batches} | numbers)
    else:
        output.verdict(good, f"{out}: {len(found.batches)} batches; next: meterseal verify {out}")
        for what, places in (("damaged", found.damaged), ("overwritten", found.missing)):
            for generation, number in places:
                output.note(f"chain {generation} of this journal: batch {number} is {what}")
    raise typer.Exit(0 if good else 1)
