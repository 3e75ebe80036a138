"""Batches that do not simply come next: gaps, late ones, stated losses, forks, repetitions.

A batch is linked if it is the first of its chain, if `previous` is the hash of a linked batch, or
if it is that of the last batch of a stated loss that begins right behind something linked. Forks
are linked too, each on its own: both are evidence, and each device gets its own acknowledged.
"""

from sqlalchemy import Connection, select, update

from meterseal.collector.records import BATCH_COLUMNS, Chain, Kept, LostRange
from meterseal.collector.rows import write_rows
from meterseal.collector.schema import BATCHES, EQUIVOCATIONS, LOST_RANGES

_NOTHING = "ON CONFLICT DO NOTHING"


class Linker:
    """Puts batches of one chain in their place, inside a transaction of the store."""

    def __init__(self, connection: Connection, chain: Chain, now_unix_ms: int) -> None:
        self._connection = connection
        self._chain = chain
        self._now = now_unix_ms
        self._losses: list[LostRange] | None = None

    def arrive(self, batches: list[Kept]) -> None:
        """Store what is new and link whatever it completes."""
        self._keep_statements([lost for batch in batches for lost in batch.lost])
        for batch in sorted(batches, key=lambda batch: batch.number):
            self._keep(batch)
        for lost in self._stated():
            self._link_behind(lost)
        self._chain.waiting = int(self._first_waiting() is not None)

    def missing(self) -> int | None:
        """The number from which the device should send again; None if nothing waits."""
        first = self._first_waiting()
        if first is None:
            return None
        needed = self._needed()
        return needed if needed < first else max(1, first - 1)

    def _keep_statements(self, statements: list[LostRange]) -> None:
        rows = [(self._chain.id, *lost) for lost in dict.fromkeys(statements)]
        names = ("chain_id", "first", "last", "last_hash")
        write_rows(self._connection, LOST_RANGES, names, rows, _NOTHING)

    def _keep(self, batch: Kept) -> None:
        others = self._hashes(batch.number)
        if batch.hash in others:
            return
        if others:
            self._equivocation(batch)
        row = (
            self._chain.id,
            batch.number,
            batch.hash,
            batch.previous,
            0,
            batch.raw,
            self._now,
        )
        write_rows(self._connection, BATCHES, BATCH_COLUMNS, [row], "")
        self._chain.highest = max(self._chain.highest, batch.number)
        if self._can_link(batch.number, batch.previous):
            self._link(batch.number, batch.hash)

    def _equivocation(self, batch: Kept) -> None:
        self._chain.forked = 1
        row = (self._chain.id, batch.number, batch.hash, self._now)
        names = ("chain_id", "number", "hash", "noticed_unix_ms")
        write_rows(self._connection, EQUIVOCATIONS, names, [row], _NOTHING)

    def _hashes(self, number: int) -> set[bytes]:
        of_number = (BATCHES.c.chain_id == self._chain.id) & (BATCHES.c.number == number)
        query = select(BATCHES.c.hash).where(of_number)
        return set(self._connection.execute(query).scalars())

    def _can_link(self, number: int, previous: bytes | None) -> bool:
        if previous is None:
            return number == 1
        if self._is_linked(number - 1, previous):
            return True
        return any(
            lost.last == number - 1 and lost.last_hash == previous and self._reached(lost.first)
            for lost in self._stated()
        )

    def _is_linked(self, number: int, digest: bytes) -> bool:
        query = select(BATCHES.c.linked).where(
            BATCHES.c.chain_id == self._chain.id,
            BATCHES.c.number == number,
            BATCHES.c.hash == digest,
        )
        return bool(self._connection.execute(query).scalar())

    def _reached(self, first: int) -> bool:
        """Whether the chain is whole up to the number before `first`, losses included."""
        return self._needed() >= first

    def _needed(self) -> int:
        """The first number behind the head that no stated loss covers."""
        needed = self._chain.number + 1
        for lost in self._stated():
            if lost.first <= needed <= lost.last:
                needed = lost.last + 1
        return needed

    def _stated(self) -> list[LostRange]:
        if self._losses is None:
            names = (LOST_RANGES.c.first, LOST_RANGES.c.last, LOST_RANGES.c.last_hash)
            query = select(*names).where(LOST_RANGES.c.chain_id == self._chain.id)
            query = query.order_by(LOST_RANGES.c.first, LOST_RANGES.c.last)
            self._losses = [LostRange(*row) for row in self._connection.execute(query)]
        return self._losses

    def _link_behind(self, lost: LostRange) -> None:
        if self._reached(lost.first):
            self._link_children(lost.last, lost.last_hash)

    def _link(self, number: int, digest: bytes) -> None:
        """Mark a batch as linked, and all that follow from it."""
        self._mark(number, digest)
        self._link_children(number, digest)

    def _link_children(self, number: int, digest: bytes) -> None:
        pending = [(number, digest)]
        while pending:
            number, digest = pending.pop()
            query = select(BATCHES.c.hash).where(
                BATCHES.c.chain_id == self._chain.id,
                BATCHES.c.number == number + 1,
                BATCHES.c.previous == digest,
                BATCHES.c.linked == 0,
            )
            for child in self._connection.execute(query).scalars().all():
                self._mark(number + 1, child)
                pending.append((number + 1, child))

    def _mark(self, number: int, digest: bytes) -> None:
        of_batch = (
            (BATCHES.c.chain_id == self._chain.id)
            & (BATCHES.c.number == number)
            & (BATCHES.c.hash == digest)
        )
        self._connection.execute(update(BATCHES).where(of_batch).values(linked=1))
        self._chain.advance(number, digest)

    def _first_waiting(self) -> int | None:
        query = (
            select(BATCHES.c.number)
            .where(BATCHES.c.chain_id == self._chain.id, BATCHES.c.linked == 0)
            .order_by(BATCHES.c.number)
            .limit(1)
        )
        found: int | None = self._connection.execute(query).scalar()
        return found
