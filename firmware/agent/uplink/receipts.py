"""The collector's receipts: which of them is stated in a batch, and when.

A receipt names the highest batch that the collector holds, so a newer one says all that older ones
said: stating the newest once a day is as good as stating each, and costs a fraction. What the
collector sends is foreign: what does not look like a receipt, or would not fit, is left out.
"""

from agent import cbor, log

from ..constant import const

_MOST_BYTES = const(1024)  # WIRE_FORMAT.md section 3, key 19
_HEAD = const(b"\xd2\x84\x51\xa3\x01\x26\x03\x19\xfd\xec\x04\x48")  # ES256, content type 65004
_PAYLOAD = const(21)  # behind tag, array, protected header and the empty map
_SIGNATURE = const(66)  # with its head
_EVERY = const(24)  # batches: a day, at the defaults


class Receipts:
    """The newest receipt until it is stated."""

    def __init__(self):
        self._newest = None
        self._offered = None
        self._due = 0  # number of the batch from which on one may be stated again

    def take(self, receipt):
        """Keep a receipt that came with an accepted acknowledgement."""
        if is_receipt(receipt):
            self._newest = receipt
        else:
            log.warn("uplink", "receipt", code="receipt-malformed", length=len(receipt))

    def offer(self, number):
        """The receipt that batch `number` is to state, or None."""
        self._offered = self._newest if number >= self._due else None
        return self._offered

    def sealed(self, number):
        """Batch `number` is durable: what it states is not stated again."""
        if self._offered is None:
            return
        if self._newest == self._offered:
            self._newest = None
        self._offered = None
        self._due = number + _EVERY


def is_receipt(found):
    """Whether the bytes have the form of a collector receipt, whoever signed it."""
    rest = len(found) - _PAYLOAD - _SIGNATURE
    if rest < 1 or len(found) > _MOST_BYTES or found[: len(_HEAD)] != _HEAD:
        return False
    head = bytearray()
    for size in (1, 2, 3):  # of the head of the payload, in its shortest form
        if rest - size < (24, 256, _MOST_BYTES)[size - 1]:
            cbor.append_head(head, 0x40, rest - size)
            break
    at = _PAYLOAD + len(head)
    return found[_PAYLOAD - 1 : at] == b"\xa0" + head and found[-_SIGNATURE:][:2] == b"\x58\x40"
