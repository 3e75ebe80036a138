"""What the tables of a collector's database say beside the bytes, held against the bytes.

The tables serve the collector; nothing is proven by them. Whoever changes them lies to stations
(heads), or hides that two contents were signed for one number (forks).
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, func, select

from meterseal.collector.schema import BATCHES, CHAINS, EQUIVOCATIONS
from meterseal.errors import Error
from meterseal.verify.chain import ChainState
from meterseal.wire.cbor import decode_map
from meterseal.wire.envelope import open_envelope

CODE: Final = "table-differs"
Note = Callable[[str], None]
"""Takes what differs."""


class RowClaim(NamedTuple):
    """Columns beside the bytes of a batch."""

    device: bytes
    chain: bytes
    number: int
    hash: bytes
    previous: bytes | None
    linked: int


class ChainClaim(NamedTuple):
    """What the tables say of a chain. `lost_forks`: numbers whose second content is not there."""

    chain: bytes
    number: int
    hash: bytes
    forked: int
    lost_forks: tuple[int, ...]


class Linked(NamedTuple):
    """Of the rows of a chain: the highest number said to be linked, the lowest said not to be."""

    highest: int = 0
    lowest_not: int = 1 << 63


class TableCheck:
    """Holds the rows of one device against their bytes as they pass, and the chains at the end."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._linked: dict[bytes, Linked] = {}

    def row(self, raw: bytes, claim: RowClaim) -> None:
        """A batch and the columns beside it."""
        try:
            envelope = open_envelope(raw)
            payload = decode_map(envelope.payload)
            truth = envelope.kid, payload[1], payload[2], envelope.digest, payload.get(3)
        except (Error, KeyError):
            return  # the verdict on the bytes says it
        if claim[:5] != truth:
            what = "batch {} of another chain, device or content than the bytes"
            self._note(f"the tables say {what.format(claim.number)}")
        known = self._linked.get(claim.chain, Linked())
        self._linked[claim.chain] = (
            known._replace(highest=max(known.highest, claim.number))
            if claim.linked
            else known._replace(lowest_not=min(known.lowest_not, claim.number))
        )

    def chain(self, claim: ChainClaim, state: ChainState | None, forked: bool) -> None:
        """What the tables say of a chain. `state`: as sealed; `forked`: a fork was seen."""
        name = claim.chain.hex()[:8]
        for number in claim.lost_forks:
            self._note(f"two contents of batch {number} of chain {name} came, one is gone")
        if claim.forked and not forked and not claim.lost_forks:
            self._note(f"the tables say that chain {name} is forked, the bytes show no fork")
        if forked:
            return  # each branch has a head of its own
        reached = state.last_number if state else 0
        missing = first_missing(state) if state else 1
        end = 1 << 63 if missing is None else missing
        same = state is not None and claim.hash == state.last_hash
        if claim.number > min(reached, end) or (claim.number == reached and not same):
            text = f"the tables say that chain {name} is whole up to batch {claim.number}"
            self._note(f"{text}, the bytes reach batch {min(reached, end - 1)}")
        self._links(name, self._linked.get(claim.chain, Linked()), end)

    def _links(self, name: str, linked: Linked, end: int) -> None:
        """Linked is what stands before the first batch that is missing without a statement."""
        if linked.highest > end:
            text = f"the tables say that batch {linked.highest} of chain {name} is linked"
            self._note(f"{text}, although batch {end} is missing")
        if linked.lowest_not < end:
            text = f"the tables say that batch {linked.lowest_not} of chain {name} waits"
            self._note(f"{text}, although nothing before it is missing")


def first_missing(state: ChainState) -> int | None:
    """The first number that is not there and not stated as lost; None if the chain is whole."""
    gaps = [(1, state.first_number - 1)] + [(gap.first, gap.last) for gap in state.gaps]
    found = [part for first, last in gaps for part in state.stated.numbers.missing(first, last)]
    return min((first for first, _ in found), default=None)


def chain_claims(connection: Connection, device: bytes) -> list[ChainClaim]:
    """What the tables of a database say of the chains of a device."""
    columns = (CHAINS.c.id, CHAINS.c.chain, CHAINS.c.number, CHAINS.c.hash, CHAINS.c.forked)
    chains = connection.execute(select(*columns).where(CHAINS.c.device == device)).all()
    forks = connection.execute(_lost_forks(device)).all()
    lost: dict[int, list[int]] = {}
    for row in forks:
        lost.setdefault(row.chain_id, []).append(row.number)
    return [
        ChainClaim(row[1], row[2], row[3], row[4], tuple(lost.get(row[0], ()))) for row in chains
    ]


def _lost_forks(device: bytes) -> Select[Any]:
    """Numbers with an equivocation on record of which not both contents are there."""
    evidence = (
        select(func.count())
        .where(
            BATCHES.c.chain_id == EQUIVOCATIONS.c.chain_id,
            BATCHES.c.number == EQUIVOCATIONS.c.number,
        )
        .scalar_subquery()
    )
    named = (
        select(func.count())
        .where(
            BATCHES.c.chain_id == EQUIVOCATIONS.c.chain_id,
            BATCHES.c.number == EQUIVOCATIONS.c.number,
            BATCHES.c.hash == EQUIVOCATIONS.c.hash,
        )
        .scalar_subquery()
    )
    query = select(EQUIVOCATIONS.c.chain_id, EQUIVOCATIONS.c.number).join(CHAINS)
    query = query.where(CHAINS.c.device == device).where((evidence < 2) | (named < 1))
    return query.distinct().order_by(EQUIVOCATIONS.c.number)
