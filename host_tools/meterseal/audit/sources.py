"""Where an audit finds the batches of each device: a collector's database, or files.

What the tables of a database say beside the bytes comes along as a claim to be checked.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, select, tuple_

from meterseal.audit.receipts import Ack
from meterseal.audit.spans import Span, batches_of, spans_of_files
from meterseal.audit.tables import ChainClaim, RowClaim, chain_claims
from meterseal.collector.database import Database
from meterseal.collector.schema import BATCHES, CHAINS

PAGE = 500
_CLAIMS = (
    CHAINS.c.device,
    CHAINS.c.chain,
    BATCHES.c.number,
    BATCHES.c.hash,
    BATCHES.c.previous,
    BATCHES.c.linked,
)


class Row(NamedTuple):
    """A batch; `claim`: what the columns beside it say, None where there are none."""

    raw: bytes
    claim: RowClaim | None = None


class Job(NamedTuple):
    """What is to be read of one device (`device` is empty: whatever names none).

    `known`: heads that somebody outside of the collector remembers.
    """

    device: bytes
    database: str = ""
    spans: tuple[Span, ...] = ()
    known: tuple[Ack, ...] = ()


def jobs_of_database(url: str) -> list[Job]:
    """A job for each device that has a chain, and one for batches that hang in the air."""
    database = Database(url)
    with database.read() as connection:
        query = select(CHAINS.c.device).distinct().order_by(CHAINS.c.device)
        devices = list(connection.execute(query).scalars())
        orphan = connection.execute(_batches(b"").limit(1)).first()
    database.engine.dispose()
    return [Job(device, url) for device in devices] + [Job(b"", url)] * (orphan is not None)


def jobs_of_files(paths: Iterable[Path]) -> list[Job]:
    """A job for each device that batches of the files name; one for what is no batch."""
    return [Job(kid, "", spans) for kid, spans in sorted(spans_of_files(paths).items())]


class View:
    """What is there of a device; of a database, as it was at one moment."""

    def __init__(self, job: Job, connection: Connection | None) -> None:
        self._job = job
        self._connection = connection

    def rows(self) -> Iterator[Row]:
        """The batches, one by one: by chain and number."""
        if self._connection is not None:
            return _rows_of_database(self._connection, self._job.device)
        return (Row(raw) for raw in batches_of(self._job.spans))

    def claims(self) -> list[ChainClaim]:
        """What the tables say of its chains."""
        if self._connection is None or not self._job.device:
            return []
        return chain_claims(self._connection, self._job.device)


@contextmanager
def view_of(job: Job) -> Iterator[View]:
    """Rows and tables in one transaction: what comes meanwhile is not held against them."""
    if not job.database:
        yield View(job, None)
        return
    database = Database(job.database)
    try:
        with database.read() as connection:
            yield View(job, connection)
    finally:
        database.engine.dispose()


def _rows_of_database(connection: Connection, device: bytes) -> Iterator[Row]:
    place = BATCHES.c.chain_id, BATCHES.c.number, BATCHES.c.id
    last: tuple[int, int, int] | None = None
    while True:
        query = _batches(device).order_by(*place).limit(PAGE)
        if last is not None:
            query = query.where(tuple_(*place) > tuple_(*last))
        page = connection.execute(query).all()
        for row in page:
            yield Row(row[3], RowClaim(*row[4:]))
        if len(page) < PAGE:
            return
        last = page[-1][0], page[-1][1], page[-1][2]


def _batches(device: bytes) -> Select[Any]:
    """Batches of a device; of an empty one: those whose chain is not there."""
    place = BATCHES.c.chain_id, BATCHES.c.number, BATCHES.c.id
    query = select(*place, BATCHES.c.raw, *_CLAIMS).outerjoin(
        CHAINS, CHAINS.c.id == BATCHES.c.chain_id
    )
    return query.where(CHAINS.c.device == device if device else CHAINS.c.id.is_(None))
