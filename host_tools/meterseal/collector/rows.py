"""Writes many rows in few statements: with a statement for each row most time goes into calls."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table

_CHUNKS: Final = (256, 64, 16, 4, 1)
_POSTGRES_TYPES: Final = {
    "BLOB": "bytea",
    "BYTEA": "bytea",
    "BIGINT": "bigint",
    "INTEGER": "bigint",
}

Row = Sequence[Any]


def write_rows(
    connection: Connection, table: Table, names: Sequence[str], rows: Sequence[Row], end: str
) -> None:
    """INSERT rows with values in the order of the columns `names`; `end`: ON CONFLICT ..."""
    if not rows:
        return
    opening = f"INSERT INTO {table.name} ({', '.join(names)})"
    if connection.dialect.name == "postgresql":
        _as_arrays(connection, table, names, rows, opening, end)
    else:
        _as_values(connection, names, rows, opening, end)


def rows_in(
    connection: Connection, table: Table, names: Sequence[str], key: str, values: list[bytes]
) -> list[Row]:
    """SELECT the columns `names` of rows whose column `key` is one of `values` (bytes)."""
    opening = f"SELECT {', '.join(names)} FROM {table.name} WHERE {key}"
    if connection.dialect.name == "postgresql":
        statement, values = f"{opening} = ANY(%b::bytea[])", [values]  # type: ignore[list-item]
    else:
        padded = next(size for size in (1, 4, 16, 64, 256, 1024) if size >= len(values))
        statement = f"{opening} IN ({', '.join('?' * padded)})"
        values = values + values[-1:] * (padded - len(values))
    found: list[Row] = execute(connection, statement, values).fetchall()
    return found


def execute(connection: Connection, statement: str, values: Sequence[Any]) -> Any:
    """Run a statement of the driver's own on the transaction's cursor; the cursor."""
    cursor = connection.connection.cursor()
    cursor.execute(statement, values)
    return cursor


def _as_arrays(
    connection: Connection,
    table: Table,
    names: Sequence[str],
    rows: Sequence[Row],
    opening: str,
    end: str,
) -> None:
    """PostgreSQL: one array for each column, one statement whatever the number of rows."""
    if not end:
        _copy(connection, table, names, rows)
        return
    types = [str(table.c[name].type.compile(connection.dialect)) for name in names]
    arrays = ", ".join(f"%b::{_POSTGRES_TYPES.get(kind, 'text')}[]" for kind in types)
    columns = tuple(list(column) for column in zip(*rows, strict=True))
    execute(connection, f"{opening} SELECT * FROM unnest({arrays}) {end}", columns)


def _copy(connection: Connection, table: Table, names: Sequence[str], rows: Sequence[Row]) -> None:
    """PostgreSQL's binary COPY: the least work for the server."""
    statement = f"COPY {table.name} ({', '.join(names)}) FROM STDIN (FORMAT BINARY)"
    with connection.connection.cursor().copy(statement) as copy:
        copy.set_types(_copy_types(table, names))
        for row in rows:
            copy.write_row(row)


def _copy_types(table: Table, names: Sequence[str]) -> list[str]:
    """Names of the column types, as psycopg knows them."""
    kinds = {"LargeBinary": "bytea", "BigInteger": "int8", "Integer": "int4"}
    return [kinds[type(table.c[name].type).__name__] for name in names]


def _as_values(
    connection: Connection, names: Sequence[str], rows: Sequence[Row], opening: str, end: str
) -> None:
    """SQLite: rows in chunks of few sizes, so that the statements are prepared once."""
    at = 0
    one = f"({', '.join('?' * len(names))})"
    while at < len(rows):
        count = next(size for size in _CHUNKS if size <= len(rows) - at)
        values = tuple(value for row in rows[at : at + count] for value in row)
        statement = f"{opening} VALUES {', '.join([one] * count)} {end}"
        execute(connection, statement, values)
        at += count
