"""Readings as CSV (RFC 4180), Parquet and SenML (RFC 8428), written as they come.

Numbers are exact decimals in text; SenML numbers are JSON numbers with the same digits, Parquet
has decimal columns.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

from meterseal.errors import EnvironmentProblem
from meterseal.export.readings import Row
from meterseal.spreadsheet import harmless
from meterseal.verify.clock import UNKNOWN_MS

COLUMNS: Final = (
    *("station", "device", "profile", "meter", "unit_id", "batch_number", "batch_hash", "boot"),
    *("sequence", "time_utc", "time_error_ms", "status", "flags", "quantity", "value", "words"),
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ROWS_TOGETHER: Final = 65_536
_SENML_UNITS: Final = {"wh": "Wh", "w": "W", "v": "V", "a": "A", "hz": "Hz", "factor": "/"}
"""Last word of a quantity -> unit of RFC 8428 section 12.1; Wh: of RFC 8798."""


def write_csv(rows: Iterable[Row], path: Path) -> int:
    """Write rows with a head; how many."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow(
                [harmless(one) if isinstance(one, str) else one for one in _cells(row)]
            )
            count += 1
    return count


def write_parquet(rows: Iterable[Row], path: Path) -> int:
    """Write rows as Parquet; how many. Raises EnvironmentProblem `parquet-missing`."""
    try:
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ModuleNotFoundError as problem:
        raise EnvironmentProblem(
            "parquet-missing", "expected pyarrow, found none", "pip install 'meterseal[parquet]'"
        ) from problem
    integers = {"unit_id", "batch_number", "boot", "sequence", "time_error_ms"}
    types: dict[str, Any] = dict.fromkeys(COLUMNS, arrow.string())
    types |= dict.fromkeys(integers, arrow.int64())
    types |= {"time_utc": arrow.timestamp("ms", tz="UTC"), "value": arrow.decimal128(38, 3)}
    schema, count = arrow.schema(list(types.items())), 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        source = iter(rows)
        while some := list(islice(source, _ROWS_TOGETHER)):
            columns = zip(*(_typed(row) for row in some), strict=True)
            arrays = [
                arrow.array(values, one.type) for values, one in zip(columns, schema, strict=True)
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
            count += len(some)
    return count


def write_senml(rows: Iterable[Row], path: Path) -> int:
    """Write values with a known unit as one SenML pack in JSON; how many records."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        for record in senml_records(rows):
            file.write(("," if count else "") + "\n" + record)
            count += 1
        file.write("\n]\n")
    return count


def senml_records(rows: Iterable[Row]) -> Iterator[str]:
    """JSON text of SenML records; base name and base time change with meter and batch.

    A name is `urn:meterseal:` device `:` serial or unit id `:` quantity; times are the middle of
    the interval. Readings of unknown time have none of the present either: they are left out.
    """
    good = (row for row in rows if row.value_milli is not None and time_of(row) is not None)
    for (device, meter), some in groupby(good, lambda row: (row.device, _name_of(row))):
        base: dict[str, Any] = {"bn": f"urn:meterseal:{device}:{meter}:"}
        for row in some:
            unit = _SENML_UNITS.get(row.quantity.rsplit("_", 1)[-1])
            if unit is None:
                continue
            head = json.dumps({**base, "n": row.quantity, "u": unit}, separators=(",", ":"))
            milliseconds = time_of(row)
            assert milliseconds is not None and row.value_milli is not None
            yield f'{head[:-1]},"t":{_milli(milliseconds)},"v":{_milli(row.value_milli)}}}'
            base = {}


def time_of(row: Row) -> int | None:
    """The middle of the interval in which a reading was taken, ms since 1970; None: not known."""
    if row.latest_unix_ms >= UNKNOWN_MS or row.earliest_unix_ms <= 0:
        return None
    return (row.earliest_unix_ms + row.latest_unix_ms) // 2


def _name_of(row: Row) -> str:
    """Serial or unit id, in characters that a SenML name may have."""
    text = row.meter or f"unit-{row.unit_id}"
    return "".join(one if one.isalnum() and one.isascii() else "-" for one in text)


def _typed(row: Row) -> tuple[Any, ...]:
    milliseconds = time_of(row)
    when = None if milliseconds is None else _EPOCH + timedelta(milliseconds=milliseconds)
    error = None if when is None else (row.latest_unix_ms - row.earliest_unix_ms + 1) // 2
    value = None if row.value_milli is None else Decimal(row.value_milli).scaleb(-3)
    return (*row[:9], when, error, *row[11:14], value, row.words)


def _cells(row: Row) -> Sequence[Any]:
    cells = list(_typed(row))
    when, value = cells[9], row.value_milli
    cells[9] = (
        "" if when is None else when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
    cells[10] = "" if when is None else cells[10]
    cells[14] = "" if value is None else _milli(value)
    return cells


def _milli(value: int) -> str:
    """Thousandths as a decimal number, exactly."""
    sign, digits = ("-" if value < 0 else ""), f"{abs(value):04d}"
    return f"{sign}{digits[:-3]}.{digits[-3:]}"
