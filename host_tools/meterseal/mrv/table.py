"""Strict reading of TOML tables and CSV files: every key known, every value of its type.

A missing, unknown or ill-typed entry is refused with the nearest known name; nothing has a silent
default here.
"""

import csv
import difflib
import io
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from meterseal.errors import MethodologyError

_WORDS: Final = {str: "text", int: "an integer", bool: "true or false", list: "a list"}


class Table:
    """A TOML table that must be used up: `done` refuses whatever nobody asked for."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values = dict(values)
        self._asked: list[str] = []
        self.where = where

    def text(self, name: str, default: str | None = None) -> str:
        """A text that is not empty."""
        value: str = self._take(name, str, default)
        return value

    def choice(self, name: str, allowed: Sequence[str], default: str | None = None) -> str:
        """One of the allowed words. Raises MethodologyError `input-value`."""
        value = self.text(name, default)
        if value not in allowed:
            raise _refusal("input-value", self.where, name, "one of " + ", ".join(allowed), value)
        return value

    def integer(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """An integer in a range. Raises MethodologyError `input-value`."""
        value: int = self._take(name, int, default)
        if isinstance(value, bool) or not low <= value <= high:
            raise _refusal("input-value", self.where, name, f"{low} to {high}", value)
        return value

    def flag(self, name: str, default: bool | None = None) -> bool:
        """True or false."""
        value: bool = self._take(name, bool, default)
        return value

    def day(self, name: str) -> date:
        """A date, as TOML writes it or as text."""
        return day(self._values_of(name), f"{self.where}: {name}")

    def table(self, name: str, *, optional: bool = False) -> "Table":
        """A table inside; with `optional` an empty one if there is none."""
        self._asked.append(name)
        value = self._values.get(name, {} if optional else None)
        if not isinstance(value, dict):
            raise _refusal("input-missing", self.where, name, f"a table [{name}]", value)
        return Table(value, f"{self.where}: [{name}]")

    def tables(self, name: str, *, optional: bool = False) -> list["Table"]:
        """An array of tables; at least one unless `optional`."""
        self._asked.append(name)
        value = self._values.get(name, [])
        right = isinstance(value, list) and all(isinstance(item, dict) for item in value)
        if not right or (not value and not optional):
            raise _refusal("input-missing", self.where, name, f"tables [[{name}]]", value)
        return [Table(item, f"{self.where}: [[{name}]] {i + 1}") for i, item in enumerate(value)]

    def has(self, name: str) -> bool:
        """Whether a key is there; asking makes it known."""
        self._asked.append(name)
        return name in self._values

    def raw(self, name: str) -> Any:
        """The value as it is."""
        return self._values_of(name)

    def done(self) -> None:
        """Raises MethodologyError `input-unknown-key` for keys that nobody asked for."""
        unknown = sorted(set(self._values) - set(self._asked))
        if unknown:
            near = difflib.get_close_matches(unknown[0], self._asked, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise MethodologyError(
                "input-unknown-key",
                f"{self.where}: expected only known keys, found {unknown[0]!r}{hint}",
                "Correct or remove it.",
            )

    def _values_of(self, name: str) -> Any:
        self._asked.append(name)
        if name not in self._values:
            raise _refusal("input-missing", self.where, name, "a value", "none")
        return self._values[name]

    def _take(self, name: str, kind: type, default: Any) -> Any:
        self._asked.append(name)
        value = self._values.get(name, default)
        if value is None:
            raise _refusal("input-missing", self.where, name, "a value", "none")
        if not isinstance(value, kind) or value == "":
            raise _refusal("input-value", self.where, name, _WORDS[kind], value)
        return value


def toml_table(data: bytes, where: str) -> Table:
    """A whole TOML file. Raises MethodologyError `input-toml`."""
    try:
        return Table(tomllib.loads(data.decode()), where)
    except ValueError as problem:
        raise MethodologyError(
            "input-toml", f"{where}: expected TOML, found {problem}", "Correct the file."
        ) from problem


def csv_rows(data: bytes, columns: Sequence[str], where: str) -> list[dict[str, str]]:
    """Rows of a CSV file with exactly these columns.

    Raises MethodologyError `input-csv`, `input-csv-header` and `input-csv-row`.
    """
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        rows = [row for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise MethodologyError(
            "input-csv", f"{where}: expected CSV in UTF-8: {problem}", "Save it again."
        ) from problem
    if not rows or rows[0] != list(columns):
        raise MethodologyError(
            "input-csv-header",
            f"{where}: expected the columns {','.join(columns)}, "
            f"found {','.join(rows[0]) if rows else 'nothing'}",
            "Correct the first line.",
        )
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(columns):
            raise MethodologyError(
                "input-csv-row",
                f"{where}, row {number}: expected {len(columns)} values, found {len(row)}",
                "Correct the row.",
            )
    return [dict(zip(columns, row, strict=True)) for row in rows[1:]]


def day(value: object, where: str) -> date:
    """A date. Raises MethodologyError `input-value`."""
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError as problem:
        raise _refusal("input-value", where, "date", "YYYY-MM-DD", value) from problem


def whole(text: str, where: str) -> int:
    """A whole number of 0 or more in a CSV file. Raises MethodologyError `input-value`."""
    if not text.isascii() or not text.isdigit():
        raise _refusal("input-value", where, "number", "a whole number of 0 or more", text)
    return int(text)


def _refusal(code: str, where: str, name: str, expected: str, found: object) -> MethodologyError:
    return MethodologyError(
        code, f"{where}: {name}: expected {expected}, found {found!r}", "Complete the file."
    )
