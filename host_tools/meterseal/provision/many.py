"""The table of many boards."""

import csv
import re
from pathlib import Path
from typing import Final

from meterseal.errors import ConfigurationError, EnvironmentProblem

COLUMNS: Final = ("port", "station", "config", "secrets", "ca", "board", "meters", "replace")
_NO_FOLDER: Final = re.compile(r"""[/\\:*?"<>|\x00-\x1f]|^\.|[. ]$""")
"""What a name must not hold to be a directory of its own on Linux, macOS and Windows."""


def batch_rows(path: Path) -> list[dict[str, str]]:
    """Its lines. Raises EnvironmentProblem `file-unreadable`; ConfigurationError `batch-table`.

    Everything is looked at before the first board is touched.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError) as problem:
        text = f"expected to read {path}: {problem}"
        raise EnvironmentProblem("file-unreadable", text, "Check the path.") from problem
    if not rows:
        raise _wrong(path, 1, "a line for each board", "none")
    for number, row in enumerate(rows, 2):
        _check(path, number, row)
    for name in ("port", "station"):
        values = [row[name] for row in rows]
        if twice := sorted({one for one in values if values.count(one) > 1}):
            raise _wrong(path, values.index(twice[0]) + 2, f"each {name} once", twice[0])
    return rows


def _check(path: Path, number: int, row: dict[str, str]) -> None:
    if strange := [str(name) for name in row if name not in COLUMNS]:
        raise _wrong(path, number, f"columns out of {', '.join(COLUMNS)}", ", ".join(strange))
    if not (row.get("port") and row.get("station")):
        raise _wrong(path, number, "port and station", "an empty one")
    if _NO_FOLDER.search(row["station"]):
        raise _wrong(path, number, "a station id that can name a directory", row["station"])


def _wrong(path: Path, number: int, expected: str, found: str) -> ConfigurationError:
    text = f"{path}, line {number}: expected {expected}, found {found!r}"
    return ConfigurationError("batch-table", text, "Correct the table; nothing was done.")
