"""What `meterseal report` does: read inputs, compute, write files, pack and lock."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meterseal.cli import output
from meterseal.errors import EnvironmentProblem, MethodologyError
from meterseal.mrv.activity import load_activity
from meterseal.mrv.book import load_book
from meterseal.mrv.cuts import parse_period
from meterseal.mrv.devices import Spread
from meterseal.mrv.evidence import write_evidence
from meterseal.mrv.exact import pretty
from meterseal.mrv.lock import lock
from meterseal.mrv.run import Request, run
from meterseal.report.document import FINAL, build
from meterseal.report.files import FORMATS, write_report
from meterseal.resources import profiles_dir


@dataclass(frozen=True)
class Output:
    """Where results go. `book`: a final report is locked in it."""

    out: Path
    pack: Path | None
    fetch: str
    book: Path | None
    formats: tuple[str, ...]


def request_from(
    activity: Path,
    period: str,
    archive: tuple[Path, ...],
    trust: Path,
    profiles: tuple[Path, ...],
    books: tuple[Path | None, ...],
    **options: Any,
) -> Request:
    """Request from paths; `books`: the own one, then those of other activities."""
    read = load_activity(activity)
    folders = (profiles_dir(), *profiles)
    files = [path for folder in folders for path in sorted(folder.glob("*.json"))]
    return Request(
        activity=read,
        period=parse_period(period, read.offset_min),
        paths=archive,
        trust_data=_read(trust),
        profiles=tuple(_read(path) for path in files),
        book_data=load_book(books[0]),
        other_books=tuple(_read(path) for path in books[1:] if path is not None),
        **options,
    )


def make_report(request: Request, target: Output, spread: Spread) -> dict[str, Any]:
    """Compute, write, pack, and lock if the report is final. The document.

    Raises MethodologyError `report-formats`, `book-missing`, `demo-final`, and those of `run` and
    `lock`.
    """
    unknown = set(target.formats) - set(FORMATS)
    if unknown - {""}:
        text = f"expected some of {', '.join(FORMATS)}, found {', '.join(sorted(unknown))}"
        raise MethodologyError("report-formats", text, "Correct --formats.")
    if request.final and target.book is None:
        text = "expected a book to lock the final report in, found none"
        raise MethodologyError("book-missing", text, "Give --book.")
    if request.final and request.demo:
        text = "expected real stations in a report that is locked, found --demo"
        raise MethodologyError("demo-final", text, "Leave out --final: a demonstration stays one.")
    outcome = run(request, spread)
    document = build(outcome)
    data = pretty(document)
    write_report(target.out, document, target.formats)
    if target.pack is not None:
        write_evidence(target.pack, outcome, data, target.fetch)
    if document["report"]["status"] == FINAL and target.book is not None:
        newest = load_book(target.book)
        _replace(target.book, lock(outcome, document["report"]["id"], data, newest))
    return document


def show(document: dict[str, Any], as_json: bool) -> None:
    """Summary of a report."""
    head, totals = document["report"], document["totals"]
    if as_json:
        output.result_json({"report": head, "totals": totals, "rules": document["rules"]})
        return
    for one in document["findings"]:
        output.note(f"{one['rule']} {one['code']}: {one['subject']}: {one['text']}")
    stamps = "".join(f" {one}." for one in head["stamps"])
    output.status(head["status"], f"{head['id']}.{stamps}")
    rows = [
        ("baseline kWh", totals["baseline_kwh"]),
        ("project kWh", totals["project_kwh"]),
        ("withheld kWh", totals["withheld_kwh"]),
        ("reductions t", totals["reductions_t"]),
        ("issued t", str(totals["issued_t"])),
    ]
    output.table(("figure", "value"), rows, (1,))
    output.result(f"Merkle root {document['evidence']['merkle_root']}")


def _replace(path: Path, data: bytes) -> None:
    """The old file stays until the new one is complete on disk."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise EnvironmentProblem(
            "input-unreadable", f"expected a readable file: {problem}", "Correct the path."
        ) from problem
