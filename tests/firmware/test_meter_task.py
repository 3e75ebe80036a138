"""The meter task: readings, schedule, buses, and what one bad meter costs the others."""

import asyncio
import unittest

from agent.errors import JournalError
from agent.meter_reader import MeterReader
from agent.meter_task import MeterTask
from agent.modbus.client import Line, RtuClient
from agent.reading import Context
from fakes.fake_meter import FakeMeter
from fakes.fake_uart import FakeUart
from fakes.meter_station import (
    CHANGED,
    ENERGY,
    ENERGY_64,
    POWER,
    SERIAL,
    Station,
)
from fakes.sample_profiles import INTEGER, SIGNED_64, description, register, sample
from fakes.virtual_time import VirtualClock, VirtualTiming, run


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
        # columns in address order: voltage 0x00, current 0x0A, power 0x28, energy 0x34
        self.assertEqual(reading.words, bytes(8) + b"\xff\xf6\xff\xff" + b"\xe2\x40\x00\x01")
        self.assertEqual(station.tables[0][0].columns[3], (4, 0x34, 2, 1))

    def test_a_register_that_the_meter_lacks_is_absent_and_the_rest_stays(self):
        station = Station()
        station.set_words(ENERGY, 5)
        del station.meters[0].registers[(4, 0)]
        reading = station.poll()
        self.assertEqual((reading.status, reading.flags), (130, 4))
        self.assertEqual(reading.present, 14)
        self.assertEqual(reading.words[:4], bytes(4))

    def test_the_total_does_not_share_the_fate_of_its_neighbour(self):
        station = Station()
        station.set_words(ENERGY, 5)
        del station.meters[0].registers[(4, POWER)]
        for _ in range(3):
            station.meters[0].asked.clear()
            reading = station.poll()
            self.assertEqual((reading.status, reading.present), (130, 11))
            self.assertEqual(reading.words[-4:], b"\x00\x05\x00\x00")
        # split once and remembered, with a spacer between what is alike
        split = [(4, ENERGY, 2), (4, 0, 12), (4, POWER, 2), (4, 0, 12)]
        self.assertEqual(station.meters[0].asked, split)

    def test_what_was_split_is_tried_whole_again_once_a_day(self):
        station = Station()
        station.set_words(ENERGY, 5)
        power = station.meters[0].registers.pop((4, POWER))
        station.poll()
        station.meters[0].registers[(4, POWER)] = power
        self.assertEqual(station.poll(86410).status, 0)
        station.poll()
        station.meters[0].asked.clear()
        self.assertEqual(station.poll().status, 0)
        self.assertEqual(len(station.meters[0].asked), 2)

    def test_the_status_is_that_of_the_first_block_that_failed(self):
        station = Station()
        station.set_words(ENERGY, 5)
        meter = station.meters[0]
        del meter.registers[(4, 0)]
        meter.answers = [meter.frame(b"\x84\x01")]
        reading = station.poll()
        self.assertEqual((reading.status, reading.flags, reading.present), (129, 4, 2))


class Schedule(unittest.TestCase):
    def run_for(self, station, seconds):
        """Let the task run; simulated time ends it."""
        end_us = station.timing.now_us + seconds * 1000000

        async def main():
            task = asyncio.create_task(station.task.run())
            while station.timing.now_us < end_us:
                await asyncio.sleep(0)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                pass

        run(main())

    def test_the_grid_does_not_drift(self):
        station = Station()
        station.set_words(ENERGY, 5)
        self.run_for(station, 605)
        times = [reading.t_100ms for reading in station.readings]
        self.assertEqual(times, [600 * n for n in range(11)])

    def test_a_poll_that_takes_too_long_leaves_slots_out(self):
        station = Station(units=(1, 2, 3), interval_s=1, lost_after=100)
        station.unplug()
        self.run_for(station, 20)
        times = [reading.t_100ms for reading in station.readings if reading.meter == 0]
        self.assertEqual(times[:3], [0, 30, 60])
        self.assertTrue(station.task.missed >= 10)

    def test_a_new_interval_counts_from_the_last_poll(self):
        station = Station()
        station.set_words(ENERGY, 5)
        self.run_for(station, 61)
        station.task.set_interval_s(300)
        self.run_for(station, 10)
        self.assertEqual(len(station.readings), 3)  # run() begins a grid of its own
        self.run_for(station, 301)
        self.assertTrue(station.readings[-1].t_100ms >= 3600)

    def test_the_supervisor_hears_of_it_while_it_waits(self):
        calls = []
        station = Station(check_in=lambda: calls.append(station.clock.mono_ms()))
        self.run_for(station, 60)
        gaps = [calls[i] - calls[i - 1] for i in range(1, len(calls))]
        self.assertTrue(max(gaps) < 5000)

    def test_no_number_is_given_twice_whatever_becomes_of_a_reading(self):
        station = Station()
        station.poll()

        def refuse(reading):
            raise ValueError("full")

        kept, station.task._on_reading = station.task._on_reading, refuse
        with self.assertRaises(ValueError):
            run(station.task.poll_once())
        station.task._on_reading = kept
        self.assertEqual(station.poll().sequence, 3)

    def test_health_has_counters_for_each_entry_of_the_table(self):
        station = Station(units=(1, 2))
        for meter in range(2):
            station.set_words(ENERGY, 5, meter=meter)
        station.poll()
        self.assertEqual(station.task.health(), [[2, 0, 0, 0, 0, 0]] * 2)


class Buses(unittest.TestCase):
    def test_two_buses_are_asked_in_parallel(self):
        timing = VirtualTiming()
        clock = VirtualClock(timing)
        readings, readers = [], []
        loaded = sample(INTEGER)
        for unit in (1, 2):
            held = {(4, a): unit for a in range(0x60)}
            uart = FakeUart(timing, [FakeMeter(unit, held, Line(9600), 100000)])
            client = RtuClient(uart, timing=timing)
            readers.append(MeterReader(client, unit, loaded, clock))
        task = MeterTask(readers, clock, readings.append, lambda table: 0, None, timing=timing)
        start_us = timing.now_us
        run(task.poll_once())
        taken_ms = (timing.now_us - start_us) // 1000
        self.assertEqual(sorted([r.meter for r in readings]), [0, 1])
        self.assertEqual([r.sequence for r in readings], [1, 2])
        self.assertEqual([r.status for r in readings], [0, 0])
        self.assertTrue(300 < taken_ms < 450)  # one after the other it would be 600

    def test_a_dead_meter_does_not_stop_the_others(self):
        station = Station(units=(1, 2, 3))
        for meter in range(3):
            station.set_words(ENERGY, 5, meter=meter)
        station.uart.devices = [station.meters[0], station.meters[2]]
        station.poll()
        self.assertEqual([r.status for r in station.readings], [0, 1, 0])


class Answers(unittest.TestCase):
    def test_when_the_first_block_is_silent_nothing_else_is_asked(self):
        station = Station()
        station.unplug()
        station.poll()
        self.assertEqual(len(station.uart.sent), 3)  # the energy block and two retries

    def test_a_block_that_gets_no_answer_costs_only_itself(self):
        station = Station()
        station.set_words(ENERGY, 5)
        meter = station.meters[0]
        real = meter.answer
        meter.answer = lambda request: b"" if request[3] == 0 else real(request)
        reading = station.poll()
        self.assertEqual((reading.status, reading.present), (1, 12))
        self.assertEqual(reading.flags, 5)

    def test_the_energy_block_comes_first(self):
        places = (0x40, 0x10, 0x70)
        for energy in range(3):
            registers = {
                name: register(places[(energy + i) % 3], "u32", order="ABCD", unit=unit)
                for i, (name, unit) in enumerate(
                    (("energy_import_wh", "Wh"), ("power_w", "W"), ("voltage_l1_v", "V"))
                )
            }
            registers["energy_import_wh"]["total"] = True
            station = Station(description(registers))
            station.poll()
            self.assertEqual(station.meters[0].asked[0][1], places[energy])

    def test_broken_adapter(self):
        station = Station()
        station.uart.broken = OSError(5)
        reading = station.poll()
        self.assertEqual((reading.status, reading.flags, reading.present), (4, 1, 0))

    def swapping(self, on_meters=None, units=(1, 2)):
        """A station whose first meter's serial number changes; the table before is in `tables`."""
        station = Station(SIGNED_64, units=units)
        for meter in range(len(units)):
            station.set_words(ENERGY_64, 1000, 4, 3, meter)
        station.set_words(SERIAL, 7000, 2, 3, 1)
        if on_meters:
            station.task.on_meters = on_meters
        return station

    def serials(self, station, readings):
        """Serial number under which each reading of unit 1 is sealed."""
        found = []
        for reading in readings:
            meter = station.task.meters[reading.meter]
            if meter.unit == 1:
                found += [int.from_bytes(w, "big") for _, a, w in meter.identity if a == SERIAL]
        return found

    def test_a_full_table_begins_anew_with_the_meters_as_they_are(self):
        station = self.swapping()
        for serial in range(80):
            station.set_words(SERIAL, serial, 2, 3)
            station.poll(86410)
            self.assertEqual(self.serials(station, station.readings[-2:]), [serial])
            self.assertEqual(station.task.meters[station.readings[-1].meter].unit, 2)
            self.assertEqual(station.tables[-1], tuple(station.task.meters))
            self.assertTrue(len(station.task.meters) <= 32)
            self.assertEqual(len(station.task.health()), len(station.task.meters))
            if serial:
                kind, (before, after) = station.events[-1]
                self.assertEqual((kind, after), (CHANGED, station.readings[-2].meter))
                named = station.task.meters[before].identity[-1]
                self.assertEqual(named, (3, SERIAL, (serial - 1).to_bytes(4, "big")))
        self.assertEqual(len(station.events), 79)

    def test_a_table_of_too_many_bytes_begins_anew(self):
        tables = []

        def on_meters(table):
            if len(Context(1, table).pack()) > 400:
                raise JournalError("journal-too-large", "")
            tables.append(len(table))

        station = self.swapping(on_meters)
        for serial in range(30):
            station.set_words(SERIAL, serial, 2, 3)
            station.poll(86410)
            self.assertEqual(self.serials(station, station.readings[-2:]), [serial])
        self.assertEqual(len(station.events), 29)
        self.assertTrue(max(tables) < 10 and tables.count(3) > 3)

    def test_a_table_that_is_refused_leaves_no_reading_under_the_old_serial_number(self):
        refusing = []

        def on_meters(table):
            if refusing:
                raise JournalError("journal-flash", "")

        station = self.swapping(on_meters)
        station.set_words(SERIAL, 1, 2, 3)
        station.poll(86410)
        station.set_words(SERIAL, 2, 2, 3)
        refusing.append(1)
        before = list(station.task.meters)
        for _ in range(3):
            with self.assertRaises(JournalError):
                station.poll()
        self.assertEqual((station.task.meters, len(station.readings)), (before, 2))
        refusing.clear()
        station.poll()
        self.assertEqual(self.serials(station, station.readings[-2:]), [2])
        self.assertEqual(station.events, [(CHANGED, [0, 2])])

    def limited(self, most_len, units=(1, 2)):
        """A station whose journal takes tables of so many bytes."""

        def on_meters(table):
            if len(Context(1, table).pack()) > most_len:
                raise JournalError("journal-too-large", "")

        return self.swapping(on_meters, units)

    def test_a_meter_is_exchanged_where_the_table_has_room_for_no_other(self):
        station = self.swapping(units=range(1, 33))
        station.poll()
        table = station.task.meters
        most_len = len(Context(1, table).pack())
        station = self.limited(most_len, range(1, 33))
        for serial in (1, 2):
            station.set_words(SERIAL, serial, 2, 3)
            station.readings.clear()
            station.poll(86410)
            self.assertEqual(len(station.readings), 32)
            self.assertEqual(self.serials(station, station.readings), [serial])
            self.assertEqual(len(station.task.meters), 32)
            units = [station.task.meters[r.meter].unit for r in station.readings]
            self.assertEqual(units, list(range(1, 33)))
        new = station.readings[0].meter
        self.assertEqual(station.events, [(CHANGED, [new, new])])

    def test_a_meter_for_which_there_is_no_room_does_not_stop_the_others(self):
        station = Station(SIGNED_64, units=range(1, 34))
        for _ in range(2):
            station.readings.clear()
            station.poll()
            units = [station.task.meters[r.meter].unit for r in station.readings]
            self.assertEqual(units, list(range(1, 33)))

    def test_an_exchanged_meter_for_which_there_is_no_room_is_not_read_under_the_old_number(self):
        station = self.swapping()
        station.set_words(SERIAL, 1, 2, 3)
        station.poll()
        full = []

        def on_meters(table):
            if full:
                raise JournalError("journal-too-large", "")

        station.task.on_meters = on_meters
        full.append(1)
        meter = station.uart.devices.pop(0)
        for _ in range(3):
            station.poll()  # it is away
        station.uart.devices.insert(0, meter)
        station.set_words(SERIAL, 2, 2, 3)
        station.readings.clear()
        for _ in range(3):
            station.poll()
        units = [station.task.meters[r.meter].unit for r in station.readings]
        self.assertEqual(units, [2, 2, 2])
        full.clear()
        station.poll()
        self.assertEqual(self.serials(station, station.readings), [2])

    def test_an_entry_that_was_there_before_is_taken_again(self):
        station = Station(SIGNED_64)
        station.set_words(ENERGY_64, 1000, 4, 3)
        for serial in (1, 2, 1):
            station.set_words(SERIAL, serial, 2, 3)
            station.poll(86410)
        self.assertEqual([r.meter for r in station.readings], [0, 1, 0])
        self.assertEqual(station.events, [(CHANGED, [0, 1]), (CHANGED, [1, 0])])


if __name__ == "__main__":
    unittest.main()
