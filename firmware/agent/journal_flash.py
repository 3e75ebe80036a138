"""Sectors of the journal's partition: read, program, erase, each checked.

The block device is MicroPython's protocol with offsets: `readblocks(block, buf, offset)`,
`writeblocks(block, buf, offset)` (programs, never erases), `ioctl` 4 count, 5 size, 6 erase.
Everything programmed is read back and every erase is verified, so that a failing sector is known
when it fails and not weeks later. Reading never raises: bytes that cannot be read come back as
zeros, which no record accepts. This module must never erase unless told which sector.
"""

from binascii import crc32

from agent.constant import const
from agent.errors import JournalError, SectorFault

SECTOR = 4096
_CHUNK = const(256)


class Flash:
    """The partition as numbered sectors of 4096 bytes."""

    def __init__(self, device):
        self._device = device
        self.sectors = device.ioctl(4, 0)
        size = device.ioctl(5, 0)
        if size != SECTOR or not 16 <= self.sectors <= 2048:
            raise JournalError(
                "journal-geometry",
                "expected 16 to 2048 sectors of 4096 bytes, found %d of %d; correct the partition"
                % (self.sectors, size),
            )
        self._buffer = bytearray(_CHUNK)
        self.erased = 0
        self.read_errors = 0

    def read_into(self, sector, offset, buffer):
        """Fill `buffer`; zeros where the device cannot read."""
        try:
            failed = _failed(self._device.readblocks(sector, buffer, offset))
        except OSError:
            failed = True
        if failed:
            self.read_errors += 1
            buffer[:] = bytes(len(buffer))

    def read(self, sector, offset, length):
        """`length` bytes as a new bytearray."""
        buffer = bytearray(length)
        self.read_into(sector, offset, buffer)
        return buffer

    def chunks(self, sector, start, end):
        """Yield (offset, memoryview) of at most 256 bytes over a range; valid until the next."""
        view = memoryview(self._buffer)
        while start < end:
            part = view[: min(_CHUNK, end - start)]
            self.read_into(sector, start, part)
            yield start, part
            start += len(part)

    def crc32(self, sector, start, end, crc):
        """CRC-32 of a range, continued from `crc`."""
        for _, part in self.chunks(sector, start, end):
            crc = crc32(part, crc)
        return crc

    def last_programmed(self, sector, start):
        """Offset behind the last byte from `start` on that is not erased, or `start`."""
        end = start
        for offset, part in self.chunks(sector, start, SECTOR):
            used = len(bytes(part).rstrip(b"\xff"))
            if used:
                end = offset + used
        return end

    def program(self, sector, offset, data):
        """Program and read back; SectorFault if the flash says no or reads otherwise."""
        try:
            failed = _failed(self._device.writeblocks(sector, data, offset))
        except OSError:
            failed = True
        if failed or not self._same(sector, offset, data):
            raise _fault(sector, "program")

    def _same(self, sector, offset, data):
        data = memoryview(data)
        for start, part in self.chunks(sector, offset, offset + len(data)):
            if part != data[start - offset : start - offset + len(part)]:
                return False
        return True

    def erase(self, sector):
        """Erase and verify; SectorFault if the flash says no or a bit stays."""
        self.erased += 1
        try:
            failed = _failed(self._device.ioctl(6, sector))
        except OSError:
            failed = True
        if failed or self.last_programmed(sector, 0):
            raise _fault(sector, "erase")


def _failed(result):
    # Drivers answer None, 0 or True; a negative errno is a refusal.
    return isinstance(result, int) and result < 0


def _fault(sector, step):
    return SectorFault(
        "journal-sector",
        "sector %d: expected %s to hold, found it did not; the sector is skipped from now on"
        % (sector, step),
        sector=sector,
    )
