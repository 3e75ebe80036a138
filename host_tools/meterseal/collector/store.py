"""Durable store of sealed batches: every byte verbatim, the state of each chain beside it.

One call of `keep` is one transaction for any number of uploads; when it returns, everything in it
is on disk.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Final

from sqlalchemy import Connection, select, tuple_

from meterseal.collector.database import Database
from meterseal.collector.forgotten import Forgotten, Witness, claims
from meterseal.collector.ingest import now_unix_ms
from meterseal.collector.linking import Linker
from meterseal.collector.quarantine import Quarantine, Quotas
from meterseal.collector.records import (
    BATCH_COLUMNS,
    CHAIN_COLUMNS,
    Chain,
    Head,
    Kept,
    Upload,
)
from meterseal.collector.rows import Row, rows_in, write_rows
from meterseal.collector.schema import BATCHES, CHAINS, QUARANTINE, QUARANTINE_USE

PAGE: Final = 500
_NOTHING: Final = "ON CONFLICT DO NOTHING"
_UPDATED: Final = "ON CONFLICT (id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in CHAIN_COLUMNS[3:]
)
_COLUMNS: Final = [CHAINS.c[name] for name in CHAIN_COLUMNS]
_OF_KEYS: Final = ("key-unknown", "key-revoked")
ChainKey = tuple[bytes, bytes]


class Store:
    """Batches in a database that is up to date (`Database.migrate`)."""

    def __init__(
        self, database: Database, quotas: Quotas | None = None, receipt_key: bytes = b""
    ) -> None:
        self._database = database
        self._quotas = quotas or Quotas()
        self.witness = Witness(receipt_key)

    def keep(self, uploads: Sequence[Upload]) -> list[list[Head]]:
        """Store all uploads in one durable transaction; for each, the heads of its chains.

        Sending twice is harmless. A number that is there already with another hash is stored
        beside it, as evidence.
        """
        kept = [batch for upload in uploads for batch in upload.kept]
        refused = [item for upload in uploads for item in upload.refused]
        with self._database.write() as connection:
            chains, forgotten = _keep(connection, kept)
            if refused:
                quarantine = Quarantine(connection, self._quotas)
                quarantine.keep(refused, now_unix_ms())
                quarantine.close()
            heads = [_heads(connection, chains, upload.kept) for upload in uploads]
        self.witness.notice(forgotten)
        return heads

    def release(self, kept: list[Kept], ids: Sequence[int]) -> None:
        """Let batches out of the quarantine, where they are the rows `ids`, into their chains."""
        with self._database.write() as connection:
            _keep(connection, kept)
            quarantine = Quarantine(connection, self._quotas)
            quarantine.remove(ids)
            quarantine.close()

    def quarantined(self, devices: Collection[bytes]) -> list[bytes]:
        """Those of some devices of which something is in quarantine."""
        with self._database.read() as connection:
            scopes = connection.execute(select(QUARANTINE_USE.c.scope)).scalars().all()
        return [scope for scope in scopes if scope in devices]

    def quarantined_of(self, device: bytes, after: int, count: int) -> list[tuple[int, bytes]]:
        """Id and bytes of what waits for a key to be known or valid; ids above `after`."""
        query = (
            select(QUARANTINE.c.id, QUARANTINE.c.raw)
            .where(QUARANTINE.c.device == device, QUARANTINE.c.id > after)
            .where(QUARANTINE.c.code.in_(_OF_KEYS))
            .order_by(QUARANTINE.c.id)
            .limit(count)
        )
        with self._database.read() as connection:
            return [(row.id, row.raw) for row in connection.execute(query)]

    def check(self) -> None:
        """Raises CollectorError `collector-store` unless the database can be written."""
        with self._database.write():
            pass

    def heads(self, device: bytes) -> list[Head]:
        """Heads of every chain of a device (kid, 8 bytes)."""
        with self._database.read() as connection:
            rows = connection.execute(select(*_COLUMNS).where(CHAINS.c.device == device))
            return [_head(connection, Chain(*row)) for row in rows.all()]

    def raw_batches(self, device: bytes | None = None) -> Iterator[bytes]:
        """Every verified batch, by chain and number, as it came; no transaction stays open."""
        place = BATCHES.c.chain_id, BATCHES.c.number, BATCHES.c.id
        query = select(*place, BATCHES.c.raw).order_by(*place).limit(PAGE)
        if device is not None:
            query = query.join(CHAINS).where(CHAINS.c.device == device)
        last: tuple[int, int, int] | None = None
        while True:
            page = query if last is None else query.where(tuple_(*place) > tuple_(*last))
            with self._database.read() as connection:
                rows = connection.execute(page).all()
            for row in rows:
                yield row.raw
            if len(rows) < PAGE:
                return
            last = rows[-1][:3]

    def newest_batches(self, device: bytes, count: int) -> list[bytes]:
        """The last verified batches of a device, by chain and number."""
        query = select(BATCHES.c.raw).join(CHAINS, CHAINS.c.id == BATCHES.c.chain_id)
        query = query.where(CHAINS.c.device == device)
        query = query.order_by(BATCHES.c.chain_id.desc(), BATCHES.c.number.desc()).limit(count)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())[::-1]


def _keep(
    connection: Connection, kept: list[Kept]
) -> tuple[dict[ChainKey, Chain], list[Forgotten]]:
    """Store batches; the chains as they are afterwards, and what they show to be forgotten."""
    chains = _chains(connection, list({batch[:2] for batch in kept}))
    forgotten = _keep_batches(connection, chains, kept, now_unix_ms())
    rows = [chain.row() for chain in chains.values()]
    write_rows(connection, CHAINS, CHAIN_COLUMNS, rows, _UPDATED)
    return chains, forgotten


def _chains(connection: Connection, keys: list[ChainKey]) -> dict[ChainKey, Chain]:
    """States of chains, those that are new included."""
    found = _known_chains(connection, keys)
    new = [(*key, 0, b"", 0, 0, 0) for key in keys if key not in found]
    if new:
        write_rows(connection, CHAINS, CHAIN_COLUMNS[1:], new, _NOTHING)
        found |= _known_chains(connection, [(row[0], row[1]) for row in new])
    return found


def _known_chains(connection: Connection, keys: list[ChainKey]) -> dict[ChainKey, Chain]:
    found = {}
    rest = iter(keys)
    while some := list(islice(rest, PAGE)):
        wanted = set(some)
        for row in rows_in(connection, CHAINS, CHAIN_COLUMNS, "chain", [key[1] for key in some]):
            if (row[1], row[2]) in wanted:
                found[row[1], row[2]] = Chain(*row)
    return found


def _keep_batches(
    connection: Connection, chains: dict[ChainKey, Chain], kept: list[Kept], now: int
) -> list[Forgotten]:
    """Those that simply come next in one statement, the others one by one."""
    rows: list[Row] = []
    others: dict[ChainKey, list[Kept]] = {}
    for batch in kept:
        key = batch[:2]
        chain = chains[key]
        if key not in others and chain.follows(batch):
            _, _, number, digest, previous, _, raw, _ = batch
            rows.append((chain.id, number, digest, previous, 1, raw, now))
            chain.advance(number, digest)
        else:
            others.setdefault(key, []).append(batch)
    write_rows(connection, BATCHES, BATCH_COLUMNS, rows, "")
    forgotten = []
    for key, batches in others.items():
        forgotten += claims(chains[key], batches)
        Linker(connection, chains[key], now).arrive(batches)
    return forgotten


def _heads(connection: Connection, chains: dict[ChainKey, Chain], kept: list[Kept]) -> list[Head]:
    """Heads of the chains that an upload names, as its own sender has them."""
    heads = []
    for key in dict.fromkeys(batch[:2] for batch in kept):
        head = _head(connection, chains[key])
        if chains[key].forked:
            own = [batch for batch in kept if batch[:2] == key]
            head = _own_head(connection, chains[key], head, own)
        heads.append(head)
    return heads


def _head(connection: Connection, chain: Chain) -> Head:
    missing = Linker(connection, chain, 0).missing() if chain.waiting else None
    return Head(chain.device, chain.chain, chain.number, chain.hash, missing)


def _own_head(connection: Connection, chain: Chain, head: Head, own: list[Kept]) -> Head:
    """A forked chain: the last linked batch among those that this sender sent just now."""
    sent = {(batch.number, batch.hash) for batch in own}
    numbers = [number for number, _ in sent]
    query = select(BATCHES.c.number, BATCHES.c.hash).where(
        BATCHES.c.chain_id == chain.id,
        BATCHES.c.linked == 1,
        BATCHES.c.number.between(min(numbers), max(numbers)),
    )
    linked = {(row.number, row.hash) for row in connection.execute(query)}
    number, digest = max(linked & sent, default=(0, b""))
    return head._replace(number=number, hash=digest)
