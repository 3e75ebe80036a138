"""What a sealed batch holds: events, anchors, meters, health, and how much of it."""

import unittest

from agent import cbor
from agent.journal import ANCHOR
from support.sealing_station import NOON_MS, Station, meter, wide_readings, wide_station


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
        station.others = {16: {0: 40000, 3: [(9, 0, 0, 0, 0, 0), (4, 1, 0, 0, 0, 0)]}}
        station.read(1)
        health = station.sealed()[16]
        self.assertEqual(health, {0: 40000, 3: [[4, 1, 0, 0, 0, 0], [9, 0, 0, 0, 0, 0]]})
        self.assertEqual(station.others[16][3][0][0], 9)

    def test_counters_stay_out_when_the_batch_ends_before_this_boot(self):
        station = Station(max_readings=2).boot()
        station.read(3)
        station.boot()
        station.others = {16: {7: 5, 3: [(1, 0, 0, 0, 0, 0)]}}
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


if __name__ == "__main__":
    unittest.main()
