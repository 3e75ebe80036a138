"""Records inside a sector: framing, checksums, and reading them past damage.

A record is kind, length (one byte, or two with bit 7 of the kind), payload and CRC: CRC-16 for
small kinds, CRC-32 for the journal's own. The CRC starts from the record's address, so that bytes
which were valid elsewhere are not valid here, and from the context in force, so that a reading can
never be taken for one of another context. DATA carries part of a batch and no CRC: the BATCH
record behind it covers it. Erased flash reads 0xFF and ends a sector; a zero byte is padding over
a torn write. Damage is skipped to the next record that holds; it is never accepted.
"""

import struct
from binascii import crc32

from agent.constant import const
from agent.journal_flash import SECTOR

try:
    from binascii import crc_hqx as crc16
except ImportError:  # MicroPython
    from agent.journal_crc import crc16

HEADER = 22  # sector header, see journal_ring
CONTEXT = 1
READING = 2
ANCHOR = 3
EVENT = 4
OCMF = 5  # a whole record, text
ACK = 8
STATE = 16
BATCH = 17
DATA = 18
DATA_OVERHEAD = 4

_LONG = const(0x80)
_PEEK = const(40)  # bytes read at once: a whole reading of four values
_SHORTEST = const(4)
_KINDS = (CONTEXT, READING, ANCHOR, EVENT, OCMF, ACK, STATE, BATCH, DATA)
_ERASED = const(0xFF)


def encode(kind, payload, address, bind=0):
    """The bytes of one record for `address`; `bind` is the `binding` of the context in force."""
    if len(payload) < 256:
        frame = bytearray((kind, len(payload)))
    else:
        frame = bytearray((kind | _LONG, len(payload) >> 8, len(payload) & 0xFF))
    frame.extend(payload)
    return bytes(frame) + _checksum(kind, frame, address, bind)


def binding(context):
    """What ties the records behind a context to it."""
    return crc16(context, 0)


def encoded_len(kind, payload_len):
    """Bytes that `encode` gives."""
    return (2 if payload_len < 256 else 3) + payload_len + _crc_len(kind)


def data_header(length):
    """Header of a DATA record: kind, length, and a check byte against a flipped length."""
    high, low = length >> 8, length & 0xFF
    return bytes((DATA, high, low, _data_check(high, low)))


def _data_check(high, low):
    return (DATA + 3 * high + 7 * low + 0x5A) & 0xFF ^ 0xA5


def _crc_len(kind):
    return 2 if kind < STATE else 4


def _checksum(kind, frame, address, bind):
    """Never looks erased: a write that was cut before its CRC is thus never taken for whole."""
    if kind >= STATE:
        crc = crc32(frame, address & 0xFFFFFFFF) & 0xFFFFFFFF
        return struct.pack(">I", crc if crc != 0xFFFFFFFF else 0x7FFFFFFF)
    seed = address ^ address >> 12 ^ address >> 24
    if kind in (READING, ANCHOR, EVENT):
        seed ^= bind
    crc = crc16(frame, seed & 0xFFFF)
    return struct.pack(">H", crc if crc != 0xFFFF else 0x7FFF)


class SectorReader:
    """The records of one sector, if it is the one of `epoch`; `bind` as its header has it."""

    def __init__(self, flash, sector, epoch, bind=0):
        self._flash = flash
        self._sector = sector
        self._base = epoch * SECTOR
        self._bind = bind

    def load(self, offset):
        """(kind, payload, end offset) of the valid record at `offset`, or None."""
        if SECTOR - offset < _SHORTEST:
            return None
        head = self._flash.read(self._sector, offset, min(_PEEK, SECTOR - offset))
        kind = head[0] & ~_LONG
        if kind not in _KINDS or head[0] == _ERASED:
            return None
        if kind == DATA:
            return _load_data(head, offset)
        start = 3 if head[0] & _LONG else 2
        body = start + (head[1] << 8 | head[2] if start == 3 else head[1])
        length = body + _crc_len(kind)
        if offset + length > SECTOR:
            return None
        if length > len(head):
            head = self._flash.read(self._sector, offset, length)
        if _checksum(kind, head[:body], self._base + offset, self._bind) != head[body:length]:
            return None
        return kind, head[start:body], offset + length

    def walk(self, offset=HEADER, report=None):
        """Yield (offset, kind, payload, end) of all that is valid; `report(from, to)` damage."""
        while offset < SECTOR:
            record = self.load(offset)
            if record:
                if record[0] == CONTEXT:
                    self._bind = binding(record[1])
                yield offset, record[0], record[1], record[2]
                offset = record[2]
                continue
            padded = self._skip_padding(offset)
            if padded == offset:
                padded = self._resync(offset)
                if padded is None:
                    return
                if report:
                    report(offset, padded)
            offset = padded

    def _skip_padding(self, offset):
        for start, part in self._flash.chunks(self._sector, offset, SECTOR):
            zeros = len(part) - len(bytes(part).lstrip(b"\x00"))
            if zeros < len(part):
                return start + zeros
        return SECTOR

    def _resync(self, offset):
        """Offset of the next record that holds and is not there by chance, or None."""
        end = self._flash.last_programmed(self._sector, offset)
        for at in range(offset + 1, end):
            record = self.load(at)
            if record and self._plausible(record, end):
                return at
        return None

    def _plausible(self, record, end):
        """Whether something valid, padding or (for records with a CRC) nothing follows."""
        kind, _, after = record
        if after >= end:
            return kind != DATA
        follower = self.load(after)
        if follower:
            return kind != DATA or follower[0] != DATA
        return kind != DATA and self._flash.read(self._sector, after, 1)[0] == 0


def _load_data(head, offset):
    end = offset + DATA_OVERHEAD + (head[1] << 8 | head[2])
    if head[0] != DATA or head[3] != _data_check(head[1], head[2]) or end > SECTOR:
        return None
    return DATA, None, end
