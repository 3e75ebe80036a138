"""`meterseal trace`: a board's trace with the names of the source."""

import sys
from pathlib import Path
from typing import Annotated

import typer

_HELP = """Put the names of the source into the trace of a board.

Compiled modules have short names for what is private, which saves memory on the board. Copy what
the console printed into a file, or pipe it in. Read are the lines of a trace, and what an object
is said not to have; a short name elsewhere (`_q`) cannot be told from those of other modules.

Examples:

    meterseal trace console.txt

    meterseal trace console.txt --source /srv/meterseal-1.4/firmware
"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("trace", help=_HELP)(trace)


def trace(
    file: Annotated[Path, typer.Argument(help="What the board printed; -: standard input.")],
    source: Annotated[
        Path | None, typer.Option(help="Firmware of the board's version; default: this package's.")
    ] = None,
) -> None:
    """Print the trace (help text: `_HELP`)."""
    from meterseal.errors import EnvironmentProblem
    from meterseal.provision.trace import readable

    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as problem:
        raise EnvironmentProblem(
            "trace-file", f"expected a file, found: {problem}", "Give the file with the trace."
        ) from problem
    found, put_in = readable(data.decode("utf-8", "replace"), source)
    typer.echo(found, nl=False)
    typer.echo(f"{put_in} names put in", err=True)
