"""How verbs speak: results on stdout, verdict lines and problems on stderr, plain text."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from meterseal.errors import Error


def result(text: str) -> None:
    """A line of the result."""
    print(text)


def result_json(value: Any) -> None:
    """The result for machines."""
    print(json.dumps(value, indent=1, ensure_ascii=False))


def verdict(good: bool, text: str) -> None:
    """A verdict line."""
    status("OK" if good else "FAIL", text)


def status(word: str, text: str) -> None:
    """A line that begins with a status."""
    print(f"{word}: {text}", file=sys.stderr)


def note(text: str) -> None:
    """A line of explanation beside a verdict."""
    print(f"    {text}", file=sys.stderr)


def error(problem: Error) -> None:
    """What was expected, what was found, what to do."""
    print(f"meterseal: {problem.code}: {problem.diagnostics()}", file=sys.stderr)


def problem(code: str, text: str) -> None:
    """A problem that is no exception of this project."""
    print(f"meterseal: {code}: {text}", file=sys.stderr)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> None:
    """Columns of text; those in `numbers` are right-aligned."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, ["-" * width for width in widths], *rows):
        cells = [
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
