"""What was lost is stated: readings that were never sealed, batches that are gone."""

import unittest

from agent import cbor
from agent.journal import ANCHOR, READING
from agent.sealer_lost import NAME, LostReadings
from fakes.board import Store
from support import minicbor
from support.sealing_station import Station, batch_hash, sequences, wide_readings, wide_station


class LostReadingsTest(unittest.TestCase):
    def ranges(self, payload):
        return [entry[:7] for entry in payload.get(15, [])]

    def skipped(self):
        """A station that gave out numbers 4 and 5 but never journaled them."""
        station = Station(max_readings=50, totals=((4, 0x48),)).boot()
        station.read(3)
        station.next_sequence += 1
        station.next_sequence += 1
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
        station.next_sequence += 1
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


class StoreTest(unittest.TestCase):
    """The ranges in the state store."""

    def filled(self, count, edges):
        store = Store()
        lost = LostReadings(store)
        for i in range(count):
            lost.add(10 * i, 10 * i + 4, 2, i + 1, edges, edges)
        return store, lost

    def test_ranges_survive_a_restart(self):
        edge = ("sdm120", 1, 4, 0x48, bytes(4))
        store, lost = self.filled(3, [edge])
        again = LostReadings(store)
        self.assertEqual(again.ranges, lost.ranges)
        found = minicbor.decode(cbor.encode(again.wire()))
        self.assertEqual(found[1], [1, 10, 14, 2, b"", 10, 14, [list(edge)], [list(edge)]])

    def test_the_blob_stays_small_and_the_newest_ranges_in_it(self):
        store, lost = self.filled(200, [("sdm120", 1, 4, 0x48, bytes(8))] * 4)
        self.assertTrue(len(store.get(NAME)) <= 3000)
        self.assertEqual([r[0] for r in lost.ranges[-20:]], list(range(1800, 2000, 10)))
        self.assertEqual(len(lost.wire()), len(LostReadings(store).wire()))
        self.assertGreater(len(lost.ranges), 50)

    def test_a_damaged_blob_is_no_blob(self):
        store, _ = self.filled(2, [])
        blob = store.get(NAME)
        for i in range(len(blob)):
            store.set(NAME, blob[:i] + bytes((blob[i] ^ 4,)) + blob[i + 1 :])
            self.assertEqual(LostReadings(store).ranges, [])
        for length in range(len(blob)):
            store.set(NAME, blob[:length])
            self.assertEqual(LostReadings(store).ranges, [])

    def test_nothing_to_change_writes_nothing(self):
        store, lost = self.filled(2, [])
        writes = store.writes
        lost.retract(100)
        lost.acknowledged(0)
        self.assertEqual(store.writes, writes)
        lost.acknowledged(1)
        self.assertEqual((store.writes, len(lost.ranges)), (writes + 1, 1))


if __name__ == "__main__":
    unittest.main()
