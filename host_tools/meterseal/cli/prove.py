"""`meterseal prove`: that a single reading is under the root that a report prints."""

from pathlib import Path
from typing import Annotated

import typer

_HELP = """Prove that one reading is in a report, or check such a proof.

Making one needs the report and its archive; checking one needs the proof, the trust file and the
Merkle root printed in the report, and no archive.

Examples:

    meterseal prove --report report/report.json --archive archive/ --trust trust.json \
--anchor operator.pem --device 0123456789abcdef --sequence 4711 --out proof.json

    meterseal prove --check proof.json --root ROOT --trust trust.json --anchor operator.pem
"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("prove", help=_HELP)(prove)


def prove(
    trust: Annotated[Path, typer.Option(help="Trust file: the signed registry export.")],
    anchor: Annotated[
        list[str] | None, typer.Option(help="Operator key: fingerprint or public key file.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="report.json to prove against.")] = None,
    archive: Annotated[list[Path] | None, typer.Option(help="Batches of the report.")] = None,
    device: Annotated[str, typer.Option(help="Device id, 16 hexadecimal digits.")] = "",
    sequence: Annotated[int, typer.Option(help="Sequence number of the reading.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Where the proof is written.")] = None,
    check: Annotated[Path | None, typer.Option(help="A proof to check.")] = None,
    root: Annotated[str, typer.Option(help="Merkle root printed in the report.")] = "",
    demo: Annotated[bool, typer.Option("--demo", help="Accept simulated keys.")] = False,
) -> None:
    """Make or check a proof (help text: `_HELP`)."""
    import json

    from meterseal.cli import output
    from meterseal.mrv.archive import Archive
    from meterseal.mrv.exact import pretty
    from meterseal.mrv.proof import check_proof, make_proof, read_proof
    from meterseal.trust import load_trust
    from meterseal.trust_keys import read_anchor

    trusted = load_trust(trust, [read_anchor(one) for one in anchor or ()])
    if check is not None:
        found = check_proof(read_proof(check, root), trusted, demo)
    elif report is None or out is None:
        raise typer.BadParameter(
            "give --report, --archive, --device, --sequence and --out, or --check"
        )
    else:
        document = json.loads(report.read_bytes())
        proof = make_proof(
            document, Archive(tuple(archive or ())), trusted, device, sequence, demo
        )
        out.write_bytes(pretty(proof))
        found = check_proof(proof, trusted, demo)
    place = f"batch {found.number} of device {found.device}"
    output.verdict(trusted.anchored, f"reading {found.sequence} is in {place}, under {found.root}")
    if not trusted.anchored:
        output.note("UNANCHORED: give --anchor with the operator's key")
    raise typer.Exit(0 if trusted.anchored else 1)
