"""The journal as its users see it: records, batches, acknowledgements, restarts, refusals."""

import unittest

from agent.errors import JournalAckError, JournalError
from agent.journal import ANCHOR, CONTEXT, EVENT, READING, Journal
from fakes.nor_flash import NorFlash
from support.journal_hand import CHAIN, append, content, held, mounted, readings, seal


class RecordsTest(unittest.TestCase):
    def setUp(self):
        self.flash = NorFlash(16)
        self.journal = mounted(self.flash)

    def test_blank_partition(self):
        recovery = self.journal.recovery
        self.assertTrue(recovery.blank)
        self.assertFalse(recovery.foreign)
        self.assertEqual(recovery.head_number, 0)
        self.assertEqual(recovery.head_chain, None)
        self.assertEqual(list(self.journal.unsealed()), [])
        self.assertEqual(self.flash.count.operations, 0)

    def test_order_and_context_first(self):
        append(self.journal, 2)
        self.journal.append(EVENT, b"event")
        self.journal.append(ANCHOR, b"anchor")
        expected = [
            (CONTEXT, b"context"),
            (READING, b"reading 0"),
            (READING, b"reading 1"),
            (EVENT, b"event"),
            (ANCHOR, b"anchor"),
        ]
        self.assertEqual(list(self.journal.unsealed()), expected)
        self.assertEqual(list(mounted(self.flash).unsealed()), expected)

    def test_append_is_durable_on_return(self):
        self.journal.set_context(b"context")
        for i in range(50):
            self.journal.append(READING, b"%d" % i)
            self.assertEqual(readings(mounted(self.flash)), [b"%d" % n for n in range(i + 1)])

    def test_context_is_written_once_and_when_it_changes(self):
        append(self.journal, 1)
        again = mounted(self.flash)
        append(again, 1)
        append(again, 1, b"other")
        kinds = [kind for kind, _ in again.unsealed()]
        self.assertEqual(kinds, [CONTEXT, READING, READING, CONTEXT, READING])

    def test_context_in_force_precedes_what_a_mark_leaves(self):
        append(self.journal, 3, b"first")
        append(self.journal, 3, b"second")
        for taken, (_kind, payload) in enumerate(self.journal.unsealed()):
            mark = self.journal.mark()
            if payload == b"reading 1" and taken > 4:
                break
        data, batch_hash = content(1)
        self.journal.seal(1, CHAIN, batch_hash, data, mark, 4)
        expected = [(CONTEXT, b"second"), (READING, b"reading 2")]
        self.assertEqual(list(self.journal.unsealed()), expected)
        self.assertEqual(list(mounted(self.flash).unsealed()), expected)

    def test_mark_stands_behind_the_last_record_yielded(self):
        append(self.journal, 5)
        records = self.journal.unsealed()
        for _ in range(3):  # the context and two readings
            next(records)
        mark = self.journal.mark()
        next(records)
        data, batch_hash = content(1)
        self.journal.seal(1, CHAIN, batch_hash, data, mark, 1)
        self.assertEqual(readings(self.journal), [b"reading 2", b"reading 3", b"reading 4"])

    def test_every_sector_can_be_read_alone(self):
        append(self.journal, 300)
        seen = [kind for kind, _ in self.journal.unsealed()]
        self.assertEqual(seen.count(CONTEXT), 1)
        for sector in range(2):
            image = bytes(self.flash.image[sector * 4096 : sector * 4096 + 60])
            self.assertTrue(b"context" in image)

    def test_a_record_costs_four_bytes_more(self):
        append(self.journal, 1)
        before = self.flash.count.bytes_programmed
        self.journal.append(READING, bytes(23))
        self.assertEqual(self.flash.count.bytes_programmed - before, 27)

    def test_refusals_change_nothing(self):
        cases = (
            ("journal-context", READING, b"no context yet"),
            ("journal-kind", CONTEXT, b"by set_context only"),
            ("journal-kind", 9, b""),
            ("journal-too-large", EVENT, bytes(901)),
        )
        for code, kind, payload in cases:
            with self.subTest(code):
                with self.assertRaises(JournalError) as caught:
                    self.journal.append(kind, payload)
                self.assertEqual(caught.exception.code, code)
        with self.assertRaises(JournalError) as caught:
            self.journal.set_context(bytes(3073))
        self.assertEqual(caught.exception.code, "journal-too-large")
        self.assertEqual(self.flash.count.operations, 0)

    def test_largest_context_and_record_share_a_sector(self):
        self.journal.set_context(bytes(range(256)) * 12)
        for _ in range(3):
            self.journal.append(EVENT, b"e" * 900)
        self.assertEqual(len([k for k, _ in mounted(self.flash).unsealed() if k == EVENT]), 3)


class BatchesTest(unittest.TestCase):
    def setUp(self):
        self.flash = NorFlash(16)
        self.journal = mounted(self.flash)

    def test_sealing_frees_the_records_and_survives_a_restart(self):
        append(self.journal, 3)
        batch_hash = seal(self.journal, 1, 2)
        self.assertEqual(list(self.journal.unsealed()), [])
        recovery = mounted(self.flash).recovery
        self.assertEqual(recovery.head_chain, CHAIN)
        self.assertEqual((recovery.head_number, recovery.head_hash), (1, batch_hash))
        self.assertEqual(recovery.next_sequence, 3)
        self.assertEqual(held(mounted(self.flash)), [1])

    def test_any_length_spans_sectors(self):
        lengths = (1, 31, 32, 33, 900, 3900, 3950, 4000, 4070, 4096, 8192, 12288, 20000)
        for number, length in enumerate(lengths, 1):
            seal(self.journal, number, -1, length)
            found = {n: read for n, _, read in mounted(self.flash).batches()}
            self.assertEqual(bytes(found[number]()), content(number, length)[0])
            self.journal.acknowledge(CHAIN, number, content(number, length)[1])

    def test_small_batches_pack_tightly(self):
        for number in range(1, 41):
            seal(self.journal, number, number)
        self.assertEqual(held(self.journal), list(range(1, 41)))  # 36,000 of 49,152 bytes
        self.assertTrue(self.journal.fill_permille < 920)

    def test_numbers_only_rise(self):
        seal(self.journal, 5, -1)
        for number in (5, 4):
            with self.assertRaises(JournalError) as caught:
                seal(self.journal, number, -1)
            self.assertEqual(caught.exception.code, "journal-order")

    def test_impossible_lengths(self):
        for length in (0, 65536, 45000):
            with self.assertRaises(JournalError) as caught:
                self.journal.seal(1, CHAIN, bytes(32), bytes(length), 0, -1)
            self.assertEqual(caught.exception.code, "journal-too-large")

    def test_partition_of_another_shape(self):
        for sectors in (8, 15, 2049):
            with self.assertRaises(JournalError) as caught:
                Journal(NorFlash(sectors, bytearray(0)), {})
            self.assertEqual(caught.exception.code, "journal-geometry")

    def test_from_a_number(self):
        for number in range(1, 9):
            seal(self.journal, number, number)
        self.assertEqual(held(self.journal, 6), [6, 7, 8])
        self.assertEqual(held(self.journal, 9), [])


class AcknowledgeTest(unittest.TestCase):
    def setUp(self):
        self.flash = NorFlash(16)
        self.journal = mounted(self.flash)
        self.hashes = [b""]
        for number in range(1, 11):
            self.hashes.append(seal(self.journal, number, number))

    def refused(self, code, *arguments):
        before = bytes(self.flash.image)
        with self.assertRaises(JournalAckError) as caught:
            self.journal.acknowledge(*arguments)
        self.assertEqual(caught.exception.code, code)
        self.assertEqual(bytes(self.flash.image), before)
        self.assertEqual(self.journal.waiting, 10)

    def test_moves_forward_only(self):
        self.assertTrue(self.journal.acknowledge(CHAIN, 4, self.hashes[4]))
        self.assertEqual((self.journal.waiting, self.journal.acknowledged), (6, 4))
        self.assertFalse(self.journal.acknowledge(CHAIN, 2, self.hashes[2]))
        self.assertEqual(held(self.journal), [5, 6, 7, 8, 9, 10])

    def test_survives_a_restart(self):
        self.journal.acknowledge(CHAIN, 7, self.hashes[7])
        again = mounted(self.flash)
        self.assertEqual(again.recovery.acknowledged, 7)
        self.assertEqual(held(again), [8, 9, 10])

    def test_refuses_what_does_not_match(self):
        self.refused("ack-unknown", CHAIN, 11, self.hashes[10])
        self.refused("ack-unknown", b"another chain id", 4, self.hashes[4])
        self.refused("ack-hash", CHAIN, 4, self.hashes[5])
        self.refused("ack-unknown", bytes(16), 0, bytes(32))

    def test_acknowledged_batches_are_sent_again_on_request(self):
        self.journal.acknowledge(CHAIN, 10, self.hashes[10])
        self.assertEqual(held(self.journal), [])
        self.journal.resend_from(3)
        self.assertEqual(held(self.journal), [3, 4, 5, 6, 7, 8, 9, 10])
        self.assertTrue(self.journal.acknowledge(CHAIN, 6, self.hashes[6]))
        self.assertEqual(held(self.journal), [7, 8, 9, 10])
        self.assertEqual(self.journal.acknowledged, 10)
        self.assertTrue(self.journal.acknowledge(CHAIN, 10, self.hashes[10]))
        self.assertEqual(held(self.journal), [])

    def test_resending_forgets_nothing_that_waits(self):
        self.journal.acknowledge(CHAIN, 5, self.hashes[5])
        self.journal.resend_from(8)
        self.assertEqual(held(self.journal), [6, 7, 8, 9, 10])

    def test_acknowledged_batches_stay_until_the_space_is_needed(self):
        self.journal.acknowledge(CHAIN, 10, self.hashes[10])
        for number in range(11, 41):
            self.hashes.append(seal(self.journal, number, number))
            self.journal.acknowledge(CHAIN, number, self.hashes[number])
        self.assertEqual(held(self.journal, 1), list(range(1, 41)))  # 36 of 48 KiB: none needed
        for number in range(41, 61):
            self.hashes.append(seal(self.journal, number, number))
        self.assertEqual(held(self.journal), list(range(41, 61)))
        self.assertTrue(len(held(self.journal, 1)) > 40)
        self.assertEqual(self.journal.lost, [])
        self.assertFalse(self.journal.acknowledge(CHAIN, 1, self.hashes[1]))  # long overwritten
