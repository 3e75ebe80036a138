"""Readings that were never sealed, stated until an acknowledgement covers a batch that says so.

A jump of the sequence numbers is stated in the batch that begins behind it (WIRE_FORMAT.md section
7, kind 1) and repeated in the following ones, across restarts, so the ranges live in the state
store. They are written before the batch that first states them: what a power cut in between
leaves, the next attempt retracts. A range never covers a reading that a batch holds.
"""

import binascii
import struct

from agent import cbor
from agent.constant import const

NAME = "lost"
REASON_FULL = 1
REASON_UNREADABLE = 2
REASON_WIPED = 3

_RANGE = const(">QQBQHH")  # first, last, reason, stated in, bytes of `before`, bytes of `after`
_MAX_BLOB_LEN = const(3000)  # below what NVS takes; some 70 ranges
_NO_EDGES = const(b"\x80")
_KIND_READINGS = const(1)


class LostReadings:
    """Ranges not yet known to the collector: (first, last, reason, stated_in, before, after)."""

    def __init__(self, store):
        self._store = store
        self.ranges = _parse(store.get(NAME))

    def add(self, first, last, reason, stated_in, before, after):
        """State `first` to `last`; edges: lists of (profile, unit, function, address, words)."""
        noted = (first, last, reason, stated_in, cbor.encode(before), cbor.encode(after))
        self._set(_fitting(self.ranges + [noted]))

    def retract(self, first):
        """Drop what an attempt that a power cut ended noted from reading `first` on."""
        kept = [r for r in self.ranges if r[0] < first]
        if len(kept) < len(self.ranges):
            self._set(kept)

    def acknowledged(self, number):
        """Forget what batch `number` or an earlier one of this chain stated."""
        kept = [r for r in self.ranges if r[3] > number]
        if len(kept) < len(self.ranges):
            self._set(kept)

    def restate(self):
        """A new chain begins: its first batch states everything again."""
        if self.ranges:
            self._set([r[:3] + (1,) + r[4:] for r in self.ranges])

    def wire(self):
        """The `lost` entries of section 7."""
        return [
            (_KIND_READINGS, r[0], r[1], r[2], b"", r[0], r[1], cbor.Raw(r[4]), cbor.Raw(r[5]))
            for r in self.ranges
        ]

    def _set(self, ranges):
        out = bytearray()
        for r in ranges:
            out.extend(struct.pack(_RANGE, r[0], r[1], r[2], r[3], len(r[4]), len(r[5])))
            out.extend(r[4])
            out.extend(r[5])
        self._store.set(NAME, bytes(out) + _crc(out))
        self.ranges = ranges


def _blob_len(ranges):
    size = struct.calcsize(_RANGE)
    return 4 + sum(size + len(r[4]) + len(r[5]) for r in ranges)


def _fitting(ranges):
    """What the store can hold: the oldest, stated often by now, lose edges first, then go."""
    for i in range(len(ranges)):
        if _blob_len(ranges) <= _MAX_BLOB_LEN:
            break
        ranges[i] = ranges[i][:4] + (_NO_EDGES, _NO_EDGES)
    while _blob_len(ranges) > _MAX_BLOB_LEN:
        ranges.pop(0)
    return ranges


def _parse(blob):
    """The ranges of a blob; none if it is damaged: each of them was stated at its jump."""
    if not blob or len(blob) < 4 or _crc(blob[:-4]) != blob[-4:]:
        return []
    ranges = []
    offset = 0
    size = struct.calcsize(_RANGE)
    while offset < len(blob) - 4:
        f = struct.unpack(_RANGE, blob[offset : offset + size])
        middle = offset + size + f[4]
        end = middle + f[5]
        ranges.append(f[:4] + (blob[offset + size : middle], blob[middle:end]))
        offset = end
    return ranges


def _crc(data):
    return (binascii.crc32(data) & 0xFFFFFFFF).to_bytes(4, "big")
