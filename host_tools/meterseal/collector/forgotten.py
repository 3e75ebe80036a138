"""Notices that this collector has forgotten what it acknowledged: an older backup was restored.

A station states the newest receipt that it holds in each batch. If one signed by this collector
names a number beyond the head of the chain as it is here, something is missing that was here. The
answer asks the station for it in any case (`resend`); a person should know, too.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from meterseal.audit.receipts import acks_of
from meterseal.collector.records import Chain, Kept
from meterseal.errors import VerificationError

_MOST_NOTICED: Final = 100_000
_LOG: Final = logging.getLogger(__name__)


class Forgotten(NamedTuple):
    """This collector acknowledged batch `stated` of a chain of which it holds `held`."""

    device: bytes
    chain: bytes
    stated: int
    held: int
    receipt: bytes


def claims(chain: Chain, batches: Sequence[Kept]) -> list[Forgotten]:
    """What receipts in batches say beyond the head; who signed them has not been looked at."""
    found = []
    for batch in batches:
        stated = stated_number(batch.receipt, batch.device, batch.chain)
        if stated > chain.number:
            place = batch.device, batch.chain, stated, chain.number
            found.append(Forgotten(*place, batch.receipt))
    return found


def stated_number(receipt: bytes, device: bytes, chain: bytes) -> int:
    """The number that a receipt names for a chain, by its layout; 0: it does not name it."""
    entry = b"\x84\x48%b\x50%b" % (device, chain)
    at = receipt.find(entry)
    if at < 0:
        return 0
    rest = receipt[at + len(entry) :]
    if not rest or rest[0] > 27:
        return 0
    return rest[0] if rest[0] < 24 else int.from_bytes(rest[1 : 1 + (1 << rest[0] - 24)], "big")


class Witness:
    """Checks claims against the key of the receipts (65 bytes; empty: nothing is noticed)."""

    def __init__(self, receipt_key: bytes) -> None:
        self._key = receipt_key
        self._noticed: dict[tuple[bytes, bytes], int] = {}
        self.count = 0
        """Of chains of which something was found to be forgotten, so far."""
        self.alert: Callable[[Forgotten], object] = lambda _: None
        """Called for each of them, in the thread that stores."""

    def notice(self, found: Sequence[Forgotten]) -> None:
        """Count and say what is new and really signed by this collector."""
        for one in found:
            name = one.device, one.chain
            if one.stated <= self._noticed.get(name, 0) or not self._is_ours(one):
                continue
            if len(self._noticed) >= _MOST_NOTICED:
                self._noticed.clear()
            self.count += name not in self._noticed
            self._noticed[name] = one.stated
            _LOG.error(
                "station %s holds a receipt for batch %d of chain %s, of which %d are here: "
                "was an older backup restored? The station is asked to send again",
                one.device.hex(),
                one.stated,
                one.chain.hex(),
                one.held,
            )
            self.alert(one)

    def _is_ours(self, one: Forgotten) -> bool:
        if not self._key:
            return False
        try:
            acks = acks_of(one.receipt, self._key, "")
        except VerificationError:
            return False
        names = one.device, one.chain, one.stated
        return any((ack.device, ack.chain, ack.number) == names for ack in acks)
