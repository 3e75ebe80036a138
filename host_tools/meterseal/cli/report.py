"""`meterseal report`: from sealed batches to a monitoring report in tonnes."""

from pathlib import Path
from typing import Annotated, TypeVar

import typer

_T = TypeVar("_T")

_HELP = """Make a monitoring report from sealed batches, for people and for machines.

Reads the archive, verifies every batch, applies the data-quality rules and the methodology of the
activity file, and writes report.json, CSV, HTML, PDF and a spreadsheet with live formulas.
Without anchors the report is stamped UNANCHORED; simulated keys are refused except with --demo.

Exit code 0: report written; 1: refused.

Examples:

    meterseal report --period 2026 --activity activity.toml --archive archive/ --trust trust.json \
--anchor operator.pem --second-anchor second.pem --out report/

    meterseal report --period 2026-01-01..2026-06-30 --activity activity.toml --archive archive/ \
--trust trust.json --anchor operator.pem --out report/ --book book.json --final --pack out.zip
"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("report", help=_HELP)(report)


def report(
    period: Annotated[str, typer.Option(help="2026, 2026-03 or 2026-01-01..2026-06-30.")],
    activity: Annotated[Path, typer.Option(help="The activity file.")],
    archive: Annotated[list[Path], typer.Option(help="Batches: files or directories.")],
    trust: Annotated[Path, typer.Option(help="Trust file: the signed registry export.")],
    out: Annotated[Path, typer.Option(help="Directory that the report is written to.")],
    anchor: Annotated[
        list[str] | None, typer.Option(help="Operator key: fingerprint or public key file.")
    ] = None,
    second_anchor: Annotated[
        list[str] | None, typer.Option(help="Second-role key: fingerprint or public key file.")
    ] = None,
    profiles: Annotated[
        list[Path] | None, typer.Option(help="More directories with meter profiles.")
    ] = None,
    book: Annotated[
        Path | None, typer.Option(help="Book of locked reports; --final appends to it.")
    ] = None,
    other_book: Annotated[
        list[Path] | None, typer.Option(help="Books of other activities, against double claims.")
    ] = None,
    supersedes: Annotated[str, typer.Option(help="Id of the locked report to replace.")] = "",
    final: Annotated[bool, typer.Option("--final", help="Lock the report if it may be.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="Let simulated keys count.")] = False,
    pack: Annotated[Path | None, typer.Option(help="Write an evidence pack.")] = None,
    fetch: Annotated[
        str, typer.Option(help="Where raw batches can be fetched: the pack has hashes only.")
    ] = "",
    cores: Annotated[int, typer.Option(help="Processes to verify with.", min=1)] = 1,
    dask: Annotated[str, typer.Option(help="Address of a Dask scheduler to verify on.")] = "",
    formats: Annotated[str, typer.Option(help="Besides JSON.")] = "csv,html,pdf,xlsx",
    as_json: Annotated[bool, typer.Option("--json", help="Summary as JSON on stdout.")] = False,
) -> None:
    """Make a report (help text: `_HELP`)."""
    from meterseal.cli.report_run import Output, make_report, request_from, show
    from meterseal.mrv.devices import on_cores, on_dask
    from meterseal.trust_keys import read_anchor

    request = request_from(
        activity,
        period,
        tuple(archive),
        trust,
        tuple(_each(profiles)),
        (book, *_each(other_book)),
        anchors=tuple(read_anchor(one) for one in _each(anchor)),
        second_anchors=tuple(read_anchor(one) for one in _each(second_anchor)),
        supersedes=supersedes,
        final=final,
        demo=demo,
    )
    output = Output(out, pack, fetch, book, tuple(formats.split(",")))
    document = make_report(request, output, on_dask(dask) if dask else on_cores(cores))
    show(document, as_json)
    if final and document["report"]["status"] != "FINAL":
        raise typer.Exit(1)


def _each(values: list[_T] | None) -> list[_T]:
    return [] if values is None else values
