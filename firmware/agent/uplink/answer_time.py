"""Since when an answer can have been given: what its time may be believed for.

By way of a broker an answer may be the one to an earlier request. None of those can name a batch
that was sent with this request for the first time; and the first request of a boot can only meet
what is answered while it listens. Must never give a moment before which nobody listened.
"""


class AnswerTime:
    """`connection`: see kept.KeptConnection; `sealer` knows the chain and its newest batch."""

    def __init__(self, connection, sealer):
        self._connection = connection
        self._sealer = sealer
        self._known = sealer.number  # the newest when a request was last sent, or at the start
        self._new_hash = None  # of a batch that no earlier request can have held
        self._requests = 0

    def asking(self, number, hash_32):
        """A request goes out whose last batch is this one; 0: it holds none."""
        self._new_hash = hash_32 if number > self._known else None
        self._known = self._sealer.number
        self._requests += 1

    def since_ms(self, acks):
        """Monotonic time after which this answer was given; None if nobody knows."""
        heard_from_ms = self._connection.heard_from_ms
        chain_16 = self._sealer.chain_16
        named = [hash_32 for acked_16, _, hash_32 in acks if acked_16 == chain_16]
        if heard_from_ms is None or self._new_hash in named:
            return self._connection.sent_ms
        return heard_from_ms if self._requests == 1 else None
