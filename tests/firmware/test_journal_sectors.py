"""Wiped, foreign and failing sectors: reported, worked around, never formatted away."""

import unittest

from agent.errors import JournalError
from agent.journal import READING
from fakes.nor_faults import Random
from fakes.nor_flash import SECTOR, NorFlash
from support.journal_hand import append, held, mounted, readings, seal
from support.journal_world import World


class WipedTest(unittest.TestCase):
    def setUp(self):
        self.flash = NorFlash(16)
        self.journal = mounted(self.flash)
        append(self.journal, 30)
        self.batch_hash = seal(self.journal, 1, 29)
        append(self.journal, 7)

    def test_foreign_content_is_reported_and_left_until_needed(self):
        image = bytearray(Random(3).bytes(16 * SECTOR))
        flash = NorFlash(16, image)
        before = bytes(image)
        journal = mounted(flash)
        self.assertTrue(journal.recovery.foreign)
        self.assertEqual(journal.recovery.head_chain, None)
        self.assertEqual(bytes(flash.image), before)
        append(journal, 3)
        seal(journal, 1, 2)
        self.assertEqual(flash.count.erases, 2)
        self.assertEqual(bytes(flash.image[5 * SECTOR :]), before[5 * SECTOR :])
        again = mounted(flash)
        self.assertFalse(again.recovery.foreign)
        self.assertEqual(held(again), [1])

    def test_only_the_batches_ring_is_gone(self):
        self.flash.image[4 * SECTOR :] = b"\xff" * (12 * SECTOR)
        again = mounted(self.flash)
        self.assertEqual(again.recovery.head_number, 0)
        self.assertFalse(again.recovery.foreign)
        self.assertEqual(len(readings(again)), 37)  # nothing says any more what was sealed
        seal(again, 1, 36, chain=b"another chain id")
        self.assertEqual(readings(mounted(self.flash)), [])

    def test_only_the_records_ring_is_gone(self):
        self.flash.image[: 4 * SECTOR] = bytes(4 * SECTOR)
        again = mounted(self.flash)
        self.assertEqual(again.recovery.head_number, 1)
        self.assertEqual(readings(again), [])
        append(again, 5)
        self.assertEqual(len(readings(mounted(self.flash))), 5)
        seal(again, 2, 34)
        self.assertEqual(readings(mounted(self.flash)), [])

    def test_a_partition_of_another_size_is_foreign(self):
        flash = NorFlash(32, bytearray(self.flash.image) + b"\xff" * (16 * SECTOR))
        self.assertTrue(mounted(flash).recovery.foreign)


class BadSectorTest(unittest.TestCase):
    def run_with(self, name, sectors):
        flash = NorFlash(32)
        setattr(flash, name, set(sectors))
        world = World(flash, "stop")
        world.set_context(b"context")
        for number in range(1, 150):
            for _ in range(8):
                self.assertTrue(world.append())
            self.assertTrue(world.seal(900))
            world.acknowledge(number)
            world.journal.idle()
            if number % 20 == 0:
                world.mount()
        self.assertEqual(world.journal.health()["bad_sectors"], sorted(sectors))
        world.mount()
        self.assertEqual(world.recovery.bad_sectors, sorted(sectors))
        self.assertEqual(len(held(world.journal, 1)) > 80, True)
        return world

    def test_sectors_that_refuse_to_be_programmed(self):
        self.run_with("refuse_program", [1, 4, 31])

    def test_sectors_that_refuse_to_be_erased(self):
        self.run_with("refuse_erase", [0, 9, 10])

    def test_sectors_that_do_not_hold(self):
        self.run_with("does_not_hold", [3, 12])

    def test_sectors_whose_bits_stay(self):
        self.run_with("keeps_bits", [2, 20])

    def test_a_sector_that_fails_while_it_is_in_use(self):
        for name in ("refuse_program", "does_not_hold"):
            flash = NorFlash(16)
            journal = mounted(flash)
            append(journal, 20)
            seal(journal, 1, 19)
            append(journal, 20)
            getattr(flash, name).update((0, 4))
            append(journal, 20)
            expected = 2 * [b"reading %d" % i for i in range(20)]
            self.assertEqual(readings(mounted(flash)), expected)
            seal(journal, 2, 59)
            self.assertEqual(held(mounted(flash)), [1, 2])
            self.assertEqual(mounted(flash).recovery.bad_sectors, [0, 4])

    def test_a_failing_supply_does_not_condemn_the_flash(self):
        flash = NorFlash(16)
        journal = mounted(flash)
        append(journal, 10)
        flash.refuse_program = set(range(16))
        flash.refuse_erase = set(range(16))
        with self.assertRaises(JournalError) as caught:
            journal.append(READING, b"not durable")
        self.assertEqual(caught.exception.code, "journal-flash")
        flash.refuse_program = set()
        flash.refuse_erase = set()
        again = mounted(flash)
        self.assertEqual(len(readings(again)), 10)
        again.append(READING, b"durable")
        seal(again, 1, 10)
        self.assertEqual(held(mounted(flash)), [1])

    def test_sectors_that_cannot_be_read(self):
        flash = NorFlash(16)
        journal = mounted(flash)
        for number in range(1, 20):
            seal(journal, number, number)
        flash.refuse_read = {5}
        again = mounted(flash)
        self.assertEqual(again.recovery.head_number, 19)
        offered = held(again)
        self.assertTrue(len(offered) >= 13)
        stated = [n for entry in again.lost for n in range(entry.first, entry.last + 1)]
        self.assertEqual(sorted(offered + stated), list(range(1, 20)))
