"""`meterseal recompute`: a third party computes a report again from its evidence pack."""

from pathlib import Path
from typing import Annotated

import typer

_HELP = """Verify an evidence pack and compute its report again, trusting nothing in it.

Every signature is verified, every figure computed, and the report compared byte for byte. Give the
operator's and the second role's keys, got from outside the pack: without both it is UNANCHORED.

Exit code 0: the same report, anchored; 1: refused, or UNANCHORED.

Example:

    meterseal recompute out.zip --anchor operator.pem --second-anchor second.pem
"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("recompute", help=_HELP)(recompute)


def recompute(
    pack: Annotated[Path, typer.Argument(help="The evidence pack.")],
    anchor: Annotated[
        list[str] | None, typer.Option(help="Operator key: fingerprint or public key file.")
    ] = None,
    second_anchor: Annotated[
        list[str] | None, typer.Option(help="Second-role key: fingerprint or public key file.")
    ] = None,
    archive: Annotated[
        list[Path] | None, typer.Option(help="Raw batches, if the pack has their hashes only.")
    ] = None,
    previous_head: Annotated[
        str,
        typer.Option(help="Hash of the last report before, as that one's pack or you have it."),
    ] = "",
    demo: Annotated[bool, typer.Option("--demo", help="Accept a demonstration.")] = False,
    cores: Annotated[int, typer.Option(help="Processes to verify with.", min=1)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Result as JSON on stdout.")] = False,
) -> None:
    """Recompute a pack (help text: `_HELP`)."""
    from meterseal.cli import output
    from meterseal.mrv.devices import on_cores
    from meterseal.mrv.recompute import recompute as run
    from meterseal.report.document import build
    from meterseal.trust_keys import read_anchor

    anchors = tuple(read_anchor(one) for one in anchor or ())
    seconds = tuple(read_anchor(one) for one in second_anchor or ())
    archives = tuple(archive or ())
    found = run(pack, build, anchors, seconds, archives, demo, on_cores(cores), previous_head)
    totals, head = found.document["totals"], found.document["report"]
    verdict = "RECOMPUTED" if found.anchored else "UNANCHORED"
    root = found.document["evidence"]["merkle_root"]
    if as_json:
        output.result_json(
            {
                "verdict": verdict,
                "report": head,
                "totals": totals,
                "merkle_root": root,
                "methodology_shipped": found.methodology_shipped,
            }
        )
    else:
        output.verdict(found.anchored, f"{head['id']}: the same report, byte for byte")
        if not found.anchored:
            output.note("give --anchor and --second-anchor: anybody could have made these keys")
        if not found.methodology_shipped:
            output.note("the methodology is none that comes with this version: read its profile")
        output.result(f"{verdict}: {totals['issued_t']} t, exact {totals['reductions_t']} t")
        output.result(f"Merkle root {root}")
    raise typer.Exit(0 if found.anchored else 1)
