"""The meter task with real profiles, on a simulated line and simulated time."""

import asyncio
import json
import unittest

from agent.errors import MeterError
from agent.meter_reader import MeterReader
from agent.meter_task import MeterTask
from agent.modbus.client import Line, RtuClient
from fakes.fake_meter import FakeMeter
from fakes.fake_uart import FakeUart
from fakes.sample_profiles import INTEGER, SIGNED_64, description, register, sample
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
        # columns in address order: voltage 0x00, current 0x0A, power 0x28, energy 0x34
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

    def test_the_status_is_that_of_the_first_block_that_failed(self):
        station = Station()
        station.set_words(ENERGY, 5)
        meter = station.meters[0]
        meter.answers = [meter.frame(b"\x84\x02"), meter.frame(b"\x84\x01")]
        reading = station.poll()
        self.assertEqual((reading.status, reading.flags, reading.present), (130, 0, 0))

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

    def test_a_reading_that_cannot_be_kept_keeps_its_number(self):
        station = Station()
        station.poll()

        def refuse(reading):
            raise ValueError("full")

        kept, station.task._on_reading = station.task._on_reading, refuse
        with self.assertRaises(ValueError):
            run(station.task.poll_once())
        station.task._on_reading = kept
        self.assertEqual(station.poll().sequence, 2)

    def test_health_has_counters_for_each_entry_of_the_table(self):
        station = Station(units=(1, 2))
        for meter in range(2):
            station.set_words(ENERGY, 5, meter=meter)
        station.poll()
        self.assertEqual(station.task.health(), [[2, 2, 0, 0, 0, 0, 0]] * 2)


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

    def test_too_many_changes_of_meters_stop_the_task(self):
        station = Station(SIGNED_64)
        station.set_words(ENERGY_64, 1000, 4, 3)
        with self.assertRaises(MeterError) as caught:
            for serial in range(40):
                station.set_words(SERIAL, serial, 2, 3)
                station.poll(86410)
        self.assertEqual(caught.exception.code, "meter-epochs")
        self.assertEqual(len(station.task.meters), 32)

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
