"""Sectors and records of a journal in a flash dump, read without the device's code.

A sector of 4096 bytes begins with a header of 22 bytes: "MJ", version 1, ring (2: batches), number
of sectors of the ring u16, epoch u32, 8 bytes, CRC-32. Epoch e stands in sector e modulo that
number of its ring; an address is epoch * 4096 + offset. Records follow: kind, length (one byte, or
two with bit 7 of the kind), payload, CRC-32 that begins with the record's address. DATA (kind 18)
has a check byte instead and belongs to the BATCH record (17) behind it. All numbers big-endian.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

SECTOR_LEN: Final = 4096
HEADER_LEN: Final = 22
STATE, BATCH, DATA = 16, 17, 18
_LONG: Final = 0x80
_HEADER: Final = struct.Struct(">2sBBHI8sI")
_MAGIC: Final = b"MJ"
_VERSION: Final = 1
_BATCHES: Final = 2
_MOST_EPOCHS_AHEAD: Final = 8


@dataclass
class Ring:
    """Sectors of one ring of batches, by epoch."""

    count: int
    base: int
    sectors: dict[int, bytes] = field(default_factory=dict)

    def records(self) -> Iterator[tuple[int, int, int, bytes]]:
        """(epoch, offset, kind, payload) of every BATCH and STATE record that holds."""
        for epoch, sector in sorted(self.sectors.items()):
            for offset in range(HEADER_LEN, SECTOR_LEN - 6):
                if sector[offset] & ~_LONG in (BATCH, STATE):
                    record = load(sector, epoch, offset)
                    if record is not None:
                        yield epoch, offset, *record

    def stored(self, epoch: int, offset: int, length: int) -> bytes | None:
        """So many bytes of DATA from an address on; None if they are not all there."""
        found = b""
        last = max(self.sectors)
        while True:
            part = _data_at(self.sectors.get(epoch, b""), offset)
            if part is None:
                return None
            found += part
            if len(found) >= length:
                return found if len(found) == length else None
            place = self._continuation(epoch, last)
            if place is None:
                return None
            epoch, offset = place

    def _continuation(self, epoch: int, last: int) -> tuple[int, int] | None:
        """The first DATA of the next sector that was written."""
        for following in range(epoch + 1, last + 1):
            if following in self.sectors:
                return following, _behind_states(self.sectors[following], following)
        return None


def load(sector: bytes, epoch: int, offset: int) -> tuple[int, bytes] | None:
    """(kind, payload) of the record at an offset whose CRC-32 holds, else None."""
    kind = sector[offset]
    start = offset + (3 if kind & _LONG else 2)
    length = int.from_bytes(sector[offset + 1 : start])
    end = start + length
    if end + 4 > SECTOR_LEN:
        return None
    address = epoch * SECTOR_LEN + offset
    if zlib.crc32(sector[offset:end], address & 0xFFFFFFFF) != int.from_bytes(
        sector[end : end + 4]
    ):
        return None
    return kind & ~_LONG, sector[start:end]


def rings(dump: bytes) -> list[Ring]:
    """Rings of batches in a dump of the partition, or of the whole flash."""
    found: dict[tuple[int, int], Ring] = {}
    for index in range(len(dump) // SECTOR_LEN):
        sector = dump[index * SECTOR_LEN :][:SECTOR_LEN]
        header = _header(sector)
        if header is not None:
            count, epoch = header
            base = index - epoch % count
            ring = found.setdefault((count, base), Ring(count, base))
            ring.sectors[epoch] = sector
    for ring in found.values():
        _add_headless(ring, dump)
    return list(found.values())


def _header(sector: bytes) -> tuple[int, int] | None:
    """(sectors of the ring, epoch) of a sector of batches."""
    magic, version, ring, count, epoch, _, crc = _HEADER.unpack(sector[:HEADER_LEN])
    if (magic, version, ring) != (_MAGIC, _VERSION, _BATCHES) or not count:
        return None
    return (count, epoch) if crc == zlib.crc32(sector[: HEADER_LEN - 4]) else None


def _add_headless(ring: Ring, dump: bytes) -> None:
    """Sectors whose header is damaged: their first record holds at one epoch only."""
    newest = max(ring.sectors)
    held = {epoch % ring.count for epoch in ring.sectors}
    for index in set(range(ring.count)) - held:
        at = (ring.base + index) * SECTOR_LEN
        sector = dump[at : at + SECTOR_LEN]
        if at < 0 or len(sector) < SECTOR_LEN:
            continue
        for epoch in range(max(0, newest - ring.count), newest + _MOST_EPOCHS_AHEAD):
            if epoch % ring.count == index and load(sector, epoch, HEADER_LEN):
                ring.sectors[epoch] = sector


def _behind_states(sector: bytes, epoch: int) -> int:
    """Offset of what follows the STATE records with which a sector begins."""
    offset = HEADER_LEN
    while offset < SECTOR_LEN - 6:
        if sector[offset] == 0:
            offset += 1
            continue
        record = load(sector, epoch, offset) if sector[offset] & ~_LONG == STATE else None
        if record is None:
            break
        offset += (3 if sector[offset] & _LONG else 2) + len(record[1]) + 4
    return offset


def _data_at(sector: bytes, offset: int) -> bytes | None:
    if offset + 4 > len(sector) or sector[offset] != DATA:
        return None
    high, low, check = sector[offset + 1 : offset + 4]
    if check != (DATA + 3 * high + 7 * low + 0x5A) & 0xFF ^ 0xA5:
        return None
    data = sector[offset + 4 : offset + 4 + (high << 8 | low)]
    return data if len(data) == high << 8 | low else None
