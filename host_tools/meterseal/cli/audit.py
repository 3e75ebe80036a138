"""`meterseal audit`: everything that a collector holds, verified again."""

from pathlib import Path
from typing import Annotated

import typer

_HELP = """Audit a collector's database or exported files, device by device, on all cores.

Trusts neither: every batch is verified, what the tables say is held against the signed bytes, and
acknowledgements that others hold (--heads, receipts in later batches) against what is there.
Hours of the calendar: p proven, s stated as lost, m missing, - no reading.

Exit code 0: everything verified; 1: something was refused, altered or is missing.

Examples:

    meterseal audit build/demo/batches.cborseq --trust build/demo/trust.json

    meterseal audit --data data --trust trust.json --html audit.html

    meterseal audit --database postgresql://audit@db/meterseal --trust trust.json --dask local:4
"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("audit", help=_HELP)(audit)


def audit(
    trust: Annotated[Path, typer.Option(help="Trust file: the signed registry export.")],
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files and directories with batches.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Directory of a collector.")] = None,
    database: Annotated[str, typer.Option(help="SQLAlchemy URL of a collector's database.")] = "",
    anchor: Annotated[
        list[str] | None,
        typer.Option(help="Operator key: fingerprint or public key file; may be repeated."),
    ] = None,
    profiles: Annotated[
        list[Path] | None, typer.Option(help="More directories with meter profiles.")
    ] = None,
    heads: Annotated[
        list[Path] | None,
        typer.Option(help="Answers of the collector or an earlier audit's JSON: what it had."),
    ] = None,
    collector_key: Annotated[
        Path | None, typer.Option(help="The collector's public receipt key, from another source.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0: one a core.")] = 0,
    dask: Annotated[str, typer.Option(help="Dask cluster: tcp://HOST:PORT or local:N.")] = "",
    html: Annotated[Path | None, typer.Option(help="Write a page with the calendars.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Result as JSON on stdout.")] = False,
) -> None:
    """Audit and leave with the exit code (help text: `_HELP`)."""
    from meterseal.audit import show
    from meterseal.audit.device import DeviceAudit
    from meterseal.audit.receipts import read_heads
    from meterseal.audit.run import Context, run
    from meterseal.audit.sources import jobs_of_database, jobs_of_files
    from meterseal.cli import output
    from meterseal.trust import load_trust
    from meterseal.trust_keys import load_public_file, read_anchor

    url = database or (f"sqlite:///{data / 'collector.sqlite'}" if data else "")
    if bool(url) == bool(paths):
        raise typer.BadParameter("give either files, or --data or --database")
    key = load_public_file(collector_key) if collector_key else b""
    anchors = tuple(read_anchor(one) for one in anchor or ())
    load_trust(trust, anchors)  # refuse it here, not in every process
    context = Context(
        trust=trust.read_bytes(),
        anchors=anchors,
        profiles=tuple(str(one.absolute()) for one in profiles or ()),
        collector_key=key,
    )

    def tell(one: DeviceAudit, done: int, count: int) -> None:
        output.verdict(one.good, f"{done}/{count} {show.line(one)}")

    result = run(
        context,
        jobs_of_database(url) if url else jobs_of_files(paths or []),
        known=[ack for path in heads or () for ack in read_heads(path, key)],
        workers=jobs,
        dask=dask,
        tell=tell,
    )
    if html:
        html.write_text(show.page(result), encoding="utf-8")
    if as_json:
        output.result_json(show.as_object(result))
    else:
        output.table(show.HEAD, [show.row(one) for one in result.devices], (2, 3, 4, 5, 6, 7))
        output.result("VERIFIED." if result.good else "FAILED: see the verdict lines above.")
        if not result.trust.anchored:
            output.result("UNANCHORED: nobody vouched for this trust file.")
    raise typer.Exit(0 if result.good else 1)
