"""The report as CSV files: the document's tables, the same bytes everywhere (RFC 4180, LF)."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from meterseal.spreadsheet import harmless


def render_tables(document: dict[str, Any]) -> dict[str, str]:
    """File name -> text; with stamps, a column `stamp` comes first in each row of each file."""
    plain = _tables(document)
    stamp = " ".join(document["report"]["stamps"])
    if not stamp:
        return plain
    return {name: _stamped(text, stamp) for name, text in plain.items()}


def _stamped(text: str, stamp: str) -> str:
    head, *rows = csv.reader(io.StringIO(text, newline=""))
    return _rows(["stamp", *head], ([stamp, *row] for row in rows))


def _tables(document: dict[str, Any]) -> dict[str, str]:
    return {
        "months.csv": _csv(document["months"]),
        "stations.csv": _rows(("station", "month", "side", "of", "kwh"), _stations(document)),
        "meters.csv": _rows(
            ("meter", "station", "month", "register_kwh", "baseline_kwh", "project_kwh"),
            _meters(document),
        ),
        "findings.csv": _csv(
            document["findings"],
            ("rule", "code", "severity", "subject", "text", "withheld_kwh", "accepted"),
        ),
        "rules.csv": _csv(document["rules"]),
        "allocation.csv": _csv(document["allocation"]["holders"]),
        "aef_draft.csv": _csv(document["aef_draft"]),
    }


def _stations(document: dict[str, Any]) -> Iterable[Sequence[str]]:
    for one in document["stations"]:
        for month, sides in sorted(one["months"].items()):
            for side in ("baseline", "project"):
                for name, energy in sorted(sides[side].items()):
                    yield one["station"], month, side, name, energy


def _meters(document: dict[str, Any]) -> Iterable[Sequence[str]]:
    for one in document["meters"]:
        for month, share in sorted(one["months"].items()):
            energies = share["register_kwh"], share["baseline_kwh"], share["project_kwh"]
            yield one["meter"], one["station"], month, *energies


def _csv(rows: Sequence[dict[str, Any]], head: Sequence[str] = ()) -> str:
    columns = list(head) or (list(rows[0]) if rows else [])
    return _rows(columns, ([row[name] for name in columns] for row in rows))


def _rows(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    for row in rows:
        writer.writerow([harmless(str(cell)) for cell in row])
    return text.getvalue()
