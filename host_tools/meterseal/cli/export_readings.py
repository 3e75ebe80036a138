"""`meterseal export csv|parquet|senml|cbor`: verified readings for other software."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from meterseal.models import VerifiedBatch

FORMATS: Final = {
    "csv": "Export verified readings as CSV, a line for each reading and quantity.",
    "parquet": "Export verified readings as Parquet (needs pyarrow: meterseal[parquet]).",
    "senml": "Export verified readings as SenML in JSON (RFC 8428).",
    "cbor": "Export verified batches verbatim as one CBOR sequence (RFC 8742).",
}
_HELP: Final = """{}

Nothing that is refused is exported. Every line says device, meter, batch number and batch hash, so
that it can be traced to its signature; times have their error bound; the words are there beside
the values.

Exit code 0: everything verified; 1: something was refused (what verified is exported).

Example:

    meterseal export {} archive/ --trust trust.json --anchor operator.pem --out readings.{}
"""
_Paths = Annotated[list[Path], typer.Argument(help="Files and directories, in order.")]
_Trust = Annotated[Path, typer.Option(help="Trust file: the signed registry export.")]
_Out = Annotated[Path, typer.Option(help="File to write.")]
_Anchor = Annotated[
    list[str] | None,
    typer.Option(help="Operator key: fingerprint or public key file; may be repeated."),
]
_Profiles = Annotated[list[Path] | None, typer.Option(help="More directories with profiles.")]


def register(group: typer.Typer) -> None:
    """Add the formats to the verb `export`."""
    for name, text in FORMATS.items():
        group.command(name, help=_HELP.format(text, name, name))(_command(name))


def _command(name: str) -> Callable[..., None]:
    def export(
        paths: _Paths, trust: _Trust, out: _Out, anchor: _Anchor = None, profiles: _Profiles = None
    ) -> None:
        raise typer.Exit(_export(name, paths, trust, out, anchor or [], profiles or []))

    return export


def _export(
    name: str, paths: list[Path], trust: Path, out: Path, anchor: list[str], profiles: list[Path]
) -> int:
    """Verify, decode, write; the exit code."""
    from meterseal.cli import output
    from meterseal.cli.verify_run import Run
    from meterseal.export import tables
    from meterseal.export.readings import Decoder, Row
    from meterseal.resources import profiles_dir
    from meterseal.trust import load_trust
    from meterseal.trust_keys import read_anchor
    from meterseal.verify import Standard, Verifier
    from meterseal.verify.totals import ProfileTotals

    totals = ProfileTotals.load(profiles_dir(), *profiles)
    known = load_trust(trust, [read_anchor(one) for one in anchor])
    run = Run(Verifier(trust=known, policy=Standard(), totals=totals))
    batches = run.batches(paths)
    part = out.with_name(out.name + ".part")
    if name == "cbor":
        count = _write_cbor(batches, part)
    else:
        decoder = Decoder.load(profiles_dir(), *profiles)

        def rows(found: "Iterable[VerifiedBatch]") -> Iterator[Row]:
            for batch in found:
                yield from decoder.rows(batch)

        write = {
            "csv": tables.write_csv,
            "parquet": tables.write_parquet,
            "senml": tables.write_senml,
        }
        count = write[name](rows(batches), part)
    part.replace(out)
    output.verdict(run.good, f"{count} {'batches' if name == 'cbor' else 'records'} in {out}")
    return 0 if run.good else 1


def _write_cbor(batches: "Iterable[VerifiedBatch]", path: Path) -> int:
    count = 0
    with path.open("wb") as file:
        for batch in batches:
            file.write(batch.sealed.raw)
            count += 1
    return count
