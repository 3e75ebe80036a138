"""The meter task with real profiles, on a simulated line and simulated time."""

import unittest

from agent.errors import MeterError
from agent.meter_reader import MeterReader
from agent.meter_task import MeterTask
from agent.modbus.client import Line, RtuClient
from fakes.fake_meter import FakeMeter
from fakes.fake_uart import FakeUart
from fakes.sample_profiles import INTEGER, SIGNED_64, sample
from fakes.virtual_time import VirtualClock, VirtualTiming, run

LOST, FOUND, CHANGED = 3, 4, 5
ENERGY, POWER = 0x34, 0x28
ENERGY_64, SERIAL, MODEL = 0x0C83, 0x81, 0x31


class Station:
    """Meters of one profile on one simulated line."""

    def __init__(self, description=INTEGER, units=(1,), **options):
        self.timing = VirtualTiming()
        self.clock = VirtualClock(self.timing)
        self.profile = sample(description)
        self.uart = FakeUart(self.timing)
        self.client = RtuClient(self.uart, timing=self.timing)
        line = Line(self.profile.bus.baud, self.profile.bus.parity)
        self.meters = []
        for unit in units:
            held = {(4, a): 0 for a in range(0x60)}
            for function, first, count in self.profile.listed:
                held.update({(function, first + i): 0 for i in range(count)})
            self.meters.append(FakeMeter(unit, held, line))
        self.uart.devices = list(self.meters)
        self.readings, self.tables, self.events = [], [], []
        self.task = MeterTask(
            [MeterReader(self.client, unit, self.profile, self.clock) for unit in units],
            self.clock,
            self.readings.append,
            self.tables.append,
            lambda kind, detail: self.events.append((kind, detail)),
            timing=self.timing,
            **options,
        )

    def set_words(self, address, value, count=2, function=4, meter=0):
        """Put an integer into registers: low word first with function 4, high word with 3."""
        parts = [value >> (16 * i) & 0xFFFF for i in range(count)]
        if function == 3:
            parts.reverse()
        for i, part in enumerate(parts):
            self.meters[meter].registers[(function, address + i)] = part

    def poll(self, after_s=60):
        """One poll; then time goes on."""
        start = self.timing.now_us
        run(self.task.poll_once())
        self.timing.now_us = max(self.timing.now_us, start + after_s * 1000000)
        return self.readings[-1]

    def unplug(self):
        self.uart.devices = []

    def plug(self):
        self.uart.devices = list(self.meters)


class Readings(unittest.TestCase):
    def test_reading_holds_the_words_as_sent(self):
        station = Station()
        station.set_words(ENERGY, 123456)
        station.set_words(POWER, 0xFFFFFFF6)
        station.poll()
        reading = station.poll()
        self.assertEqual(reading.sequence, 2)
        self.assertEqual((reading.status, reading.flags, reading.present), (0, 0, 15))
        self.assertEqual(reading.t_100ms, 600)
        # columns in address order: voltage 0x00, current 0x0C, power 0x28, energy 0x34
        self.assertEqual(reading.words, bytes(8) + b"\xff\xf6\xff\xff" + b"\xe2\x40\x00\x01")
        self.assertEqual(station.tables[0][0].columns[3], (4, 0x34, 2, 1))

    def test_a_failed_block_is_absent_and_the_rest_stays(self):
        station = Station()
        station.set_words(ENERGY, 5)
        del station.meters[0].registers[(4, 0)]
        reading = station.poll()
        self.assertEqual((reading.status, reading.flags), (130, 4))
        self.assertEqual(reading.present, 12)
        self.assertEqual(reading.words[:8], bytes(8))

    def test_two_meters_that_cannot_be_told_apart_are_refused(self):
        with self.assertRaises(MeterError) as caught:
            Station(units=(1, 1))
        self.assertEqual(caught.exception.code, "meter-alike")


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

    def test_read_again_once_a_day(self):
        station = self.station()
        station.poll()
        station.set_words(SERIAL, 4712, 2, 3)
        self.assertEqual(station.poll(86400).meter, 0)
        self.assertEqual(station.poll().meter, 1)

    def test_a_serial_register_that_the_meter_lacks_is_left_out(self):
        station = self.station()
        del station.meters[0].registers[(3, MODEL)]
        station.poll()
        self.assertEqual([r[1] for r in station.tables[0][0].identity], [0x81])


class Plausibility(unittest.TestCase):
    def test_zero_is_read_again_then_kept_and_flagged(self):
        station = Station()
        station.set_words(ENERGY, 500000)
        station.poll()
        station.set_words(ENERGY, 0)
        flagged = station.poll()
        self.assertEqual(flagged.flags, 3)
        self.assertEqual(flagged.present, 15)
        station.set_words(ENERGY, 500001)
        self.assertEqual(station.poll().flags, 0)
        self.assertEqual(station.events, [])


if __name__ == "__main__":
    unittest.main()
