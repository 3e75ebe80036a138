"""A ring of sectors, written in order and reused in order.

Sectors are counted by an epoch that never repeats; epoch e stands in sector `base + e % count`, so
that order, place and wear follow from one number, and an address is `epoch * 4096 + offset`. A
sector begins with a header (magic, version, ring, count, epoch, 8 bytes of the ring's own, CRC-32)
and one record that lets it be read alone; that record is programmed before the header and makes
the sector count. Erased is what this boot erased itself: after a power cut "looks erased" proves
nothing. Whether a sector may be reused is the caller's decision, never this module's.
"""

import struct
from binascii import crc32

from agent.constant import const
from agent.errors import JournalError, SectorFault
from agent.journal_flash import SECTOR
from agent.journal_record import HEADER, SectorReader, encode, encoded_len

_HEADER = const(">2sBBHI8s")
_MAGIC = const(b"MJ")
LAYOUT = const(1)  # what follows from it cannot be undone by an older version
_CRC_AT = const(18)
_STRIKES = const(2)  # failed programs after which a sector is given up
_ERASE_AHEAD_ROOM = SECTOR // 4
_PROBE = const(4)  # sectors behind the newest header in which its own header may have been damaged
_FAILED_IN_TURN = const(4)  # sectors; more is no matter of sectors (supply, bus, driver)
_GUARD = const(4)  # bytes behind a torn write that may have begun to change


def _dead():
    return JournalError(
        "journal-flash",
        "expected a sector that can be written, found several that fail; reset, check the supply,"
        " replace the board",
    )


class Ring:
    """One ring: `head` is the epoch being written (-1: none), `offset` its next free byte."""

    def __init__(self, flash, kind, base, count, bad):
        self._flash = flash
        self._kind = kind
        self._base = base
        self.count = count
        self._bad = bad  # set of sector numbers of the partition, shared by both rings
        self.head = -1
        self.oldest = 0
        self.offset = SECTOR
        self.foreign = 0  # sectors whose header area holds something else
        self.damaged = 0
        self.touched = False  # written to in this boot
        self.bind = 0  # binding of the context in force
        self._ready = -1
        self._torn_end = 0
        self._strikes = 0
        self._failed_in_turn = 0

    # -- places

    def sector(self, epoch):
        """The sector of the partition in which `epoch` stands."""
        return self._base + epoch % self.count

    def address(self):
        """Where the next record will stand."""
        return self.head * SECTOR + self.offset

    def usable(self):
        """Sectors of this ring that are not bad."""
        return self.count - sum(1 for s in self._bad if self._base <= s < self._base + self.count)

    def following(self, epoch):
        """The epoch of the next sector that is not bad."""
        for step in range(1, self.count + 1):
            if self.sector(epoch + step) not in self._bad:
                return epoch + step
        raise _dead()

    # -- mount

    def scan(self):
        """Read every sector's header and find the newest epoch; the number of valid headers."""
        epochs = 0
        for index in range(self.count):
            header = self._flash.read(self._base + index, 0, HEADER)
            epoch = self._epoch(header)
            if epoch is None or epoch % self.count != index:
                self.foreign += header != b"\xff" * HEADER
                continue
            self.head = max(self.head, epoch)
            epochs += 1
        if epochs:
            self._probe()
            self.oldest = max(0, self.head - self.count + 1)
        return epochs

    def _probe(self):
        """A damaged header must not hide the newest sector: its first record speaks for it."""
        for epoch in range(self.head + 1, self.head + 1 + min(_PROBE, self.count - 1)):
            if self.load(epoch, HEADER):
                self.head = epoch

    def _epoch(self, header):
        *shape, epoch, _ = struct.unpack(_HEADER, header[:_CRC_AT])
        if shape != [_MAGIC, LAYOUT, self._kind, self.count]:
            return None
        (crc,) = struct.unpack(">I", header[_CRC_AT:])
        return epoch if crc == crc32(header[:_CRC_AT]) & 0xFFFFFFFF else None

    def own_bytes(self, epoch):
        """The 8 bytes that the header of `epoch` holds for the ring; None if it is not there."""
        header = self._flash.read(self.sector(epoch), 0, HEADER)
        return bytes(header[10:_CRC_AT]) if self._epoch(header) == epoch else None

    def load(self, epoch, offset):
        """(kind, payload, end offset) of one record that depends on no context, or None."""
        return SectorReader(self._flash, self.sector(epoch), epoch).load(offset)

    def walk(self, epoch, bind=0):
        """Yield (offset, kind, payload, end) of what is valid; `bind` until a context comes."""
        found = self._epoch(self._flash.read(self.sector(epoch), 0, HEADER))
        if found not in (None, epoch):
            return ()  # the sector was skipped as bad and holds what is older
        reader = SectorReader(self._flash, self.sector(epoch), epoch, bind)
        return reader.walk(HEADER, self._report)

    def _report(self, start, end):
        self.damaged += 1

    def settle(self, end):
        """Continue behind `end` of the head sector; True if something torn stands there."""
        self.offset = end
        self._torn_end = self._flash.last_programmed(self.sector(self.head), end)
        return self._torn_end > end

    # -- writing

    def room(self):
        """Bytes left in the head sector."""
        return SECTOR - self.offset

    def append(self, kind, payload):
        """Program one record behind the last; its address, or None if the sector has no room."""
        self.cover_torn()
        while encoded_len(kind, len(payload)) <= self.room():
            address = self.address()
            if self.put(encode(kind, payload, address, self.bind)):
                return address
        return None

    def put(self, frame):
        """Program bytes at the offset; False (and they are covered) if they did not hold."""
        self.touched = True
        start = self.offset
        try:
            self._flash.program(self.sector(self.head), start, frame)
            self.offset = start + len(frame)
            return True
        except SectorFault:
            self._torn_end = start + len(frame)
            self._strike()
            self.cover_torn()
            return False

    def _strike(self):
        self._strikes += 1
        if self._strikes >= _STRIKES:
            self.give_up(self.head)
            self.offset = SECTOR

    def cover_torn(self):
        """Zeros over a torn write: what it left can then never turn into a record."""
        start, end = self.offset, min(self._torn_end + _GUARD, SECTOR)
        if self._torn_end <= start:
            return
        self._torn_end = 0
        self.offset = end
        try:
            self._flash.program(self.sector(self.head), start, bytes(end - start))
        except SectorFault:
            self._strike()

    def give_up(self, epoch):
        """Remember the sector of `epoch` as bad; raises if sector after sector fails."""
        self._bad.add(self.sector(epoch))
        self._failed_in_turn += 1
        if self._failed_in_turn >= _FAILED_IN_TURN:
            self._failed_in_turn = 0
            raise _dead()

    def forgive(self):
        """Forget the bad sectors if they are most of the ring: then it was not the sectors."""
        if self.usable() < (self.count + 1) // 2:
            mine = range(self._base, self._base + self.count)
            self._bad.difference_update([sector for sector in self._bad if sector in mine])

    def start(self, epoch, own, kind, payload):
        """Begin the sector of `epoch` with one record; False (and it is bad) if it failed."""
        sector = self.sector(epoch)
        header = struct.pack(_HEADER, _MAGIC, LAYOUT, self._kind, self.count, epoch, own)
        header += struct.pack(">I", crc32(header) & 0xFFFFFFFF)
        first = encode(kind, payload, epoch * SECTOR + HEADER)
        try:
            if self._ready != epoch:
                self._flash.erase(sector)
            self._ready = -1
            self._flash.program(sector, HEADER, first)
            self._flash.program(sector, 0, header)
        except SectorFault:
            self.give_up(epoch)
            return False
        self.head = epoch
        self._failed_in_turn = 0
        self.offset = HEADER + len(first)
        self.oldest = max(self.oldest, epoch - self.count + 1)
        self.touched = True
        self._strikes = 0
        self._torn_end = 0
        return True

    def erase_ahead(self, first_used):
        """Erase the next sector if it is soon needed and free (before epoch `first_used`)."""
        if not self.touched or self.room() > _ERASE_AHEAD_ROOM:
            return False
        epoch = self.following(self.head)
        if self._ready == epoch or epoch - self.count >= first_used:
            return False
        try:
            self._flash.erase(self.sector(epoch))
            self._ready = epoch
        except SectorFault:
            self.give_up(epoch)
        self.oldest = max(self.oldest, epoch - self.count + 1)
        return True
