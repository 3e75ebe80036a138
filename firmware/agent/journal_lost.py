"""Batches that can no longer be delivered, as a short list of ranges.

Pure. Ranges of one reason that touch become one; the list has a limit, beyond which the two oldest
become their hull (what lies between has been acknowledged). A range stays until an acknowledgement
covers the first batch that stated it; one that grew has to be stated anew. A batch states what was
read from here before it was sealed, no more. This list must never shrink for any other reason.
"""

import struct
from collections import namedtuple

from agent.constant import const

REASON_FULL = 1
REASON_UNREADABLE = 2
REASON_GONE = 4  # acknowledged once, and no longer held when a collector asked again

# Meaning of WIRE_FORMAT.md section 7, kind 0; `last_hash` is 32 zero bytes where it is not known.
Lost = namedtuple("Lost", "first last reason last_hash first_sequence last_sequence")

LIMIT = 8
_RESERVED = const(3)  # places that unreadable batches leave to what is overwritten
_FIXED = const(">BIIIIIB")


class LostList:
    """The ranges, oldest first, each with the number of the first batch that states it."""

    def __init__(self):
        self._items = []  # (Lost, number of the first batch that states it or 0)
        self._offered = []

    def ranges(self):
        """The ranges as a new list of Lost; the next batch sealed is taken to state them."""
        self._offered = [lost for lost, _ in self._items]
        return list(self._offered)

    def sealed(self, number):
        """Batch `number` states what was offered."""
        offered = self._offered
        self._items = [
            (lost, number if not stated and lost in offered else stated)
            for lost, stated in self._items
        ]
        self._offered = []

    def covers(self, first, last):
        """Whether one range holds first to last already."""
        return any(lost.first <= first and last <= lost.last for lost, _ in self._items)

    def has_room(self, acknowledged):
        """Whether an unreadable batch can be noted now; it is found again when there is room.

        To make room, what was stated goes once the acknowledgement has passed the range itself:
        the collector can only have passed the gap because it knows the statement.
        """
        if len(self._items) >= LIMIT - _RESERVED:
            self._items = [
                x
                for x in self._items
                if not x[1] or x[0].last > acknowledged or x[0].reason == REASON_GONE
            ]
        return len(self._items) < LIMIT - _RESERVED

    def add(self, lost):
        """Add a range; touching ranges of its reason grow it, ranges within it go."""
        keep = []
        for item in self._items:
            old = item[0]
            if lost.first <= old.first and old.last <= lost.last:
                continue
            if _touches(old, lost):
                lost = _hull(old, lost)
                continue
            keep.append(item)
        keep.append((lost, 0))
        keep.sort(key=lambda item: item[0].first)
        if len(keep) > LIMIT:
            keep[0:2] = [(_hull(keep[0][0], keep[1][0]), 0)]
        self._items = keep

    def acknowledged(self, number):
        """Forget what batch `number` or one before it stated."""
        self._items = [item for item in self._items if not 0 < item[1] <= number]

    def restart(self):
        """Ranges of an ended chain cannot be stated in the new one; how many went."""
        gone = len(self._items)
        self._items = []
        return gone

    def pack(self):
        """Bytes for the STATE record."""
        out = bytearray((len(self._items),))
        for lost, stated in self._items:
            numbers = (lost.first, lost.last, lost.first_sequence, lost.last_sequence + 1, stated)
            out.extend(struct.pack(_FIXED, lost.reason, *numbers, len(lost.last_hash)))
            out.extend(lost.last_hash)
        return bytes(out)

    def unpack(self, data, offset):
        """Read what `pack` wrote at `offset`; the offset behind it."""
        self._items = []
        count = data[offset]
        offset += 1
        size = struct.calcsize(_FIXED)
        for _ in range(count):
            fields = struct.unpack(_FIXED, data[offset : offset + size])
            reason, first, last, first_sequence, end_sequence, stated, length = fields
            offset += size
            last_hash = bytes(data[offset : offset + length])
            offset += length
            lost = Lost(first, last, reason, last_hash, first_sequence, end_sequence - 1)
            self._items.append((lost, stated))
        return offset


def _touches(old, new):
    same = old.reason == new.reason
    return same and old.first <= new.last + 1 and new.first <= old.last + 1


def _hull(old, new):
    upper = new if new.last >= old.last else old
    lower = old if old.first <= new.first else new
    sequences = (lower.first_sequence, upper.last_sequence)
    return Lost(lower.first, upper.last, upper.reason, upper.last_hash, *sequences)
