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
from fakes.rtu_bench import Bench, words


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

    def test_expected_echo_is_checked(self):
        bench = Bench(echo=True)
        bench.uart.echo = True
        self.assertEqual(bench.read(), words(0x1000, 0x1001))
        bench.uart.echo = False
        bench.meter.turnaround_us = 200000
        with self.assertRaises(ModbusBusError):
            bench.read()

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
