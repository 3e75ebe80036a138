"""Acknowledgements that others hold, against the batches that are there.

The verifier remembers the hashes of a chain's newest batches; whatever was acknowledged before
those is looked up in a second pass over the bytes. An acknowledgement is never taken for right
because it could not be compared.
"""

from collections.abc import Callable, Iterable
from typing import Final

from meterseal.audit.receipts import Ack
from meterseal.errors import Error
from meterseal.verify.chain import KEPT_HASH_LEN, ChainState
from meterseal.wire.cbor import decode_map
from meterseal.wire.envelope import open_envelope

MAX_WAITING: Final = 10_000
"""So many acknowledgements wait for a second pass; then it is made."""
Note = Callable[[str, str], None]
"""Takes the code and the text of an error."""


class Acknowledged:
    """Compares acknowledgements of one device. `batches`: all its bytes, anew at each call."""

    def __init__(self, batches: Callable[[], Iterable[bytes]], note: Note) -> None:
        self._batches = batches
        self._note = note
        self._waiting: dict[Ack, None] = {}

    def hold(self, ack: Ack, chain: ChainState | None) -> None:
        """Compare with the chain as it is by now, or remember it for `conclude`."""
        reached = chain.last_number if chain else 0
        known = chain.history.get(ack.number) if chain else None
        if reached < ack.number:
            self._note("head-missing", missing_text(ack, reached))
        elif known is None:
            self._wait(ack)
        elif known != ack.hash[:KEPT_HASH_LEN]:
            self._differs(ack)

    def conclude(self) -> None:
        """Look up whatever still waits."""
        waiting, self._waiting = list(self._waiting), {}
        if not waiting:
            return
        wanted = {(ack.device, ack.chain, ack.number) for ack in waiting}
        there = _hashes(self._batches(), wanted)
        for ack in waiting:
            hashes = there.get((ack.device, ack.chain, ack.number))
            if hashes is None:
                text = f"{ack.source} acknowledges batch {ack.number}"
                self._note("head-missing", f"{text} of chain {_name(ack)}, which is not there")
            elif ack.hash not in hashes:
                self._differs(ack)

    def _wait(self, ack: Ack) -> None:
        self._waiting[ack] = None
        if len(self._waiting) >= MAX_WAITING:
            self.conclude()

    def _differs(self, ack: Ack) -> None:
        text = f"batch {ack.number} of chain {_name(ack)} is another one than {ack.source}"
        self._note("head-differs", f"{text} acknowledges")


def missing_text(ack: Ack, reached: int) -> str:
    """What an acknowledgement says that the collector cannot show."""
    text = f"{ack.source} acknowledges batch {ack.number} of chain {_name(ack)}"
    return f"{text}, found batches up to {reached}"


def _name(ack: Ack) -> str:
    return ack.chain.hex()[:8]


Place = tuple[bytes, bytes, int]


def _hashes(batches: Iterable[bytes], wanted: set[Place]) -> dict[Place, set[bytes]]:
    """Batch hashes of the wanted places, without another look at signatures."""
    found: dict[Place, set[bytes]] = {}
    for raw in batches:
        try:
            envelope = open_envelope(raw)
            payload = decode_map(envelope.payload)
        except Error:
            continue  # it was refused already
        place = envelope.kid, payload.get(1), payload.get(2)
        if place in wanted:
            found.setdefault(place, set()).add(envelope.digest)
    return found
