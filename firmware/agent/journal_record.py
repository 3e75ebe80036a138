"""Records inside a sector: framing, checksums, and reading them past damage.

A record is kind, length (one byte, or two with bit 7 of the kind), payload and CRC: CRC-16 for
small kinds, CRC-32 for the journal's own. The CRC starts from the record's address, so that bytes
which were valid elsewhere are not valid here. DATA carries part of a batch and no CRC: the BATCH
record behind it covers it. Erased flash reads 0xFF and ends a sector; a zero byte is padding
over a torn write. Damage is skipped to the next record that holds; it is never accepted.
"""

import struct
from binascii import crc32

from agent.journal_flash import SECTOR

try:
    from binascii import crc_hqx as crc16
except ImportError:  # MicroPython
    from agent.journal_crc import crc16

HEADER = 26  # sector header, see journal_ring
CONTEXT = 1
READING = 2
ANCHOR = 3
EVENT = 4
ACK = 8
STATE = 16
BATCH = 17
DATA = 18
DATA_OVERHEAD = 4

_LONG = 0x80
_PEEK = 40  # bytes read at once: a whole reading of four values
_SHORTEST = 4
_KINDS = (CONTEXT, READING, ANCHOR, EVENT, ACK, STATE, BATCH, DATA)
_ERASED = 0xFF


def encode(kind, payload, address):
    """The bytes of one record that is going to stand at `address`."""
    if len(payload) < 256:
        frame = bytearray((kind, len(payload)))
    else:
        frame = bytearray((kind | _LONG, len(payload) >> 8, len(payload) & 0xFF))
    frame.extend(payload)
    return bytes(frame) + _checksum(kind, frame, address)


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


def _checksum(kind, frame, address):
    if kind < STATE:
        seed = (address ^ address >> 12 ^ address >> 24) & 0xFFFF
        return struct.pack(">H", crc16(frame, seed))
    return struct.pack(">I", crc32(frame, address & 0xFFFFFFFF) & 0xFFFFFFFF)


def load(flash, sector, epoch, offset):
    """(kind, payload, end offset) of the valid record at `offset`, or None; DATA: payload None."""
    head = flash.read(sector, offset, min(_PEEK, SECTOR - offset))
    if len(head) < _SHORTEST:
        return None
    kind = head[0] & ~_LONG
    if kind not in _KINDS or head[0] == _ERASED:
        return None
    if kind == DATA:
        return _load_data(head, offset)
    start = 3 if head[0] & _LONG else 2
    length = head[1] << 8 | head[2] if start == 3 else head[1]
    end = offset + start + length + _crc_len(kind)
    if end > SECTOR:
        return None
    frame = head if end - offset <= len(head) else flash.read(sector, offset, end - offset)
    body = start + length
    if _checksum(kind, frame[:body], epoch * SECTOR + offset) != frame[body : end - offset]:
        return None
    return kind, frame[start:body], end


def _load_data(head, offset):
    end = offset + DATA_OVERHEAD + (head[1] << 8 | head[2])
    if head[0] != DATA or head[3] != _data_check(head[1], head[2]) or end > SECTOR:
        return None
    return DATA, None, end


def walk(flash, sector, epoch, offset, report=None):
    """Yield (offset, kind, payload, end) of every valid record; `report(from, to)` for damage."""
    while offset < SECTOR:
        record = load(flash, sector, epoch, offset)
        if record:
            yield offset, record[0], record[1], record[2]
            offset = record[2]
            continue
        padded = _skip_padding(flash, sector, offset)
        if padded == offset:
            padded = _resync(flash, sector, epoch, offset)
            if padded is None:
                return
            if report:
                report(offset, padded)
        offset = padded


def _skip_padding(flash, sector, offset):
    for start, part in flash.chunks(sector, offset, SECTOR):
        zeros = len(part) - len(bytes(part).lstrip(b"\x00"))
        if zeros < len(part):
            return start + zeros
    return SECTOR


def _resync(flash, sector, epoch, offset):
    """Offset of the next record that holds and is not there by chance, or None."""
    end = flash.last_programmed(sector, offset)
    for at in range(offset + 1, end):
        record = load(flash, sector, epoch, at)
        if record and _plausible(flash, sector, epoch, record, end):
            return at
    return None


def _plausible(flash, sector, epoch, record, end):
    """Whether something valid, padding or (for records with a CRC) nothing follows."""
    kind, _, after = record
    if after >= end:
        return kind != DATA
    follower = load(flash, sector, epoch, after)
    if follower:
        return kind != DATA or follower[0] != DATA
    return kind != DATA and flash.read(sector, after, 1)[0] == 0
