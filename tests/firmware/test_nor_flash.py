"""The simulated NOR flash: its rules are enforced, and its faults are what they say."""

import unittest

from fakes.nor_flash import SECTOR, NorFlash, NorViolation, PowerCut


def read(flash, sector, offset, length):
    buffer = bytearray(length)
    flash.readblocks(sector, buffer, offset)
    return bytes(buffer)


class RulesTest(unittest.TestCase):
    def setUp(self):
        self.flash = NorFlash(16)

    def test_protocol(self):
        self.assertEqual(self.flash.ioctl(4, 0), 16)
        self.assertEqual(self.flash.ioctl(5, 0), SECTOR)
        self.assertEqual(read(self.flash, 3, 100, 4), b"\xff\xff\xff\xff")
        self.flash.writeblocks(3, b"\x12\x34", 100)
        self.assertEqual(read(self.flash, 3, 100, 4), b"\x12\x34\xff\xff")
        self.flash.writeblocks(3, bytes(SECTOR))  # without an offset: erases first
        self.assertEqual(read(self.flash, 3, 0, SECTOR), bytes(SECTOR))
        self.flash.ioctl(6, 3)
        self.assertEqual(read(self.flash, 3, 0, SECTOR), b"\xff" * SECTOR)

    def test_programming_only_clears_bits(self):
        self.flash.writeblocks(0, b"\xf0", 7)
        self.flash.writeblocks(0, b"\x30", 7)
        for byte in (b"\x31", b"\xf0", b"\xff"):
            self.assertRaises(NorViolation, self.flash.writeblocks, 0, byte, 7)
        self.assertEqual(read(self.flash, 0, 7, 1), b"\x30")

    def test_nothing_outside(self):
        for block, offset, length in ((16, 0, 1), (-1, 0, 1), (0, SECTOR, 1), (0, 4090, 7)):
            self.assertRaises(NorViolation, self.flash.writeblocks, block, bytes(length), offset)

    def test_counters(self):
        self.flash.writeblocks(1, bytes(10), 0)
        self.flash.ioctl(6, 1)
        self.flash.ioctl(6, 1)
        read(self.flash, 1, 0, SECTOR)
        read(self.flash, 1, 0, 5)
        count = self.flash.count
        self.assertEqual((count.operations, count.programs, count.erases), (3, 1, 2))
        self.assertEqual((count.bytes_programmed, count.bytes_read), (10, SECTOR + 5))
        self.assertEqual((count.reads, count.full_sector_reads), (2, 1))
        self.assertEqual(count.erases_of[:3], [0, 2, 0])

    def test_it_can_be_slow(self):
        waits = []
        self.flash.delay_ms = waits.append
        self.flash.writeblocks(1, bytes(512), 0)
        self.flash.ioctl(6, 1)
        self.assertEqual(waits, [2, 45])


class PowerCutTest(unittest.TestCase):
    def cut(self, fraction, data=b"\x00" * 8):
        flash = NorFlash(16, None, 5)
        flash.writeblocks(0, b"before", 0)
        flash.cut_at = 1
        flash.cut_fraction = fraction
        self.assertRaises(PowerCut, flash.writeblocks, 0, data, 10)
        self.assertRaises(PowerCut, read, flash, 0, 0, 1)
        self.assertRaises(PowerCut, flash.ioctl, 6, 0)
        return flash.after_cut()

    def test_any_prefix_is_programmed(self):
        for done in range(8):
            left = read(self.cut(done / 8), 0, 10, 8)
            self.assertEqual(left[:done], bytes(done))
            self.assertEqual(left[done + 1 :], b"\xff" * (7 - done))

    def test_the_byte_at_the_cut_is_weak(self):
        bytes_seen = set()
        for seed in range(1, 30):
            flash = NorFlash(16, None, seed)
            flash.cut_at = 0
            self.assertRaises(PowerCut, flash.writeblocks, 0, b"\x0f", 0)
            (weak,) = read(flash.after_cut(), 0, 0, 1)
            self.assertEqual(weak & 0x0F, 0x0F)
            bytes_seen.add(weak)
        self.assertTrue(len(bytes_seen) > 5)

    def test_whole(self):
        self.assertEqual(read(self.cut(None), 0, 10, 8), bytes(8))

    def test_a_cut_erase_leaves_a_sector_that_must_be_erased_again(self):
        for left, may_be in (("kept", b"\x00"), ("blank", b"\xff"), ("mixed", None)):
            flash = NorFlash(16)
            flash.writeblocks(2, bytes(SECTOR), 0)
            flash.cut_at = 1
            flash.erase_left = left
            self.assertRaises(PowerCut, flash.ioctl, 6, 2)
            if may_be:
                self.assertEqual(bytes(flash.image[2 * SECTOR : 3 * SECTOR]), may_be * SECTOR)
            else:
                self.assertTrue(len(set(flash.image[2 * SECTOR : 3 * SECTOR])) > 100)
            again = flash.after_cut()
            self.assertRaises(NorViolation, again.writeblocks, 2, b"\x00", 0)
            again.ioctl(6, 2)
            again.writeblocks(2, b"\x00", 0)

    def test_an_unstable_sector_reads_differently(self):
        flash = NorFlash(16)
        flash.writeblocks(2, bytes(64), 0)
        flash.unstable.add(2)
        self.assertTrue(len({read(flash, 2, 0, 16) for _ in range(20)}) > 5)


class FaultsTest(unittest.TestCase):
    def setUp(self):
        self.flash = NorFlash(16)

    def test_refusals(self):
        self.flash.refuse_program.add(1)
        self.flash.refuse_erase.add(2)
        self.flash.refuse_read.add(3)
        self.assertRaises(OSError, self.flash.writeblocks, 1, b"\x00", 0)
        self.assertRaises(OSError, self.flash.ioctl, 6, 2)
        self.assertRaises(OSError, read, self.flash, 3, 0, 1)

    def test_silent_faults(self):
        self.flash.does_not_hold.add(1)
        self.flash.writeblocks(1, b"\x00", 0)
        self.assertEqual(read(self.flash, 1, 0, 1), b"\x11")
        self.flash.keeps_bits.add(2)
        self.flash.ioctl(6, 2)
        self.assertEqual(read(self.flash, 2, 0, 2), b"\xfe\xff")

    def test_flips(self):
        self.flash.writeblocks(1, b"\x0f", 4)
        self.flash.flip(1, 4, 0)
        self.flash.flip(1, 4, 7)
        self.assertEqual(read(self.flash, 1, 4, 1), b"\x8e")

    def test_faults_of_the_chip_outlive_a_cut(self):
        self.flash.refuse_erase.add(4)
        self.flash.does_not_hold.add(5)
        again = self.flash.after_cut()
        self.assertEqual((again.refuse_erase, again.does_not_hold), ({4}, {5}))
        self.assertTrue(again.image is not self.flash.image)
