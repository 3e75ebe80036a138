"""The RTU master and what lines do: late answers, echo, drivers, a loop that was held."""

import unittest

from agent.errors import (
    ModbusBusError,
    ModbusError,
    ModbusTimeout,
)
from agent.modbus.client import limits
from fakes.fake_meter import Dice
from fakes.fake_uart import DriverPin
from fakes.rtu_bench import LIMITS, Bench, words


class LateReplies(unittest.TestCase):
    """Limits of 300 ms; the meter answers 400 ms to 1.1 s after some requests."""

    def bench(self, faults, **options):
        bench = Bench(faults, **options)
        bench.meter.late_us = 400000
        return bench

    def late_then(self, address, count, **options):
        """A read whose answer is late, then another one."""
        bench = self.bench(["late"], lim=limits(first_byte_ms=300, gap_ms=20, retries=0))
        with self.assertRaises(ModbusTimeout):
            bench.read(0, 2)
        start_us = bench.timing.now_us
        found = bench.read(address, count, **options)
        return bench, found, (bench.timing.now_us - start_us) // 1000

    def test_another_length_is_told_at_once(self):
        _, found, taken_ms = self.late_then(10, 3)
        self.assertEqual(found, words(0x100A, 0x100B, 0x100C))
        self.assertTrue(taken_ms < 300)

    def test_the_same_length_is_made_longer(self):
        bench, found, taken_ms = self.late_then(10, 2, longer=4)
        self.assertEqual(found, words(0x100A, 0x100B))
        self.assertEqual(bench.meter.asked[-1], (4, 10, 4))
        self.assertTrue(taken_ms < 300)

    def test_the_same_length_waits_if_it_cannot_be_longer(self):
        _, found, taken_ms = self.late_then(10, 2)
        self.assertEqual(found, words(0x100A, 0x100B))
        self.assertTrue(900 < taken_ms <= 1300 + 200)

    def test_a_late_reply_is_counted_and_does_not_cost_the_read(self):
        bench = self.bench([None], lim=limits(first_byte_ms=300, gap_ms=20, retries=0))
        bench.meter.turnaround_us = 350000  # comes while the next read waits
        with self.assertRaises(ModbusTimeout):
            bench.read(0, 2)
        bench.meter.turnaround_us = 200000
        self.assertEqual(bench.read(10, 3), words(0x100A, 0x100B, 0x100C))
        self.assertEqual(bench.counters.late, 1)

    def test_the_late_reply_to_the_first_attempt_serves_the_second(self):
        bench = self.bench(["late", "silence"])
        bench.meter.dice = Dice(1)
        bench.meter.late_us = 350000
        self.assertEqual(bench.read(0, 2)[:2], words(0x1000))

    def test_consecutive_reads_of_one_length_vary(self):
        bench = Bench()
        for address in (0, 10, 20, 30):
            self.assertEqual(
                bench.read(address, 2, longer=4), words(0x1000 + address, 0x1001 + address)
            )
        self.assertEqual([asked[2] for asked in bench.meter.asked], [2, 4, 2, 4])

    def test_a_meter_that_refuses_the_longer_read_is_asked_for_less(self):
        bench = Bench()
        for _ in range(4):
            bench.read(98, 2, longer=4)  # register 100 does not exist
            bench.timing.advance_us(60000000)
        lengths = [asked[2] for asked in bench.meter.asked]
        self.assertEqual(lengths, [2, 4, 2, 4, 2, 2])
        self.assertEqual(bench.counters.exceptions, 2)


class OldAnswers(unittest.TestCase):
    """A meter or gateway that gives its last answer once more instead of a new one."""

    def spaced(self, faults):
        bench = Bench(faults)
        bench.client.add_unit(1, lim=LIMITS, spacers=((3, 5, 1), (4, 50, 3)))
        return bench

    def test_a_spacer_parts_two_reads_that_are_alike(self):
        bench = self.spaced([])
        for address in (0, 10):
            self.assertEqual(bench.read(address, 2), words(0x1000 + address, 0x1001 + address))
        self.assertEqual(bench.meter.asked, [(4, 0, 2), (3, 5, 1), (4, 10, 2)])

    def test_the_spacer_is_not_like_the_read(self):
        bench = self.spaced([])
        for address in (7, 8):
            bench.read(address, 1, function=3)
        self.assertEqual(bench.meter.asked, [(3, 7, 1), (4, 50, 3), (3, 8, 1)])

    def test_the_last_answer_again_is_not_taken_for_another_register(self):
        for repeated_at in (1, 2):
            bench = self.spaced([None] * repeated_at + ["previous"])
            bench.read(0, 2)
            self.assertEqual(bench.read(10, 2), words(0x100A, 0x100B))

    def test_nor_for_a_new_value_of_the_same_register(self):
        bench = self.spaced([None, None, "previous"])
        bench.read(0, 2)
        bench.timing.advance_us(60000000)
        bench.meter.registers[(4, 0)] = 0xBEEF
        self.assertEqual(bench.read(0, 2), words(0xBEEF, 0x1001))

    def test_a_refused_spacer_is_an_answer(self):
        bench = Bench([])
        bench.client.add_unit(1, lim=LIMITS, spacers=((3, 5000, 1),))
        bench.read(0, 2)
        self.assertEqual(bench.read(10, 2), words(0x100A, 0x100B))
        self.assertEqual(bench.counters.exceptions, 1)

    def test_a_meter_that_is_silent_at_its_spacers_is_still_read(self):
        bench = self.spaced([])
        real = bench.meter.hear
        bench.meter.hear = lambda data, line: real(data, line) if data[5] == 2 else []
        bench.read(0, 2)
        for _ in range(2):
            with self.assertRaises(ModbusTimeout):
                bench.read(10, 2)
        self.assertEqual(bench.read(10, 2), words(0x100A, 0x100B))

    def test_the_time_of_the_request_is_not_that_of_the_spacer(self):
        bench = self.spaced([])
        bench.read(0, 2)
        bench.read(10, 2)
        sent_ms = (bench.uart.sent[-1][0] // 1000) & ((1 << 30) - 1)
        self.assertTrue(0 <= bench.client.sent_ms - sent_ms < 15)


class Noise(unittest.TestCase):
    """Bytes that are no reply must not shorten the wait for one."""

    def noisy(self, turnaround_ms, noise, at_us=10000, echo=False, glitch=b""):
        bench = Bench(lim=limits(first_byte_ms=1000, gap_ms=50, retries=0))
        bench.uart.echo, bench.uart.glitch = echo, lambda: glitch
        meter = bench.meter
        meter.turnaround_us = 1000 * turnaround_ms
        real = meter.hear
        meter.hear = lambda data, line: [(at_us, noise)] + real(data, line)
        return bench

    def expect_every_read(self, bench):
        for address in (0, 10, 0x14):
            found = bench.read(address, 1 + address)
            self.assertEqual(found[:2], words(0x1000 + address))
        self.assertEqual(bench.counters.as_list(), [3, 0, 0, 0, 0, 0])

    def test_noise_before_a_slow_answer(self):
        for turnaround_ms in (40, 100, 300, 900):
            for size in (1, 4, 5, 6, 20):
                self.expect_every_read(self.noisy(turnaround_ms, Dice(size).bytes(size)))

    def test_no_second_request_meets_the_first_answer(self):
        bench = self.noisy(300, b"\xff\x00\x12\x34\x56\x78")
        bench.client.add_unit(1, lim=limits(first_byte_ms=1000, retries=2))
        bench.read()
        self.assertEqual(len(bench.uart.sent), 1)

    def test_echo_behind_a_glitch(self):
        for turnaround_ms in (20, 60, 300):
            for glitch in (b"\x00", b"\xff\x01", b"\x01\x04\x00"):
                bench = self.noisy(turnaround_ms, b"", 0, True, glitch)
                self.expect_every_read(bench)

    def test_a_damaged_echo_that_looks_like_the_beginning_of_the_reply(self):
        # 01 04 04 00 ...: two registers from 0x0400
        bench = self.noisy(300, b"\x01\x04\x04\x00\x00\x03\x70\xfb", 0)
        bench.meter.registers.update({(4, 0x400): 7, (4, 0x401): 8})
        self.assertEqual(bench.read(0x400, 2), words(7, 8))

    def test_a_truncated_answer_is_not_waited_for_till_the_end(self):
        bench = Bench(["truncated"], lim=limits(first_byte_ms=5000, gap_ms=20))
        bench.meter.dice = Dice(4)
        start_us = bench.timing.now_us
        self.assertEqual(bench.read(0, 10)[:2], words(0x1000))
        self.assertTrue(bench.timing.now_us - start_us < 1000000)


class Wiring(unittest.TestCase):
    def test_echo_is_dropped_without_being_told(self):
        bench = Bench()
        bench.uart.echo = True
        for address in (0, 4, 0x0400 // 256):
            self.assertEqual(bench.read(address, 2), words(0x1000 + address, 0x1001 + address))
        self.assertEqual(bench.counters.retries, 0)

    def test_echo_and_a_slow_meter(self):
        bench = Bench()
        bench.uart.echo = True
        bench.meter.turnaround_us = 200000
        self.assertEqual(bench.read(), words(0x1000, 0x1001))
        self.assertEqual(bench.counters.retries, 0)

    def test_driver_is_dropped_when_the_uart_fails(self):
        bench = Bench()
        pin = DriverPin(bench.uart)
        bench.client._de_pin = pin
        bench.read()

        def fail():
            raise OSError(116)

        bench.uart.flush = fail
        with self.assertRaises(ModbusBusError):
            bench.read()
        self.assertEqual(pin.log[-1][1], 0)
        self.assertFalse(bench.uart.driver_on)

    def test_a_driver_that_stays_on_would_lose_the_answer(self):
        """The simulated line really garbles answers while the driver is on."""
        bench = Bench()
        DriverPin(bench.uart)(1)
        with self.assertRaises(ModbusError):
            bench.read()

    def test_stale_bytes_are_flushed(self):
        bench = Bench()
        bench.uart.put(0, bench.meter.frame(b"\x04\x04\xde\xad\xbe\xef"))
        bench.timing.advance_us(1000000)
        self.assertEqual(bench.read(), words(0x1000, 0x1001))

    def test_meter_that_must_not_be_hurried(self):
        bench = Bench(lim=limits(first_byte_ms=300, min_interval_ms=500))
        bench.read()
        bench.read(10, 3)
        gap_us = bench.uart.sent[1][0] - bench.uart.sent[0][0]
        self.assertTrue(500000 <= gap_us <= 520000)


class BlockedLoop(unittest.TestCase):
    """Another task holds the loop for 500 ms, longer than any limit here."""

    def test_answers_that_came_meanwhile_are_taken(self):
        for hold_at_us in range(0, 60000, 1500):
            bench = Bench(lim=limits(first_byte_ms=60, gap_ms=20, retries=0))
            bench.timing.hold_after_us = bench.timing.now_us + hold_at_us
            bench.timing.hold_us = 500000
            self.assertEqual(bench.read(0, 10)[:2], words(0x1000), hold_at_us)


if __name__ == "__main__":
    unittest.main()
