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

    meterseal verify archive/ --trust trust.json --html verdict.html --dask tcp://10.0.0.1:8786
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
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0: one a core.")] = 0,
    dask: Annotated[str, typer.Option(help="Dask cluster: tcp://HOST:PORT or local:N.")] = "",
    html: Annotated[Path | None, typer.Option(help="Write a page with the calendars.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Result as JSON on stdout.")] = False,
) -> None:
    """Verify and leave with the exit code (help text: `_HELP`)."""
    from meterseal.cli.verify_parts import Part, run_of, verify_all
    from meterseal.cli.verify_show import show, show_json
    from meterseal.trust import load_trust
    from meterseal.trust_keys import read_anchor
    from meterseal.verify.state import load_file, save_file

    anchors = tuple(read_anchor(one) for one in _each(anchor))
    seconds = tuple(read_anchor(one) for one in _each(second_anchor))
    load_trust(trust, anchors, seconds)  # refuse it here, not in every process
    names = tuple(str(one.absolute()) for one in _each(profiles))
    whole = Part(trust.read_bytes(), anchors, seconds, names, tuple(map(str, paths)), 0, 1)
    if state is None:
        run = verify_all(whole, jobs, dask)
    else:  # chains are taken up where they were left, one after the other
        run = run_of(whole, quiet=False)
        run.verifier.devices.update(load_file(state))
        run.read(paths)
        save_file(run.verifier.devices, state)
    (show_json if as_json else show)(run)
    if html is not None:
        from meterseal.cli.verify_page import html_of

        html.write_text(html_of(run), encoding="utf-8")
    raise typer.Exit(0 if run.good else 1)


def _each(values: list[_T] | None) -> list[_T]:
    return [] if values is None else values
