"""The sealer on the real journal: chain, sequence, what is stated as lost, what is refused."""

import unittest

from agent import cbor
from agent.errors import JournalError, JournalFull, SealError
from agent.journal import ANCHOR, READING
from agent.keystore import REASON_OPERATOR
from agent.signer import KEY_CLASS_SIM
from fakes.nor_faults import Random as NoiseSource
from support.sealing_station import (
    NOON_MS,
    Station,
    batch_hash,
    meter,
    sequences,
)


def wide_station(sectors, max_readings, policy="drop_oldest"):
    """A station whose readings are 240 bytes of noise."""
    station = Station(sectors, max_readings, policy).boot()
    station.set_meters((meter(columns=tuple((4, 16 * i, 4, 0) for i in range(30))),))
    return station


def wide_readings(station, count):
    noise = NoiseSource(station.sealer.next_sequence)
    for _ in range(count):
        station.read(1, words=noise.bytes(240))


class ChainTest(unittest.TestCase):
    def test_first_batch(self):
        station = Station().boot()
        self.assertIsNone(station.sealed())
        station.read(3)
        found = station.sealed()
        self.assertEqual((found[0], found[2], found[4]), (1, 1, 1))
        self.assertEqual((found[6], found[7], sequences(found)), (1, 3, [1, 2, 3]))
        self.assertEqual((found[9], found[10], found[11]), ("0.1.0", b"c" * 16, KEY_CLASS_SIM))
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


class LostReadingsTest(unittest.TestCase):
    def ranges(self, payload):
        return [entry[:7] for entry in payload.get(15, [])]

    def skipped(self):
        """A station that gave out numbers 4 and 5 but never journaled them."""
        station = Station(max_readings=50, totals=((4, 0x48),)).boot()
        station.read(3)
        station.sealer.take_sequence()
        station.sealer.take_sequence()
        station.read(2)
        return station

    def test_a_batch_ends_before_a_jump_and_the_next_states_it(self):
        station = self.skipped()
        first = station.sealed()
        self.assertEqual((sequences(first), 15 in first), ([1, 2, 3], False))
        second = station.sealed()
        self.assertEqual(sequences(second), [6, 7])
        before = [["sdm120", 1, 4, 0x48, (3000).to_bytes(4, "big")]]
        after = [["sdm120", 1, 4, 0x48, (6000).to_bytes(4, "big")]]
        self.assertEqual(second[15], [[1, 4, 5, 2, b"", 4, 5, before, after]])

    def test_stated_until_acknowledged(self):
        station = self.skipped()
        station.sealed()
        station.sealed()
        station.boot()
        station.read(1)
        third = station.sealed()
        self.assertEqual(self.ranges(third), [[1, 4, 5, 2, b"", 4, 5]])
        self.assertEqual(len(third[15][0][7]), 1)
        chain = station.keystore.chain_16
        station.journal.acknowledge(chain, 1, batch_hash(station.left[(chain, 1)]))
        station.read(1)
        self.assertEqual(len(self.ranges(station.sealed())), 1)
        station.journal.acknowledge(chain, 2, batch_hash(station.left[(chain, 2)]))
        station.read(1)
        self.assertEqual(self.ranges(station.sealed()), [])

    def test_damaged_records(self):
        station = Station(max_readings=50).boot()
        station.read(6)
        image = bytes(station.flash.image)
        for sequence in (3, 4):
            at = image.find(station.journaled[sequence])
            station.flash.flip(at // 4096, at % 4096, 3)
        station.boot()
        self.assertEqual(station.sealer.next_sequence, 7)
        self.assertEqual(sequences(station.sealed()), [1, 2])
        found = station.sealed()
        self.assertEqual(sequences(found), [5, 6])
        self.assertEqual(self.ranges(found), [[1, 3, 4, 2, b"", 3, 4]])

    def test_malformed_records_do_not_block(self):
        station = Station(max_readings=50).boot()
        station.read(2)
        station.journal.append(READING, b"\x00")
        station.journal.append(ANCHOR, b"\x00")
        station.journal.append(ANCHOR, b"\x85\x19")
        station.event(b"")
        station.sealer.take_sequence()
        station.read(1, words=bytes(7))
        station.read(1, index=9)
        station.read(2)
        self.assertEqual(sequences(station.sealed()), [1, 2])
        found = station.sealed()
        self.assertEqual(sequences(found), [6, 7])
        self.assertEqual(self.ranges(found), [[1, 3, 5, 2, b"", 3, 5]])
        self.assertIsNone(station.sealed())

    def test_records_overwritten_because_the_ring_was_full(self):
        station = Station(sectors=16, max_readings=1000).boot()
        station.read(1100)
        found = station.sealed()
        first = found[6]
        self.assertGreater(first, 1)
        self.assertEqual(self.ranges(found), [[1, 1, first - 1, 1, b"", 1, first - 1]])

    def test_stated_again_in_a_new_chain(self):
        station = self.skipped()
        station.sealed()
        station.sealed()
        station.sealer.restart_chain()
        station.read(1)
        self.assertEqual(self.ranges(station.sealed()), [[1, 4, 5, 2, b"", 4, 5]])

    def test_an_attempt_that_ended_is_retracted(self):
        station = self.skipped()
        station.sealed()
        lost = station.sealer._lost
        lost.add(4, 6, 2, 2, [], [])  # as if reading 6 had been unreadable then
        station.boot()
        self.assertEqual(self.ranges(station.sealed()), [[1, 4, 5, 2, b"", 4, 5]])


class LostBatchesTest(unittest.TestCase):
    def test_batches_overwritten_are_stated(self):
        station = wide_station(sectors=16, max_readings=20)
        for _ in range(15):
            wide_readings(station, 20)
            station.seal()
        found = station.payload(station.keystore.mark.number)
        kind, first, last, reason, last_hash, first_sequence, last_sequence = found[15][0][:7]
        chain = station.keystore.chain_16
        self.assertEqual((kind, first, reason), (0, 1, 1))
        self.assertGreater(last, 1)
        self.assertEqual(last_hash, batch_hash(station.left[(chain, last)]))
        self.assertEqual((first_sequence, last_sequence), (1, 20 * last))


class ContentTest(unittest.TestCase):
    def test_events_and_anchors_without_readings(self):
        station = Station().boot()
        station.event(cbor.encode((1, 1, 5, (1, 3))))
        station.journal.append(ANCHOR, cbor.encode((1, 9, NOON_MS, 5, 20)))
        found = station.sealed()
        self.assertEqual((found[6], found[7], found[13]), (1, 0, []))
        self.assertEqual(found[14], [[1, 1, 5, [1, 3]]])
        self.assertEqual(found[8], [[1, 9, NOON_MS, 5, 20]])
        station.read(1)
        self.assertEqual(station.sealed()[6], 1)

    def test_newest_anchor_is_repeated_and_anchors_are_ordered(self):
        station = Station().boot()
        station.clock.set_utc(NOON_MS, 5, 20)
        own = list(station.clock.anchor())
        station.journal.append(ANCHOR, cbor.encode(own))
        station.journal.append(ANCHOR, cbor.encode((0, 300, NOON_MS - 5000, 5, 20)))
        station.journal.append(ANCHOR, cbor.encode((0, 70000, NOON_MS - 4000, 5, 20)))
        station.read(1)
        older = [[0, 300, NOON_MS - 5000, 5, 20], [0, 70000, NOON_MS - 4000, 5, 20]]
        self.assertEqual(station.sealed()[8], older + [own])
        station.read(1)
        self.assertEqual(station.sealed()[8], [own])

    def test_a_changed_meter_and_its_event(self):
        station = Station(max_readings=50).boot()
        station.read(2)
        station.boot()
        changed = (meter(unit=7), meter(), meter(serial=b"\x00\x00\x00\x02"))
        station.set_meters(changed[:2])
        station.read(1, index=1)
        station.set_meters(changed)
        station.event(cbor.encode((5, 2, 100, (1, 2))))
        station.read(1, index=2)
        found = station.sealed()
        self.assertEqual([m[2] for m in found[12]], [1, 7, 1])
        self.assertEqual(found[14], [[5, 2, 100, [0, 2]]])
        self.assertEqual([g[:3] for g in found[13]], [[0, 1, 2], [0, 2, 1], [2, 2, 1]])

    def test_meter_events_name_existing_meters(self):
        station = Station().boot()
        station.event(cbor.encode((3, 1, 100, (9,))))
        station.event(cbor.encode((3, 1, 100, (0,))))
        self.assertEqual(station.sealed()[14], [[3, 1, 100, [0]]])

    def test_bus_counters_stand_at_the_index_of_the_meter(self):
        station = Station().boot()
        station.read(1)
        station.boot()
        station.set_meters((meter(unit=2), meter()))
        station.others = {16: {0: 40000, 3: [(9, 9, 0, 0, 0, 0, 0), (5, 4, 1, 0, 0, 0, 0)]}}
        station.read(1)
        health = station.sealed()[16]
        self.assertEqual(health, {0: 40000, 3: [[5, 4, 1, 0, 0, 0, 0], [9, 9, 0, 0, 0, 0, 0]]})
        self.assertEqual(station.others[16][3][0][0], 9)

    def test_counters_stay_out_when_the_batch_ends_before_this_boot(self):
        station = Station(max_readings=2).boot()
        station.read(3)
        station.boot()
        station.others = {16: {7: 5, 3: [(1, 1, 0, 0, 0, 0, 0)]}}
        self.assertEqual(station.sealed()[16], {7: 5})

    def test_later_keys(self):
        station = Station().boot()
        station.others = {16: {}, 19: b"receipt", 22: b"tenant00"}
        station.read(1)
        found = station.sealed()
        self.assertEqual((found[19], found[22]), (b"receipt", b"tenant00"))

    def test_batches_stay_below_their_size(self):
        station = wide_station(sectors=640, max_readings=1000)
        wide_readings(station, 100)
        station.ticks.advance(3600000)
        station.seal()
        sizes = [len(data) for data in station.left.values()]
        self.assertEqual(sum(station.payload(n + 1)[7] for n in range(len(sizes))), 100)
        self.assertGreater(len(sizes), 2)
        self.assertTrue(max(sizes) <= 12288)

    def test_little_room_for_records_seals_early(self):
        station = wide_station(sectors=64, max_readings=1000)
        wide_readings(station, 30)
        self.assertFalse(station.sealer.due())
        wide_readings(station, 30)
        self.assertTrue(station.sealer.due())
        station.seal()
        self.assertFalse(station.sealer.due())
        self.assertNotIn(15, station.payload(1))


class RefusalTest(unittest.TestCase):
    def test_before_recovery(self):
        station = Station().boot()
        station.sealer._ready = False
        with self.assertRaises(SealError) as caught:
            station.sealer.seal_once()
        self.assertEqual(caught.exception.code, "seal-not-recovered")
        self.assertFalse(station.sealer.may_send(b"h" * 32))

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
