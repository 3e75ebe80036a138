"""The sealer on the real journal: chain, time of sealing, restarts, refusals."""

import unittest

from agent.errors import JournalError, JournalFull, SealError
from agent.journal import READING
from agent.keystore import REASON_OPERATOR
from agent.signer import KEY_CLASS_SIM
from support.sealing_station import (
    Station,
    batch_hash,
    sequences,
    wide_readings,
    wide_station,
)


class ChainTest(unittest.TestCase):
    def test_first_batch(self):
        station = Station().boot()
        self.assertIsNone(station.sealed())
        station.read(3)
        found = station.sealed()
        self.assertEqual((found[0], found[2], found[4]), (1, 1, 1))
        self.assertEqual((found[6], found[7], sequences(found)), (1, 3, [1, 2, 3]))
        self.assertEqual((found[9], found[10], found[11]), ("0.1.0", b"c" * 8, KEY_CLASS_SIM))
        self.assertEqual(found[17], {0: 0, 1: b"r" * 32})
        self.assertFalse({3, 8, 14, 15} & set(found))

    def test_following_batches_are_linked(self):
        station = Station().boot()
        for _ in range(3):
            station.read(5)
            station.seal()
        chain = station.keystore.chain_16
        for number in (2, 3):
            found = station.payload(number)
            self.assertEqual(found[3], batch_hash(station.left[(chain, number - 1)]))
            self.assertEqual(found[6], 5 * number - 4)
            self.assertNotIn(17, found)

    def test_chain_goes_on_after_a_restart(self):
        station = Station().boot()
        station.read(7)
        station.seal()
        station.boot()
        self.assertEqual(station.sealer.next_sequence, 8)
        station.read(3)
        station.seal()
        found = station.payload(2)
        self.assertEqual(sequences(found), [6, 7, 8, 9, 10])
        self.assertEqual([group[:3] for group in found[13]], [[0, 1, 2], [0, 2, 3]])
        self.assertEqual(found[4], 2)

    def test_a_boot_alone_seals_nothing(self):
        station = Station()
        for _ in range(5):
            station.boot()
            station.seal()
        self.assertEqual((station.left, station.flash.count.programs), ({}, 0))


class DueTest(unittest.TestCase):
    def test_a_full_batch(self):
        station = Station(max_readings=5).boot()
        station.read(4)
        self.assertFalse(station.sealer.due())
        station.read(1)
        self.assertTrue(station.sealer.due())
        station.seal()
        self.assertFalse(station.sealer.due())

    def test_the_interval(self):
        station = Station(max_readings=100).boot()
        station.read(59)
        self.assertFalse(station.sealer.due())
        station.ticks.advance(60000)
        self.assertTrue(station.sealer.due())
        station.seal()
        self.assertEqual(station.payload(1)[7], 59)
        self.assertFalse(station.sealer.due())

    def test_nothing_waits_when_the_interval_is_over(self):
        station = Station().boot()
        station.ticks.advance(3600000)
        self.assertTrue(station.sealer.due())
        station.seal()
        self.assertFalse(station.sealer.due())

    def test_readings_of_short_boots_add_up(self):
        station = Station(max_readings=5)
        for _ in range(5):
            station.boot()
            station.read(1)
            station.seal()
        self.assertEqual(sequences(station.payload(1)), [1, 2, 3, 4, 5])
        self.assertEqual(len(station.payload(1)[13]), 5)

    def test_backlog_is_sealed_in_several_batches(self):
        station = Station(max_readings=5).boot()
        station.read(13)
        station.seal()
        self.assertEqual([station.payload(n)[7] for n in (1, 2)], [5, 5])
        station.ticks.advance(3600000)
        station.seal()
        self.assertEqual(sequences(station.payload(3)), [11, 12, 13])


class RestartTest(unittest.TestCase):
    def ran(self, count=12):
        station = Station().boot()
        station.read(count)
        station.seal()
        return station

    def restarted(self, station):
        """Boot, seal five readings, and check that a new chain names the last known head."""
        chain, mark = station.keystore.chain_16, station.keystore.mark
        station.boot()
        station.read(5)
        station.seal()
        self.assertNotEqual(station.keystore.chain_16, chain)
        found = station.payload(1)
        self.assertEqual(found[17], {0: 1, 2: chain, 3: mark.number, 4: mark.hash_32})
        self.assertEqual(found[6], mark.next_sequence)
        return station

    def test_wiped_journal(self):
        station = self.ran()
        station.flash.image[:] = b"\xff" * len(station.flash.image)
        self.restarted(station)

    def test_foreign_journal(self):
        other = Station()
        other.random.count = 1000  # a board of its own
        other.boot()
        other.read(30)
        other.seal()
        station = self.ran()
        station.flash.image[:] = other.flash.image
        self.restarted(station)

    def test_journal_put_back_to_an_older_state(self):
        station = Station().boot()
        station.read(5)
        station.seal()
        older = bytes(station.flash.image)
        station.read(5)
        station.seal()
        station.flash.image[:] = older
        self.restarted(station)

    def test_same_number_other_hash(self):
        station = self.ran(5)
        blob = station.store.get("keystore")
        station.flash.image[:] = b"\xff" * len(station.flash.image)
        station.boot()
        self.assertEqual(station.keystore.mark.number, 1)
        station.store.set("keystore", blob)
        # a journal of the same chain whose batch 1 is another
        station.journal.append(READING, b"")
        chain = station.keystore.chain_16
        content = station.left[(chain, 1)]
        station.journal.seal(1, chain, b"x" * 32, content, station.journal.mark(), 5)
        self.restarted(station)

    def test_a_restart_is_not_repeated(self):
        station = self.ran()
        station.flash.image[:] = b"\xff" * len(station.flash.image)
        self.restarted(station)
        chain = station.keystore.chain_16
        station.boot()
        station.read(5)
        station.seal()
        self.assertEqual((station.keystore.chain_16, station.keystore.mark.number), (chain, 2))

    def test_the_operator_restarts(self):
        station = self.ran(5)
        chain, mark = station.keystore.chain_16, station.keystore.mark
        station.sealer.restart_chain()
        station.boot()
        station.read(5)
        station.seal()
        expected = {0: REASON_OPERATOR, 2: chain, 3: 1, 4: mark.hash_32}
        self.assertEqual(station.payload(1)[17], expected)

    def test_batches_of_the_old_chain_still_leave(self):
        station = self.ran(5)
        old = station.keystore.chain_16
        station.left = {}
        station.sealer.restart_chain()
        station.read(5)
        station.seal()
        self.assertEqual(sorted(station.left), sorted([(old, 1), (station.keystore.chain_16, 1)]))


class RefusalTest(unittest.TestCase):
    def test_before_recovery(self):
        station = Station().boot()
        station.sealer._ready = False
        with self.assertRaises(SealError) as caught:
            station.sealer.seal_once()
        self.assertEqual(caught.exception.code, "seal-not-recovered")
        self.assertFalse(station.sealer.may_send(b"h" * 32))

    def test_without_a_provisioning_record_there_is_no_first_chain(self):
        station = Station()
        station.provisioning_hash = None
        station.boot()
        station.read(1)
        with self.assertRaises(SealError) as caught:
            station.sealer.seal_once()
        self.assertEqual(caught.exception.code, "seal-not-provisioned")
        station.provisioning_hash = b"r" * 32
        station.boot()
        self.assertEqual(station.sealed()[17], {0: 0, 1: b"r" * 32})

    def test_full_journal_refuses_and_goes_on_after_an_acknowledgement(self):
        station = wide_station(sectors=16, max_readings=20, policy="stop")
        with self.assertRaises(JournalFull):
            for _ in range(15):
                wide_readings(station, 20)
                station.seal()
        number = station.keystore.mark.number
        self.assertTrue(station.sealer.may_send(b"h" * 32))
        chain = station.keystore.chain_16
        station.upload()
        station.journal.acknowledge(chain, number, batch_hash(station.left[(chain, number)]))
        self.assertFalse(station.sealer.due())
        station.ticks.advance(10000)
        station.seal()
        found = station.payload(number + 1)
        self.assertEqual((found[6], found[7]), (20 * number + 1, 20))

    def test_failing_flash_stops_sealing_until_recovery(self):
        station = Station().boot()
        station.read(5)
        station.flash.refuse_program = set(range(32))
        station.flash.refuse_erase = set(range(32))
        self.assertRaises(JournalError, station.sealer.seal_once)
        self.assertFalse(station.sealer.may_send(b"h" * 32))
        with self.assertRaises(SealError):
            station.sealer.seal_once()
        self.assertEqual(station.keystore.mark.number, 0)
        station.flash.refuse_program = station.flash.refuse_erase = set()
        station.boot()
        station.seal()
        self.assertEqual(sequences(station.payload(1)), [1, 2, 3, 4, 5])

    def test_a_batch_above_the_mark_does_not_leave(self):
        station = Station().boot()
        station.read(5)
        station.seal()
        station.read(5)
        genuine = station.keystore.raise_mark

        def fail(*arguments):
            raise OSError(28)

        station.keystore.raise_mark = fail
        self.assertRaises(OSError, station.sealer.seal_once)
        station.upload()
        self.assertEqual(len(station.left), 1)
        self.assertTrue(station.sealer.due())
        self.assertRaises(OSError, station.sealer.seal_once)
        station.keystore.raise_mark = genuine
        station.seal()
        self.assertEqual((len(station.left), station.keystore.mark.number), (2, 2))


if __name__ == "__main__":
    unittest.main()
