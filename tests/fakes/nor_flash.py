"""NOR flash that keeps the rules and breaks on request; runs on CPython and MicroPython.

Rules: programming only clears bits (setting one raises NorViolation), erasing sets a whole sector,
a sector whose erase was cut must be erased again before anything is programmed into it. Faults:
power cut at operation k, whole or torn; flipped bits; sectors that refuse or silently do not hold;
sectors that cannot be read. Everything that wears is counted. A cut device is dead until a new
NorFlash is made from its image.
"""

import errno

from fakes.nor_faults import Random, torn_erase, torn_program

SECTOR = 4096


class PowerCut(Exception):
    """The power went; the device object is dead."""


class NorViolation(Exception):
    """The code under test did what NOR flash does not do."""


class Counters:
    """What was done to the flash since it was made."""

    def __init__(self, sectors):
        self.operations = 0  # programs and erases
        self.programs = 0
        self.bytes_programmed = 0
        self.erases = 0
        self.reads = 0
        self.bytes_read = 0
        self.full_sector_reads = 0
        self.erases_of = [0] * sectors


class NorFlash:
    """Block device of `sectors` sectors; `image` is a bytearray or a FileImage, taken over."""

    def __init__(self, sectors, image=None, seed=1, unstable=()):
        self.sectors = sectors
        self.image = image if image is not None else bytearray(b"\xff" * (sectors * SECTOR))
        self.count = Counters(sectors)
        self.unstable = set(unstable)  # their erase was cut
        self.refuse_program = set()
        self.refuse_erase = set()
        self.refuse_read = set()
        self.does_not_hold = set()  # programs end silently with bits not cleared
        self.keeps_bits = set()  # erases end silently with bits not set
        self.cut_at = None  # operation that does not complete
        self.cut_fraction = 0.0  # share of it that does; None: completes, then the power goes
        self.erase_left = "mixed"  # what a cut erase leaves: "kept", "blank" or "mixed"
        self.before = None  # before(kind, sector, offset, data) is called by each operation
        self.delay_ms = None  # called as delay_ms(milliseconds) by each operation
        self.dead = False
        self._random = Random(seed)

    # -- block device protocol

    def readblocks(self, block, buf, offset=0):
        """Fill `buf` from a sector."""
        self._check(block, offset, len(buf))
        if block in self.refuse_read:
            raise OSError(errno.EIO)
        self.count.reads += 1
        self.count.bytes_read += len(buf)
        self.count.full_sector_reads += len(buf) == SECTOR
        at = block * SECTOR + offset
        buf[:] = self.image[at : at + len(buf)]
        if block in self.unstable and len(buf):
            place = self._random.below(len(buf))
            buf[place] |= self._random.below(256)  # weak cells read differently every time

    def writeblocks(self, block, buf, offset=None):
        """Program; without an offset, erase the sectors first (as the protocol says)."""
        if offset is None:
            for sector in range(block, block + len(buf) // SECTOR):
                self._erase(sector)
            offset = 0
            for start in range(0, len(buf), SECTOR):
                self._program(block + start // SECTOR, 0, bytes(buf[start : start + SECTOR]))
            return
        self._check(block, offset, len(buf))
        self._program(block, offset, bytes(buf))

    def ioctl(self, op, arg):
        """4 count of sectors, 5 their size, 6 erase one; 1, 2, 3 do nothing."""
        if op == 4:
            return self.sectors
        if op == 5:
            return SECTOR
        if op == 6:
            self._check(arg, 0, SECTOR)
            self._erase(arg)
        return 0

    # -- what the tests do to it

    def flip(self, sector, offset, bit):
        """Flip one stored bit, as radiation, age or a neighbour's programming does."""
        at = sector * SECTOR + offset
        self.image[at : at + 1] = bytes((self.image[at] ^ 1 << bit,))

    def after_cut(self):
        """The same flash when the power is back: its content, none of the scheduled faults."""
        again = NorFlash(self.sectors, bytearray(self.image[:]), 7, self.unstable)
        for name in ("refuse_program", "refuse_erase", "refuse_read", "does_not_hold"):
            setattr(again, name, set(getattr(self, name)))
        again.keeps_bits = set(self.keeps_bits)
        return again

    # -- operations

    def _check(self, block, offset, length):
        if self.dead:
            raise PowerCut()
        if not 0 <= block < self.sectors or offset < 0 or offset + length > SECTOR:
            raise NorViolation("outside: sector %d offset %d length %d" % (block, offset, length))

    def _begin(self, kind, sector, offset, data, wait_ms):
        if self.before:
            self.before(kind, sector, offset, data)
        if self.delay_ms:
            self.delay_ms(wait_ms)
        self.count.operations += 1
        return self.cut_at is not None and self.count.operations > self.cut_at

    def _program(self, sector, offset, data):
        cut = self._begin("program", sector, offset, data, len(data) / 256)
        if sector in self.refuse_program:
            raise OSError(errno.EIO)
        at = sector * SECTOR + offset
        old = bytes(self.image[at : at + len(data)])
        self._rules(sector, offset, old, data)
        if sector in self.does_not_hold:
            data = bytes(a | 0x11 & b for a, b in zip(data, old))
        if cut and self.cut_fraction is not None:
            done = int(len(data) * self.cut_fraction)
            self.image[at : at + len(data)] = torn_program(old, data, done, self._random)
        else:
            self.image[at : at + len(data)] = data
            self.count.programs += 1
            self.count.bytes_programmed += len(data)
        self._end(cut)

    def _rules(self, sector, offset, old, data):
        if sector in self.unstable:
            raise NorViolation("program of sector %d, whose erase was cut" % sector)
        new = int.from_bytes(data, "big")
        if int.from_bytes(old, "big") & new != new:
            raise NorViolation("program sets a bit: sector %d offset %d" % (sector, offset))

    def _erase(self, sector):
        cut = self._begin("erase", sector, 0, b"", 45)
        if sector in self.refuse_erase:
            raise OSError(errno.EIO)
        at = sector * SECTOR
        if cut and self.cut_fraction is not None:
            old = bytes(self.image[at : at + SECTOR])
            self.image[at : at + SECTOR] = torn_erase(old, self.erase_left, self._random)
            self.unstable.add(sector)
        else:
            left = b"\xfe" if sector in self.keeps_bits else b"\xff"
            self.image[at : at + SECTOR] = left + b"\xff" * (SECTOR - 1)
            self.unstable.discard(sector)
            self.count.erases += 1
            self.count.erases_of[sector] += 1
        self._end(cut)

    def _end(self, cut):
        if cut:
            self.dead = True
            raise PowerCut()
