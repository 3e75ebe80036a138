"""The collector's receipts: which of them is stated in a batch, and when.

A receipt names the highest batch that the collector holds, so a newer one says all that older ones
said: stating the newest once a day is as good as stating each, and costs a fraction. What the
collector sends is foreign: what does not look like a receipt, or would not fit, is left out.
"""

from agent import forget, log

from ..constant import const

_EVERY = const(24)  # batches: a day, at the defaults


class Receipts:
    """The newest receipt until it is stated."""

    def __init__(self):
        self._newest = None
        self._offered = None
        self._due = 0  # number of the batch from which on one may be stated again

    def take(self, receipt):
        """Keep a receipt that came with an accepted acknowledgement."""
        from agent import foreign  # only now: see forget

        if foreign.is_receipt(receipt):
            self._newest = receipt
        else:
            log.warn("uplink", "receipt", code="receipt-malformed", length=len(receipt))
        del foreign
        forget.modules("foreign")

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
