"""What goes into the store and what comes out of it."""

from typing import NamedTuple


class LostRange(NamedTuple):
    """Batches `first` to `last` that a device states as lost; `last_hash`: of batch `last`."""

    first: int
    last: int
    last_hash: bytes


class Kept(NamedTuple):
    """A batch that verified."""

    device: bytes
    chain: bytes
    number: int
    hash: bytes
    previous: bytes | None
    lost: tuple[LostRange, ...]
    raw: bytes
    receipt: bytes = b""
    """The newest one that the device holds, if it states one."""


UNKNOWN, CLAIMED, SIGNED = range(3)
"""What speaks for bytes that did not verify: nothing; they name a known device but it did not sign
them; it did, and something else is wrong with them."""


class Refused(NamedTuple):
    """Bytes that did not verify, and the stable code of the reason.

    `device`: the kid that they name, empty if none; `standing`: one of the above.
    """

    code: str
    raw: bytes
    device: bytes = b""
    standing: int = UNKNOWN


class Upload(NamedTuple):
    """What one request brought, taken apart."""

    kept: list[Kept]
    refused: list[Refused]


class Head(NamedTuple):
    """How far a chain is whole: batch `number` (0: not even its first one is here) and its hash.

    `missing`: from which number on the device should send again, if something lies beyond a gap.
    """

    device: bytes
    chain: bytes
    number: int
    hash: bytes
    missing: int | None


class Chain:
    """State of a chain while a transaction lasts; the columns of table `chains`."""

    __slots__ = ("chain", "device", "forked", "hash", "highest", "id", "number", "waiting")

    def __init__(
        self,
        id: int,
        device: bytes,
        chain: bytes,
        number: int,
        hash: bytes,
        highest: int,
        waiting: int,
        forked: int,
    ) -> None:
        self.id, self.device, self.chain = id, device, chain
        self.number, self.hash, self.highest = number, hash, highest
        self.waiting, self.forked = waiting, forked

    def follows(self, batch: Kept) -> bool:
        """Whether `batch` simply continues this chain, of which nothing is missing."""
        return (
            batch.number == self.highest + 1 == self.number + 1
            and not batch.lost
            and (self.number == 0 or batch.previous == self.hash)
        )

    def advance(self, number: int, digest: bytes) -> None:
        """A linked batch that is now the last one, if it is beyond the present one."""
        if number > self.number:
            self.number, self.hash = number, digest
        self.highest = max(self.highest, number)

    def row(self) -> tuple[int | bytes, ...]:
        """Values in the order of COLUMNS."""
        return tuple(getattr(self, name) for name in CHAIN_COLUMNS)


CHAIN_COLUMNS = ("id", "device", "chain", "number", "hash", "highest", "waiting", "forked")
BATCH_COLUMNS = ("chain_id", "number", "hash", "previous", "linked", "raw", "received_unix_ms")
