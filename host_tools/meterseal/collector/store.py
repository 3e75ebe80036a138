"""Durable store of sealed batches: every byte verbatim, acknowledged prefix beside it.

One call of `keep` is one transaction; when it returns, everything in it is on disk.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine, Insert, Table, create_engine, event, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection

from meterseal.collector.schema import BATCHES, HEADS, METADATA, QUARANTINE


class Kept(NamedTuple):
    """A batch that verified. `follows`: the number of the chain that it continues from."""

    device: bytes
    chain: bytes
    number: int
    hash: bytes
    previous: bytes | None
    follows: int
    raw: bytes


class Refused(NamedTuple):
    """Bytes that did not verify, and the stable code of the reason."""

    code: str
    raw: bytes


class Head(NamedTuple):
    """End of a chain's contiguous prefix. `missing`: the next number, if a later one is here."""

    device: bytes
    chain: bytes
    number: int
    hash: bytes
    missing: int | None


class Store:
    """Batches in a database given by its SQLAlchemy URL (SQLite or PostgreSQL)."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _durable_sqlite)
        METADATA.create_all(self._engine)

    @property
    def engine(self) -> Engine:
        """The database, for readers."""
        return self._engine

    def keep(self, kept: Sequence[Kept], refused: Sequence[Refused]) -> list[Head]:
        """Store everything in one durable transaction; heads of the chains that `kept` names.

        Sending twice is harmless. A number that is there already with another hash is stored
        beside it and moves no head.
        """
        now = time.time_ns() // 1_000_000
        with self._engine.begin() as connection:
            if kept:
                rows = [item._asdict() | {"received_unix_ms": now} for item in kept]
                connection.execute(self._insert(BATCHES), rows)
            if refused:
                rows = [_quarantine_row(item, now) for item in refused]
                connection.execute(self._insert(QUARANTINE), rows)
            chains = sorted({(item.device, item.chain) for item in kept})
            return [_advance(connection, device, chain) for device, chain in chains]

    def _insert(self, table: Table) -> Insert:
        if self._engine.dialect.name == "postgresql":
            return postgresql.insert(table).on_conflict_do_nothing()
        return sqlite.insert(table).on_conflict_do_nothing()

    def heads(self, device: bytes) -> list[Head]:
        """Heads of every chain of a device (kid, 8 bytes)."""
        with self._engine.connect() as connection:
            query = select(HEADS.c.chain).where(HEADS.c.device == device)
            chains = connection.execute(query).scalars().all()
            return [_head(connection, device, chain) for chain in chains]

    def raw_batches(self, device: bytes | None = None) -> Iterator[bytes]:
        """Every verified batch, by device, chain and number, as it came; streamed."""
        query = select(BATCHES.c.raw).order_by(
            BATCHES.c.device, BATCHES.c.chain, BATCHES.c.number, BATCHES.c.id
        )
        if device is not None:
            query = query.where(BATCHES.c.device == device)
        with self._engine.connect() as connection:
            yield from connection.execution_options(yield_per=500).execute(query).scalars()


def _durable_sqlite(connection: DBAPIConnection, _record: object) -> None:
    """Write-ahead log, and a commit that returns only when it is on disk."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _quarantine_row(item: Refused, now: int) -> dict[str, object]:
    digest = hashlib.sha256(item.raw).digest()
    return {"sha256": digest, "code": item.code, "raw": item.raw, "received_unix_ms": now}


def _head(connection: Connection, device: bytes, chain: bytes) -> Head:
    """Head as stored, with the first missing number if something lies beyond it."""
    of_chain = (HEADS.c.device == device) & (HEADS.c.chain == chain)
    row = connection.execute(select(HEADS.c.number, HEADS.c.hash).where(of_chain)).first()
    number, digest = (row.number, row.hash) if row else (0, b"")
    beyond = select(BATCHES.c.id).where(
        BATCHES.c.device == device, BATCHES.c.chain == chain, BATCHES.c.number > number
    )
    missing = connection.execute(beyond.limit(1)).first() is not None
    return Head(device, chain, number, digest, number + 1 if missing else None)


def _advance(connection: Connection, device: bytes, chain: bytes) -> Head:
    """Move the head over every batch that continues it, and return it."""
    head = _head(connection, device, chain)
    number, digest = head.number, head.hash
    while (row := _successor(connection, device, chain, number, digest)) is not None:
        number, digest = row
    if number != head.number:
        of_chain = (HEADS.c.device == device) & (HEADS.c.chain == chain)
        connection.execute(HEADS.delete().where(of_chain))
        values = {"device": device, "chain": chain, "number": number, "hash": digest}
        connection.execute(HEADS.insert(), values)
    return _head(connection, device, chain)


def _successor(
    connection: Connection, device: bytes, chain: bytes, number: int, digest: bytes
) -> tuple[int, bytes] | None:
    """Number and hash of the batch that continues head `number`, if it is here."""
    query = (
        select(BATCHES.c.number, BATCHES.c.hash, BATCHES.c.previous)
        .where(
            BATCHES.c.device == device,
            BATCHES.c.chain == chain,
            BATCHES.c.number > number,
            BATCHES.c.follows <= number,
        )
        .order_by(BATCHES.c.number, BATCHES.c.id)
        .limit(8)
    )
    for row in connection.execute(query):
        if row.number > number + 1 or number == 0 or row.previous == digest:
            return row.number, row.hash
    return None
