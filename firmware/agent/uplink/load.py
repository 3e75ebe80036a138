"""What one request carries: the oldest batches that fit and, where batches are lost, the newest.

Batches are read one at a time, when they are sent. Must never offer one that the sealer does not
release (`may_send`).
"""

import gc

from ..constant import const

_MOST_BATCHES = const(1000)  # in one request
_PLACE_LEN = const(1024)  # memory for where a batch stands, 64-bit pointers


class Load:
    """`reads`: functions that give the bytes of a batch, `length` of them all; `numbers`: of the
    batches, a mere statement apart; `last_hash`: of the last of them, if it is known.
    """

    def __init__(self):
        self.reads = []
        self.length = 0
        self.numbers = []
        self.last_hash = None

    def add(self, read, size):
        """One more, behind the others."""
        self.reads.append(read)
        self.length += size

    def drop(self):
        """One less: the last."""
        self.length -= len(self.reads.pop()())
        self.numbers.pop()
        self.last_hash = None  # of the one that is the last now nobody knows it


def fill(journal, sealer, most_bytes, newest_too):
    """The Load of the next request. `newest_too`: even if no other fits beside a statement."""
    load = Load()
    most_bytes, most_batches = _room(most_bytes)
    for number, hash_32, read in journal.batches():
        if not sealer.may_send(hash_32) or len(load.reads) == most_batches:
            break
        size = len(read())
        if load.reads and load.length + size > most_bytes:
            break
        load.add(read, size)
        load.numbers.append(number)
        load.last_hash = hash_32
    if load.reads and journal.lost:
        _add_statement(load, journal, sealer, most_bytes, newest_too)
    return load


def _add_statement(load, journal, sealer, most_bytes, newest_too):
    """The newest batch too, where batches are lost: only the statement that it makes lets the
    collector acknowledge what stands behind the gap, and the backlog may be long. If no other
    fits beside it, the oldest and it go in turn, from one failure to the next.
    """
    for _, hash_32, read in journal.batches(sealer.number):
        newest = read()
        if not sealer.may_send(hash_32) or newest == load.reads[-1]():
            break
        size = len(newest)
        if len(load.reads[0]()) + size > most_bytes and not newest_too:
            break
        while load.reads and load.length + size > most_bytes:
            load.drop()
        load.add(read, size)


def _room(most_bytes):
    """(most bytes, most batches): as configured, less with little memory.

    What waits in the sockets takes memory as well, and so does knowing where each batch stands.
    """
    if not hasattr(gc, "mem_free"):
        return most_bytes, _MOST_BATCHES
    gc.collect()
    free = gc.mem_free()
    return min(most_bytes, free // 2), min(_MOST_BATCHES, free // 4 // _PLACE_LEN + 1)
