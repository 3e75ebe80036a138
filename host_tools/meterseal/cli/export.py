"""`meterseal export`: verified content for other software."""

from pathlib import Path
from typing import Annotated

import typer

from meterseal.cli import export_readings

_HELP = """Export charging sessions of verified batches as OCMF.

Verifies the batches, checks every OCMF record against the sealed registers and writes to --out:
records.ocmf (one record a line), an XML file for each record that transparency software opens,
sessions.csv, and ocpp.json (OCPP 2.0.1 SignedMeterValue). A refused record is not exported.

Exit code 0: everything verified; 1: something was refused or disagrees.

Examples:

    meterseal export ocmf archive/ --trust trust.json --out sessions/

    meterseal export ocmf archive/ --trust trust.json --anchor operator.pem --out sessions/ --json
"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    group = typer.Typer(help="Export verified content for other software.", no_args_is_help=True)
    group.callback()(_group)
    group.command("ocmf", help=_HELP)(ocmf)
    export_readings.register(group)
    app.add_typer(group, name="export")


def _group() -> None:
    """Export verified content for other software."""


def ocmf(
    paths: Annotated[list[Path], typer.Argument(help="Files and directories, in order.")],
    trust: Annotated[Path, typer.Option(help="Trust file: the signed registry export.")],
    out: Annotated[Path, typer.Option(help="Directory for the files.")],
    anchor: Annotated[
        list[str] | None,
        typer.Option(help="Operator key: fingerprint or public key file; may be repeated."),
    ] = None,
    profiles: Annotated[
        list[Path] | None, typer.Option(help="More directories with meter profiles.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Result as JSON on stdout.")] = False,
) -> None:
    """Verify, check, write (help text: `_HELP`)."""
    from meterseal.cli import output
    from meterseal.cli.export_show import show
    from meterseal.cli.verify_run import Run
    from meterseal.export.ocmf_files import write_all
    from meterseal.resources import profiles_dir
    from meterseal.trust import load_trust
    from meterseal.trust_keys import read_anchor
    from meterseal.verify import Standard, Verifier
    from meterseal.verify.totals import ProfileTotals

    verifier = Verifier(
        trust=load_trust(trust, [read_anchor(one) for one in anchor or []]),
        policy=Standard(),
        totals=ProfileTotals.load(profiles_dir(), *(profiles or [])),
    )
    run = Run(verifier)
    run.read(paths)
    written = write_all([one for one in run.ocmf.checked if one.good], out)
    good = run.good
    output.verdict(good, f"{len(written)} files in {out}")
    show(run.ocmf, as_json)
    raise typer.Exit(0 if good else 1)
