"""Locking a final report: its entry in the book of reports, made from the outcome alone."""

from typing import Any

from meterseal.errors import MethodologyError
from meterseal.mrv.book import append
from meterseal.mrv.exact import ratio_text, sha256_hex
from meterseal.mrv.run import Outcome


def entry_of(outcome: Outcome, report_id: str, report_data: bytes) -> dict[str, Any]:
    """What later reports need: claimed registers, set-ups, exact totals, issued tonnes."""
    request = outcome.request
    setups: dict[str, str] = {}
    for result in outcome.results:
        for key, texts in sorted(result.setups.items()):
            setups.setdefault(key, texts[0])
    shared = outcome.shared
    holders = zip(request.activity.holders, shared.before_t, shared.after_t, strict=True)
    return {
        "id": report_id,
        "activity": request.activity.id,
        "first_day": request.period.first.isoformat(),
        "last_day": request.period.last.isoformat(),
        "version": outcome.version,
        "supersedes": request.supersedes,
        "report_sha256": sha256_hex(report_data),
        "exact_t": {str(v.span.vintage): ratio_text(v.reductions_t) for v in outcome.vintages},
        "issued_t": {str(v.span.vintage): v.issued_t for v in outcome.vintages},
        "allocated_t": {holder.name: new - old for holder, old, new in holders},
        "claims": [
            {
                "meter": one.installation.key,
                "opening_milliwh": one.opening_milliwh,
                "closing_milliwh": one.closing_milliwh,
            }
            for one in outcome.ledgers
            if one.opening_milliwh is not None
        ],
        "setups": {**outcome.state.setups, **setups},
    }


def lock(outcome: Outcome, report_id: str, report_data: bytes, book_data: bytes) -> bytes:
    """The book with this report.

    Raises MethodologyError `book-changed` if the book is not the one that the report was made
    with: somebody locked another report in between.
    """
    if book_data != outcome.request.book_data:
        raise MethodologyError(
            "book-changed",
            "expected the book that the report was made with, found a newer one",
            "Make the report again.",
        )
    return append(book_data, entry_of(outcome, report_id, report_data))
