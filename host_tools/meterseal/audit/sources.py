"""Where an audit finds the batches of each device: a collector's database, or files.

What the tables of a database say beside the bytes comes along as a claim to be checked.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Select, select, tuple_

from meterseal.audit.receipts import Ack
from meterseal.collector.database import Database
from meterseal.collector.schema import BATCHES, CHAINS
from meterseal.verify.sources import files, pieces_of_file
from meterseal.wire.envelope import payload_span

PAGE = 500
_KID = slice(12, 20)
_CLAIMS = (CHAINS.c.device, CHAINS.c.chain, BATCHES.c.number, BATCHES.c.hash)
_HEAD = (CHAINS.c.chain, CHAINS.c.number, CHAINS.c.hash)


class Row(NamedTuple):
    """A batch; `claim`: device, chain, number, hash by the columns, None where there are none."""

    raw: bytes
    claim: tuple[bytes, bytes, int, bytes] | None = None


class Span(NamedTuple):
    """Bytes of a file, batches one behind the other."""

    path: str
    offset: int
    length: int


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
    found: dict[bytes, list[Span]] = {}
    for path in files(paths):
        for piece in pieces_of_file(path):
            kid = piece.raw[_KID] if payload_span(piece.raw, 0) else b""
            spans = found.setdefault(kid, [])
            last = spans[-1] if spans else None
            name, length = str(path.absolute()), len(piece.raw)
            if last and (last.path, last.offset + last.length) == (name, piece.offset):
                spans[-1] = Span(name, last.offset, last.length + length)
            else:
                spans.append(Span(name, piece.offset, length))
    return [Job(kid, "", tuple(spans)) for kid, spans in sorted(found.items())]


def rows(job: Job) -> Iterator[Row]:
    """The batches of a device, one by one: by chain and number, or as they stand in files."""
    yield from _rows_of_database(job) if job.database else _rows_of_files(job)


def head_claims(job: Job) -> list[tuple[bytes, int, bytes]]:
    """Chain, number and hash of the heads by the tables; empty for files."""
    if not job.database or not job.device:
        return []
    database = Database(job.database)
    with database.read() as connection:
        found = connection.execute(select(*_HEAD).where(CHAINS.c.device == job.device)).all()
    database.engine.dispose()
    return [(row[0], row[1], row[2]) for row in found]


def _rows_of_files(job: Job) -> Iterator[Row]:
    for span in job.spans:
        left = span.length
        for piece in pieces_of_file(Path(span.path), span.offset):
            if left <= 0:
                break
            yield Row(piece.raw[:left])
            left -= len(piece.raw)


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
            yield Row(row[3], (row[4], row[5], row[6], row[7]))
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
