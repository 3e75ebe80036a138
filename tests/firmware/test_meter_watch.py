"""One meter under watch: lost and found, identity, plausibility."""

import json
import unittest

from agent.reading import Meter
from fakes.meter_station import (
    CHANGED,
    ENERGY,
    ENERGY_64,
    FOUND,
    LOST,
    MODEL,
    SERIAL,
    Station,
)
from fakes.sample_profiles import INTEGER, SIGNED_64, description, register


class LostAndFound(unittest.TestCase):
    def test_events_and_one_attempt_while_lost(self):
        station = Station(units=(1, 2))
        station.set_words(ENERGY, 5)
        station.set_words(ENERGY, 5, meter=1)
        station.poll()
        station.uart.devices = station.meters[1:]
        for _ in range(3):
            station.poll()
        self.assertEqual(station.events, [(LOST, [0])])
        before = len(station.uart.sent)
        station.poll()
        asked = [data[0] for _, data in station.uart.sent[before:]]
        self.assertEqual(asked.count(1), 1)
        lost = station.readings[-2]
        self.assertEqual((lost.status, lost.present, lost.meter), (1, 0, 0))
        station.plug()
        station.poll()
        self.assertEqual(station.events, [(LOST, [0]), (FOUND, [0])])
        self.assertEqual([r.present for r in station.readings[-2:]], [15, 15])


class Identity(unittest.TestCase):
    def station(self):
        station = Station(SIGNED_64)
        station.set_words(ENERGY_64, 1000, 4, 3)
        station.set_words(SERIAL, 4711, 2, 3)
        return station

    def test_read_before_the_first_reading_is_handed_over(self):
        station = self.station()
        station.poll()
        self.assertEqual(len(station.tables), 1)
        self.assertEqual(station.tables[0][0].identity[1], (3, 0x81, b"\x00\x00\x12\x67"))

    def test_a_swapped_meter_is_a_new_epoch(self):
        station = self.station()
        station.poll()
        station.set_words(SERIAL, 4712, 2, 3)
        station.set_words(ENERGY_64, 10, 4, 3)
        reading = station.poll()
        self.assertEqual(station.events, [(CHANGED, [0, 1])])
        self.assertEqual((reading.meter, reading.flags), (1, 1))
        self.assertEqual(len(station.tables[-1]), 2)

    def test_read_at_once_when_a_lost_meter_answers_again(self):
        station = self.station()
        station.poll()
        station.unplug()
        for _ in range(3):
            station.poll()
        station.plug()
        station.set_words(SERIAL, 4712, 2, 3)
        station.set_words(ENERGY_64, 1001, 4, 3)  # plausible: only the serial number tells
        reading = station.poll()
        self.assertEqual((reading.meter, reading.flags), (1, 0))
        self.assertEqual(station.events, [(LOST, [0]), (FOUND, [0]), (CHANGED, [0, 1])])

    def test_read_again_once_a_day(self):
        station = self.station()
        station.poll()
        station.set_words(SERIAL, 4712, 2, 3)
        self.assertEqual(station.poll(86410).meter, 0)
        self.assertEqual(station.poll().meter, 1)

    def test_a_serial_register_that_the_meter_lacks_is_left_out(self):
        station = self.station()
        del station.meters[0].registers[(3, MODEL)]
        station.poll()
        self.assertEqual([r[1] for r in station.tables[0][0].identity], [0x81])


class Plausibility(unittest.TestCase):
    def station(self):
        station = Station()
        station.set_words(ENERGY, 500000)
        station.poll()
        return station

    def test_zero_is_read_again_then_kept_and_flagged(self):
        station = self.station()
        station.set_words(ENERGY, 0)
        before = len(station.uart.sent)
        flagged = station.poll()
        self.assertEqual(flagged.flags, 3)
        self.assertEqual(flagged.present, 15)
        self.assertEqual(len(station.uart.sent) - before, 3)  # two blocks, one of them twice
        station.set_words(ENERGY, 500001)
        self.assertEqual(station.poll().flags, 0)
        self.assertEqual(station.events, [])

    def test_backward_and_jump_are_flagged_and_are_no_baseline(self):
        for wrong in (499999, 510000, 0xFFFFFFFF):
            station = self.station()
            station.set_words(ENERGY, wrong)
            self.assertEqual(station.poll().flags, 3)
            station.set_words(ENERGY, 500002)
            self.assertEqual(station.poll().flags, 0)

    def test_a_second_look_that_is_right_replaces_the_first(self):
        station = self.station()
        meter = station.meters[0]
        meter.answers = [
            meter.frame(b"\x04\x1c" + bytes(28))
        ]  # the energy block reads all zero once
        reading = station.poll()
        self.assertEqual(reading.flags, 1)
        self.assertEqual(reading.words[-4:], b"\xa1\x20\x00\x07")

    def test_rollover_is_flagged_then_settles_and_is_stated(self):
        station = Station()
        station.set_words(ENERGY, 9999999)  # 999 999.9 kWh
        station.poll()
        flags = []
        for n in range(12):
            station.set_words(ENERGY, 1 + n)
            flags.append(station.poll().flags)
        self.assertEqual(flags, [3] * 10 + [0, 0])
        self.assertEqual(station.events, [(CHANGED, [0, 0])])

    def test_not_available_is_no_zero(self):
        tree = json.loads(json.dumps(INTEGER))
        tree["registers"]["energy_import_wh"]["not_available"] = ["0x7FFFFFFF"]
        station = Station(tree)
        station.set_words(ENERGY, 500000)
        station.poll()
        station.set_words(ENERGY, 0x7FFFFFFF)
        self.assertEqual(station.poll().flags, 0)

    def test_scale_factor_of_the_set_up_registers(self):
        energy = register(0x10, "acc32", order="ABCD", unit="Wh", sf="wh_sf", total=True)
        tree = description({"energy_import_wh": energy}, setup={"wh_sf": register(0x20, "s16")})
        station = Station(tree)
        station.set_words(0x20, 0xFFFE, 1)  # 10^-2
        station.set_words(0x11, 50000, 1)
        station.poll()
        station.set_words(0x11, 60000, 1)  # 100 Wh more
        self.assertEqual(station.poll().flags, 0)
        station.set_words(0x20, 3, 1)  # now the same words mean kWh times 1000
        station.set_words(0x11, 59999, 1)
        station.poll()
        self.assertEqual(station.events, [(CHANGED, [0, 1])])

    def test_a_setting_that_the_profile_does_not_expect_flags_every_reading(self):
        tree = json.loads(json.dumps(INTEGER))
        tree["setup"] = {"application": register(0x50, "u16", expect=[7])}
        station = Station(tree)
        station.set_words(ENERGY, 5)
        self.assertEqual(station.poll().flags, 2)
        station.set_words(0x50, 7, 1)
        self.assertEqual(station.poll(86410).flags, 2)
        self.assertEqual(station.poll().flags, 0)


class AfterABoot(unittest.TestCase):
    """The first total of a boot against the last one before it."""

    def station(self, total, ago_ms=None, **changes):
        """A station that read `total` before this boot."""
        before = Station()
        before.set_words(ENERGY, total)
        reading = before.poll()
        meter = before.task.meters[0]
        if changes:
            meter = Meter(*[changes.get(n, getattr(meter, n)) for n in FIELDS])
        found = [(meter, reading, None if ago_ms is None else 10**12)]
        station = Station(recalled=found)
        if ago_ms is not None:
            station.clock.start_unix_ms = 10**12 + ago_ms
        return station

    def flags(self, station, total):
        station.set_words(ENERGY, total)
        return station.poll().flags

    def test_a_register_that_goes_on_is_good(self):
        self.assertEqual(self.flags(self.station(500000), 500003), 0)

    def test_backward_and_zero_are_flagged(self):
        for total in (499999, 10, 0):
            self.assertEqual(self.flags(self.station(500000), total), 3, total)

    def test_a_jump_beyond_a_month_at_rated_power_is_flagged(self):
        # 100 kW for 30 days are 72 MWh, and a tenth more is allowed: 792 000 steps of 0.1 kWh
        self.assertEqual(self.flags(self.station(500000), 500000 + 790000), 0)
        self.assertEqual(self.flags(self.station(500000), 500000 + 800000), 3)

    def test_where_the_time_is_known_it_counts(self):
        hour_ms = 3600000
        self.assertEqual(self.flags(self.station(500000, hour_ms), 500000 + 1000), 0)
        self.assertEqual(self.flags(self.station(500000, hour_ms), 500000 + 1200), 3)

    def test_another_meter_starts_anew(self):
        other = ((3, 0x81, b"\x00\x01"),)
        for change in ({"identity": other}, {"setup": other}, {"unit": 2}):
            self.assertEqual(self.flags(self.station(500000, **change), 10), 0, change)


FIELDS = ("profile", "profile_hash", "unit", "identity", "setup", "columns")


if __name__ == "__main__":
    unittest.main()
