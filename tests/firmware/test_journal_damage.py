"""Flipped bits: found, stated, and never more lost than what they hit."""

import hashlib
import unittest

from agent.journal import CONTEXT, READING
from fakes.nor_faults import Random
from fakes.nor_flash import SECTOR, NorFlash
from support.journal_hand import CHAIN, append, content, held, mounted, readings, seal
from support.journal_world import World, reading


def place(flash, data):
    """(sector, offset) of bytes that stand somewhere in the flash."""
    at = bytes(flash.image).find(data)
    if at < 0:
        raise AssertionError("not in the flash")
    return at // SECTOR, at % SECTOR


class BitFlipTest(unittest.TestCase):
    def test_a_flipped_reading_is_skipped_and_the_others_stay(self):
        flash = NorFlash(16)
        append(mounted(flash), 200)
        for target in (0, 57, 120, 198):
            for byte in range(-2, len(b"reading %d" % target) + 2):
                damaged = flash.after_cut()
                sector, offset = place(damaged, b"reading %d" % target)
                damaged.flip(sector, offset + byte, 1 + byte % 7)
                found = readings(mounted(damaged))
                expected = [b"reading %d" % i for i in range(200) if i != target]
                self.assertEqual(found, expected)

    def test_a_batch_with_a_flipped_bit_becomes_a_lost_entry(self):
        flash = NorFlash(16)
        journal = mounted(flash)
        for number in range(1, 10):
            seal(journal, number, 10 * number - 1)
        for target in (1, 4, 9):
            damaged = flash.after_cut()
            sector, offset = place(damaged, content(target)[0][40:60])
            damaged.flip(sector, offset, 3)
            again = mounted(damaged)
            self.assertEqual(held(again), [n for n in range(1, 10) if n != target])
            (lost,) = again.lost
            self.assertEqual((lost.first, lost.last, lost.reason), (target, target, 2))
            self.assertEqual(lost.last_hash, content(target)[1])
            expected = (10 * target - 10, 10 * target - 1)
            self.assertEqual((lost.first_sequence, lost.last_sequence), expected)

    def test_a_batch_whose_own_record_is_damaged_is_stated_with_a_proven_hash(self):
        world = World(NorFlash(16), "stop")
        world.set_context(b"context")
        for _ in range(12):
            world.append()
            world.seal(700)
        hashes = world.promises.hashes
        alone = []
        for target in range(1, 12):
            damaged = world.flash.after_cut()
            sector, offset = place(damaged, hashes[target])
            damaged.flip(sector, offset, 0)
            again = mounted(damaged)
            offered = held(again)
            (lost,) = again.lost
            self.assertEqual((lost.first, lost.reason), (target, 2))
            # The one behind it is stored without that hash, unless a sector began in between.
            self.assertTrue(lost.last - target <= 1)
            gone = range(lost.first, lost.last + 1)
            self.assertEqual(offered, [n for n in range(1, 13) if n not in gone])
            self.assertEqual(lost.last_hash, hashes[lost.last])
            self.assertEqual(lost.first_sequence, target - 1)
            self.assertEqual(lost.last_sequence, lost.last - 1)
            if lost.last == target:
                alone.append(target)
        self.assertTrue(1 <= len(alone) <= 3)

    def test_lost_batches_do_not_block_and_are_stated_in_turn(self):
        flash = NorFlash(32)
        journal = mounted(flash)
        for number in range(1, 41):
            seal(journal, number, number)
        broken = list(range(2, 40, 3))
        for number in broken:
            sector, offset = place(flash, content(number)[0][:20])
            flash.flip(sector, offset, 1)
        known = set()  # to the collector: batches held, or stated as lost in one of them
        number = 40
        while journal.lost or journal.waiting:
            self.assertTrue(number < 60)
            self.assertEqual([n for n in held(journal) if n in broken], [])
            stated = [n for entry in journal.lost for n in range(entry.first, entry.last + 1)]
            self.assertTrue(set(stated).issubset(broken))
            number += 1
            seal(journal, number, number)
            known.update(held(journal), stated)
            highest = 0
            while highest + 1 in known:
                highest += 1
            journal.acknowledge(CHAIN, highest, content(highest)[1])
        self.assertEqual(known, set(range(1, number + 1)))

    def test_any_single_flip_costs_at_most_two_batches_or_one_reading(self):
        random = Random(5)
        world = World(NorFlash(16), "stop")
        world.set_context(b"context")
        for _ in range(30):
            for _ in range(5):
                world.append()
            world.seal(900)
        for _ in range(20):
            world.append()
        promises = world.promises
        for _ in range(150):
            damaged = world.flash.after_cut()
            spot = (random.below(16), random.below(SECTOR), random.below(8))
            damaged.flip(*spot)
            again = World(damaged, "stop", promises.copy())
            found = [n for n, h, r in again.journal.batches() if hashlib.sha256(r()).digest() == h]
            missing = [n for n in range(1, 31) if n not in found]
            stated = [n for x in again.journal.lost for n in range(x.first, x.last + 1)]
            newest_lost = again.recovery.head_number == 29  # its own record, as if never sealed
            self.assertEqual(missing, [30] if newest_lost else stated, spot)
            self.assertTrue(len(missing) <= 2, spot)
            expected = [reading(n) for n in range(150, 170)]
            left = [p for p in readings(again.journal) if newest_lost is False]
            self.assertTrue(newest_lost or len([p for p in expected if p not in left]) <= 1, spot)
            self.assertTrue(all(p in expected for p in left), spot)


class HeaderDamageTest(unittest.TestCase):
    """The newest sector of either ring must not vanish with its header or its first record."""

    def setUp(self):
        self.flash = NorFlash(16)
        journal = mounted(self.flash)
        for number in range(1, 7):
            append(journal, 40)
            seal(journal, number, number)
        append(journal, 200)
        self.expected = readings(journal)

    def check(self, damaged):
        again = mounted(damaged)
        self.assertEqual(next(again.unsealed()), (CONTEXT, b"context"))
        self.assertEqual(again.recovery.head_number, 6)
        self.assertEqual(readings(again), self.expected)
        self.assertEqual(held(again), [1, 2, 3, 4, 5, 6])
        again.append(READING, b"after")
        batch_hash = seal(again, 7, 7)
        third = mounted(damaged)
        self.assertEqual((third.recovery.head_number, third.recovery.head_hash), (7, batch_hash))
        self.assertEqual(readings(third), [])

    def test_every_byte_of_every_header(self):
        for sector in range(6):
            for offset in range(22):
                damaged = self.flash.after_cut()
                damaged.flip(sector, offset, offset % 8)
                self.check(damaged)

    def test_state_records(self):
        for sector in (4, 5):
            for offset in range(22, 120, 3):
                damaged = self.flash.after_cut()
                damaged.flip(sector, offset, offset % 8)
                self.check(damaged)

    def test_contexts_at_the_beginning_of_sectors(self):
        for sector in range(3):
            for offset in range(22, 33):
                damaged = self.flash.after_cut()
                damaged.flip(sector, offset, offset % 8)
                again = mounted(damaged)
                contexts = [found for found in again.unsealed() if found[0] == CONTEXT]
                self.assertEqual(contexts, [(CONTEXT, b"context")])  # from a sector nearby
                self.assertEqual(readings(again), self.expected)

    def test_a_context_that_is_found_nowhere(self):
        flash = NorFlash(16)
        append(mounted(flash), 5, b"the only place")
        flash.flip(0, 30, 1)
        expected = [(CONTEXT, b"")] + [(READING, b"reading %d" % i) for i in range(5)]
        self.assertEqual(list(mounted(flash).unsealed()), expected)
        append(mounted(flash), 1, b"new")
        self.assertEqual(list(mounted(flash).unsealed())[-2], (CONTEXT, b"new"))

    def test_readings_never_pass_to_another_context(self):
        flash = NorFlash(16)
        journal = mounted(flash)
        append(journal, 50, b"context of the first boot")
        append(journal, 50, b"context of the second boot")
        sector, offset = place(flash, b"context of the second boot")
        for at in range(-2, 28):
            damaged = flash.after_cut()
            damaged.flip(sector, offset + at, at % 8)
            contexts = [p for kind, p in mounted(damaged).unsealed() if kind == CONTEXT]
            self.assertEqual(contexts, [b"context of the first boot"])
            self.assertEqual(len(readings(mounted(damaged))), 50)
