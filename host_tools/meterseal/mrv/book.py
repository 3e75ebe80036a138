"""The book of locked reports: what was claimed and issued, hash-chained, only ever appended to.

A report is superseded by a new version, never edited. What a superseded report issued stays
issued; if the new version proves less, the difference is a named deficit.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any, Final

from meterseal.errors import MethodologyError
from meterseal.mrv.exact import canonical, pretty, ratio, sha256_hex

FORMAT: Final = "meterseal-report-book"
EMPTY: Final = {"format": FORMAT, "version": 1, "entries": []}


@dataclass(slots=True)
class State:
    """What the locked reports of a book add up to."""

    head: str = ""
    closings: dict[str, int] = field(default_factory=dict)
    """Of the reports before this one."""
    claimed_later: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Opening and closing by meter in reports of later days: a replaced one does not reach in."""
    setups: dict[str, str] = field(default_factory=dict)
    exact_t: dict[int, Fraction] = field(default_factory=dict)
    issued_t: dict[int, int] = field(default_factory=dict)
    deficit_t: dict[int, int] = field(default_factory=dict)
    """Issued and not proven any more, as the locked reports say it already."""
    allocated_t: dict[str, int] = field(default_factory=dict)
    """Whole tonnes by holder, as they were handed out."""
    history: list[tuple[date, int]] = field(default_factory=list)
    """Last day and cumulative tonnes of every locked report, in the order of the book."""
    spans: list[tuple[str, date, date]] = field(default_factory=list)

    @property
    def all_issued_t(self) -> int:
        """Whole tonnes of all vintages."""
        return sum(self.issued_t.values())


def read_book(data: bytes, where: str = "the report book") -> list[dict[str, Any]]:
    """Entries of a book. Raises MethodologyError `book-json`, `book-format`, `book-chain`."""
    try:
        document = json.loads(data)
        right = document["format"] == FORMAT and document["version"] == 1
        entries: list[dict[str, Any]] = [_checked(one) for one in document["entries"]]
    except (ValueError, KeyError, TypeError, AttributeError, MethodologyError) as problem:
        raise MethodologyError(
            "book-json", f"{where}: expected a report book, found {problem!r}", "Restore it."
        ) from problem
    if not right:
        raise MethodologyError("book-format", f"{where}: expected {FORMAT} version 1", "Update.")
    previous = ""
    for number, entry in enumerate(entries, 1):
        if entry.get("n") != number or entry.get("previous") != previous:
            raise MethodologyError(
                "book-chain",
                f"{where}: expected entry {number} linked to the one before, found another",
                "The book was edited or cut: restore it from the evidence packs.",
            )
        previous = entry_hash(entry)
    return entries


def _checked(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry, if it has every field in its form; whatever is raised says what it lacks."""
    for name in ("id", "activity", "supersedes", "previous", "report_sha256"):
        if not isinstance(entry[name], str):
            raise TypeError(f"{name} of an entry that is no text")
    date.fromisoformat(entry["first_day"]), date.fromisoformat(entry["last_day"])
    for year, tonnes in (*entry["issued_t"].items(), *entry["allocated_t"].items()):
        if not isinstance(year, str) or type(tonnes) is not int or tonnes < 0:
            raise ValueError(f"tonnes {year!r}: {tonnes!r}")
    for year, text in entry["exact_t"].items():
        int(year), ratio(text, "exact_t")
    for year in entry["issued_t"]:
        int(year)
    for claim in entry["claims"]:
        registers = claim["opening_milliwh"], claim["closing_milliwh"]
        if not isinstance(claim["meter"], str) or {type(one) for one in registers} != {int}:
            raise TypeError(f"claim {claim!r}")
        if not 0 <= claim["opening_milliwh"] <= claim["closing_milliwh"]:
            raise ValueError(f"registers of {claim['meter']!r}")
    dict(entry["setups"])
    return entry


def entry_hash(entry: dict[str, Any]) -> str:
    """SHA-256 of an entry's canonical JSON."""
    return sha256_hex(canonical(entry))


def load_book(path: Path | None) -> bytes:
    """Bytes of a book; of an empty one if there is no file yet."""
    if path is None or not path.exists():
        return pretty(EMPTY)
    return path.read_bytes()


def append(data: bytes, entry: dict[str, Any]) -> bytes:
    """The book with one more entry, numbered and linked."""
    entries = read_book(data)
    previous = entry_hash(entries[-1]) if entries else ""
    linked = {**entry, "n": len(entries) + 1, "previous": previous}
    return pretty({**EMPTY, "entries": [*entries, linked]})


def state_of(
    entries: Sequence[dict[str, Any]], activity: str, supersedes: str, first: date
) -> State:
    """State before a new report of an activity that begins on day `first`.

    `supersedes`: id of the report it replaces; what that one issued stays issued.

    Raises MethodologyError `report-unknown` if there is no such report, or it is superseded.
    """
    own = [one for one in entries if one["activity"] == activity]
    replaced = {one["supersedes"] for one in own if one["supersedes"]}
    active = [one for one in own if one["id"] not in replaced]
    if supersedes and supersedes not in {one["id"] for one in active}:
        raise MethodologyError(
            "report-unknown",
            f"expected a locked report that is not superseded yet, found {supersedes!r}",
            "Name the newest version with --supersedes.",
        )
    state = State(head=entry_hash(entries[-1]) if entries else "")
    for one in own:
        for year, tonnes in one["issued_t"].items():
            state.issued_t[int(year)] = state.issued_t.get(int(year), 0) + tonnes
        for holder, tonnes in one["allocated_t"].items():
            state.allocated_t[holder] = state.allocated_t.get(holder, 0) + tonnes
        state.history.append((date.fromisoformat(one["last_day"]), state.all_issued_t))
    proven: dict[int, Fraction] = {}
    for one in active:
        for year, text in one["exact_t"].items():
            proven[int(year)] = proven.get(int(year), Fraction(0)) + ratio(text, "exact_t")
        if one["id"] != supersedes:
            _add(state, one, first)
    for year, tonnes in state.issued_t.items():
        state.deficit_t[year] = max(0, tonnes - floor(proven.get(year, Fraction(0))))
    return state


def _add(state: State, entry: dict[str, Any], day: date) -> None:
    before = date.fromisoformat(entry["last_day"]) < day
    for claim in entry["claims"]:
        key, span = claim["meter"], (claim["opening_milliwh"], claim["closing_milliwh"])
        if before:
            state.closings[key] = max(state.closings.get(key, 0), span[1])
        else:
            state.claimed_later.setdefault(key, []).append(span)
    state.setups.update(entry["setups"])
    for year, text in entry["exact_t"].items():
        exact = state.exact_t.get(int(year), Fraction(0))
        state.exact_t[int(year)] = exact + ratio(text, "exact_t")
    first, last = date.fromisoformat(entry["first_day"]), date.fromisoformat(entry["last_day"])
    state.spans.append((entry["id"], first, last))


def check_overlap(state: State, first: date, last: date) -> None:
    """Raises MethodologyError `period-overlap` if a locked report covers a day of the period."""
    for name, other_first, other_last in state.spans:
        if first <= other_last and other_first <= last:
            raise MethodologyError(
                "period-overlap",
                f"expected days that no locked report covers, found {name} from {other_first} "
                f"to {other_last}",
                f"Report other days, or replace it with --supersedes {name}.",
            )


def claims_elsewhere(
    books: Sequence[Sequence[dict[str, Any]]], activity: str
) -> dict[str, list[tuple[int, int]]]:
    """Registers that other activities claimed, by meter: (opening, closing) in mWh."""
    found: dict[str, list[tuple[int, int]]] = {}
    for entries in books:
        replaced = {one["supersedes"] for one in entries if one["supersedes"]}
        for one in entries:
            if one["activity"] != activity and one["id"] not in replaced:
                for claim in one["claims"]:
                    span = int(claim["opening_milliwh"]), int(claim["closing_milliwh"])
                    found.setdefault(claim["meter"], []).append(span)
    return found
