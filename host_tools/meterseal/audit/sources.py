"""Where an audit finds the batches of each device: a collector's database, or files.

What the tables of a database say beside the bytes comes along as a claim to be checked.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Select, select, tuple_

from meterseal.audit.receipts import Ack
from meterseal.audit.spans import Span, batches_of, spans_of_files
from meterseal.audit.tables import RowClaim
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


def rows(job: Job) -> Iterator[Row]:
    """The batches of a device, one by one: by chain and number."""
    if job.database:
        yield from _rows_of_database(job)
    else:
        yield from (Row(raw) for raw in batches_of(job.spans))


def _rows_of_database(job: Job) -> Iterator[Row]:
    database = Database(job.database)
    place = BATCHES.c.chain_id, BATCHES.c.number, BATCHES.c.id
    last: tuple[int, int, int] | None = None
    while True:
        query = _batches(job.device).order_by(*place).limit(PAGE)
        if last is not None:
            query = query.where(tuple_(*place) > tuple_(*last))
        with database.read() as connection:
            page = connection.execute(query).all()
        for row in page:
            yield Row(row[3], RowClaim(*row[4:]))
        if len(page) < PAGE:
            break
        last = page[-1][0], page[-1][1], page[-1][2]
    database.engine.dispose()


def _batches(device: bytes) -> Select[Any]:
    """Batches of a device; of an empty one: those whose chain is not there."""
    place = BATCHES.c.chain_id, BATCHES.c.number, BATCHES.c.id
    query = select(*place, BATCHES.c.raw, *_CLAIMS).outerjoin(
        CHAINS, CHAINS.c.id == BATCHES.c.chain_id
    )
    return query.where(CHAINS.c.device == device if device else CHAINS.c.id.is_(None))
