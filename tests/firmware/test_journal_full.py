"""A full journal under both policies, wear, erasing ahead, and chains that follow each other."""

import unittest

from agent.errors import JournalAckError, JournalFull
from agent.journal import EVENT, READING
from fakes.nor_flash import NorFlash
from support.journal_hand import CHAIN, append, content, held, mounted, readings, seal


class StopTest(unittest.TestCase):
    def setUp(self):
        self.flash = NorFlash(16)
        self.journal = mounted(self.flash, "stop")

    def fill_batches(self):
        """Seal until refused; the number of the last batch."""
        number = 0
        while True:
            try:
                seal(self.journal, number + 1, number)
            except JournalFull as error:
                self.assertEqual(error.code, "journal-full")
                return number
            number += 1

    def test_a_full_journal_refuses_and_keeps_everything(self):
        last = self.fill_batches()
        self.assertTrue(last >= 44)
        before = self.flash.count.operations
        for _ in range(5):
            self.assertRaises(JournalFull, seal, self.journal, last + 1, last)
        self.assertEqual(self.flash.count.operations, before)
        self.assertTrue(self.journal.fill_permille > 950)
        again = mounted(self.flash, "stop")
        self.assertEqual(held(again), list(range(1, last + 1)))
        self.assertEqual(again.lost, [])

    def test_full_of_readings(self):
        self.journal.set_context(b"context")
        count = 0
        while True:
            try:
                self.journal.append(READING, b"reading %d" % count)
            except JournalFull:
                break
            count += 1
        self.assertTrue(count > 16000 // 17)
        self.assertTrue(self.journal.records_permille > 990)
        self.assertEqual(readings(mounted(self.flash, "stop")), readings(self.journal))
        self.assertEqual(len(readings(self.journal)), count)
        seal(self.journal, 1, count - 1)
        self.journal.append(READING, b"there is room again")

    def test_a_refused_context_is_written_later(self):
        self.test_full_of_readings()
        journal = self.journal
        while True:
            try:
                journal.append(EVENT, bytes(100))
            except JournalFull:
                break
        journal.set_context(b"new" * 99)
        self.assertRaises(JournalFull, journal.append, READING, b"refused")
        seal(journal, 2)
        journal.append(READING, b"accepted")
        self.assertEqual([bytes(p) for _, p in journal.unsealed()], [b"new" * 99, b"accepted"])

    def test_an_acknowledgement_ends_it_even_without_room_for_its_record(self):
        last = self.fill_batches()
        for number in range(1, last + 1):  # the records of these fill the rest of the sector
            self.journal.acknowledge(CHAIN, number, content(number)[1])
        for number in range(last + 1, 3 * last):
            seal(self.journal, number, number)
            self.journal.acknowledge(CHAIN, number, content(number)[1])
        self.assertEqual(mounted(self.flash, "stop").lost, [])


class DropOldestTest(unittest.TestCase):
    def setUp(self):
        self.flash = NorFlash(16)
        self.journal = mounted(self.flash)

    def fill(self, first, count, states_lost=False):
        for number in range(first, first + count):
            if states_lost:
                self.journal.lost  # noqa: B018 (reading it is what the sealer does)
            seal(self.journal, number, 10 * number - 1, first_sequence=10 * number - 10)

    def test_the_loss_is_one_range_with_the_last_hash(self):
        self.fill(1, 80)
        for journal in (self.journal, mounted(self.flash)):
            (lost,) = journal.lost
            self.assertEqual((lost.first, lost.reason), (1, 1))
            self.assertEqual(held(journal), list(range(lost.last + 1, 81)))
            self.assertEqual(lost.last_hash, content(lost.last)[1])
            self.assertEqual((lost.first_sequence, lost.last_sequence), (0, 10 * lost.last - 1))

    def test_nothing_is_dropped_before_space_is_needed(self):
        self.fill(1, 44)
        while self.journal.idle():
            pass
        self.assertEqual(self.journal.lost, [])
        self.assertEqual(held(mounted(self.flash)), list(range(1, 45)))

    def test_a_range_stays_until_a_batch_that_stated_it_is_acknowledged(self):
        self.fill(1, 60)
        self.assertEqual(len(self.journal.lost), 1)
        self.journal.acknowledge(CHAIN, 60, content(60)[1])
        self.assertEqual(len(self.journal.lost), 1)  # batches to 60 did not state it
        self.fill(61, 2, states_lost=True)
        self.assertEqual(len(mounted(self.flash).lost), 1)
        self.journal.acknowledge(CHAIN, 61, content(61)[1])
        self.assertEqual(self.journal.lost, [])

    def test_a_range_that_grew_is_stated_again(self):
        self.fill(1, 60, states_lost=True)
        before = mounted(self.flash).lost[0]
        number = 61
        while mounted(self.flash).lost[0].last == before.last:
            seal(self.journal, number, number)
            number += 1
        self.fill(number, 1)  # does not state it
        self.journal.acknowledge(CHAIN, number, content(number)[1])
        self.assertEqual(len(self.journal.lost), 1)
        self.assertEqual(self.journal.lost[0].first, 1)

    def test_unsealed_readings_give_way_when_nothing_is_sealed(self):
        self.journal.set_context(b"context")
        for i in range(2000):
            self.journal.append(READING, b"reading %04d" % i)
        for journal in (self.journal, mounted(self.flash)):
            left = readings(journal)
            self.assertTrue(journal.overwrote_unsealed)
            self.assertTrue(600 < len(left) < 1100)
            first = 2000 - len(left)
            self.assertEqual(left, [b"reading %04d" % i for i in range(first, 2000)])
            self.assertEqual(next(journal.unsealed())[1], b"context")
        seal(self.journal, 1, 1999)
        self.assertFalse(mounted(self.flash).overwrote_unsealed)
        self.assertEqual(readings(mounted(self.flash)), [])


class WearTest(unittest.TestCase):
    def test_sectors_wear_evenly(self):
        flash = NorFlash(16)
        journal = mounted(flash)
        for number in range(1, 300):
            append(journal, 30)
            batch_hash = seal(journal, number, number)
            journal.acknowledge(CHAIN, number, batch_hash)
            while journal.idle():
                pass
        for ring in (flash.count.erases_of[:4], flash.count.erases_of[4:]):
            self.assertTrue(max(ring) - min(ring) <= 1)

    def test_idle_erases_one_sector_at_a_time_and_only_ahead_of_need(self):
        flash = NorFlash(16)
        journal = mounted(flash)
        forced = 0
        for number in range(1, 200):
            before = flash.count.erases
            append(journal, 10)
            batch_hash = seal(journal, number, number)
            journal.acknowledge(CHAIN, number, batch_hash)
            forced += flash.count.erases - before
            while True:
                before = flash.count.erases
                busy = journal.idle()
                self.assertEqual(flash.count.erases - before, int(busy))
                if not busy:
                    break
        self.assertEqual(forced, 2)  # the first sector of each ring

    def test_boots_alone_do_not_touch_the_flash(self):
        flash = NorFlash(16)
        append(mounted(flash), 100)
        before = flash.count.operations
        for _ in range(200):
            journal = mounted(flash)
            journal.set_context(b"context of another boot")
            self.assertFalse(journal.idle())
            self.assertEqual(len(readings(journal)), 100)
        self.assertEqual(flash.count.operations, before)


class ChainsTest(unittest.TestCase):
    def test_a_chain_that_follows_another(self):
        flash = NorFlash(16)
        journal = mounted(flash)
        other = b"another chain id"
        hashes = [seal(journal, number, number) for number in (1, 2, 3)]
        later = [seal(journal, number, 10 + number, 500, other) for number in (1, 2)]
        again = mounted(flash)
        self.assertEqual((again.recovery.head_chain, again.recovery.head_number), (other, 2))
        self.assertEqual(again.recovery.acknowledged, 0)
        self.assertEqual(again.waiting, 5)
        self.assertEqual([h for _, h, _ in again.batches()], hashes + later)
        again.acknowledge(CHAIN, 3, hashes[2])
        self.assertEqual(again.waiting, 2)
        self.assertEqual([h for _, h, _ in mounted(flash).batches()], later)
        again.acknowledge(other, 1, later[0])
        self.assertEqual([h for _, h, _ in mounted(flash).batches()], later[1:])

    def test_an_old_chain_may_be_acknowledged_late(self):
        journal = mounted(NorFlash(16))
        old = seal(journal, 1)
        new = seal(journal, 1, 1, 500, b"another chain id")
        journal.acknowledge(b"another chain id", 1, new)
        self.assertEqual(journal.waiting, 0)
        self.assertFalse(journal.knows(CHAIN))  # nothing of it waits: nobody looks for it
        with self.assertRaises(JournalAckError):
            journal.acknowledge(CHAIN, 1, old)

    def test_chains_that_ended_are_known_without_a_walk_through_the_ring(self):
        flash = NorFlash(64)
        journal = mounted(flash, policy="drop_oldest")
        chains = (b"first chain of 16", b"second chain id..", b"third chain id...")
        chains = [chain[:16] for chain in chains]
        hashes = {}
        for chain in chains:
            for number in range(1, 60):
                hashes[chain, number] = seal(journal, number, number, 900, chain)
        again = mounted(flash, policy="drop_oldest")
        before = flash.count.reads
        self.assertEqual(again.waiting, 177)
        self.assertEqual([again.knows(chain) for chain in chains], [True] * 3)
        looked_up = flash.count.reads - before
        self.assertLess(looked_up, 150)
        before = flash.count.reads
        self.assertFalse(again.knows(b"x" * 16))
        self.assertEqual((again.waiting, flash.count.reads), (177, before))
        again.acknowledge(chains[1], 20, hashes[chains[1], 20])
        self.assertEqual((again.waiting, again.knows(chains[0])), (39 + 59, False))
        found = [number for number, _, _ in again.batches()]
        self.assertEqual(found, list(range(21, 60)) + list(range(1, 60)))
