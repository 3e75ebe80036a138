"""`meterseal verify`: a verdict on sealed batches."""

from pathlib import Path
from typing import Annotated, TypeVar

import typer

_T = TypeVar("_T")

_HELP = """Verify sealed batches: signatures, chains, gaps, time, registers.

Reads files with one batch or a CBOR sequence of them, and directories (*.cborseq, *.cbor, *.cose).
Verdict lines go to stderr, the summary to stdout. Without --anchor the verdict is UNANCHORED:
it rests on a trust file that nobody vouched for.

Exit code 0: everything verified; 1: something was refused or is missing.

Examples:

    meterseal verify build/demo/batches.cborseq --trust build/demo/trust.json

    meterseal verify archive/ --trust trust.json --anchor operator.pem --second-anchor second.pem
"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("verify", help=_HELP)(verify)


def verify(
    paths: Annotated[list[Path], typer.Argument(help="Files and directories, in order.")],
    trust: Annotated[Path, typer.Option(help="Trust file: the signed registry export.")],
    anchor: Annotated[
        list[str] | None,
        typer.Option(help="Operator key: fingerprint or public key file; may be repeated."),
    ] = None,
    second_anchor: Annotated[
        list[str] | None,
        typer.Option(help="Second role's key, likewise: only what it countersigned counts so."),
    ] = None,
    profiles: Annotated[
        list[Path] | None, typer.Option(help="More directories with meter profiles.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Take chains up from this file and save them to it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Result as JSON on stdout.")] = False,
) -> None:
    """Verify and leave with the exit code (help text: `_HELP`)."""
    from meterseal.cli.verify_run import Run
    from meterseal.cli.verify_show import show, show_json
    from meterseal.resources import profiles_dir
    from meterseal.trust import load_trust
    from meterseal.trust_keys import read_anchor
    from meterseal.verify import Standard, Verifier
    from meterseal.verify.state import load_file, save_file
    from meterseal.verify.totals import ProfileTotals

    verifier = Verifier(
        trust=load_trust(
            trust,
            [read_anchor(one) for one in _each(anchor)],
            [read_anchor(one) for one in _each(second_anchor)],
        ),
        policy=Standard(),
        totals=ProfileTotals.load(profiles_dir(), *_each(profiles)),
        devices=None if state is None else load_file(state),
    )
    run = Run(verifier)
    run.read(paths)
    (show_json if as_json else show)(run)
    if state is not None:
        save_file(verifier.devices, state)
    raise typer.Exit(0 if run.good else 1)


def _each(values: list[_T] | None) -> list[_T]:
    return [] if values is None else values
