"""The RTU master on a simulated line: bytes, times, and every fault that a line can show."""

import asyncio
import unittest

from agent.errors import (
    ModbusBusError,
    ModbusCrcError,
    ModbusError,
    ModbusException,
    ModbusMalformed,
    ModbusTimeout,
)
from agent.modbus.client import Line, RtuClient, limits
from agent.modbus.settings import longest_read_ms
from fakes.fake_meter import Dice, FakeMeter, FaultyMeter
from fakes.fake_uart import DriverPin, FakeUart
from fakes.virtual_time import VirtualTiming, run

LINE = Line(9600, "N", 1)
LIMITS = limits(first_byte_ms=300, gap_ms=20, retries=2)


def registers(function, first, values):
    return {(function, first + i): value for i, value in enumerate(values)}


class Bench:
    """A client, a line and a meter with unit id 1 that holds 0x1000 + address."""

    def __init__(self, faults=(), lim=LIMITS, line=LINE, **options):
        self.timing = VirtualTiming()
        held = registers(4, 0, [0x1000 + i for i in range(100)])
        held.update(registers(3, 0, [0x2000 + i for i in range(100)]))
        queue = list(faults)
        self.meter = FaultyMeter(1, held, line, Dice(7), lambda: queue.pop(0) if queue else None)
        self.uart = FakeUart(self.timing, [self.meter])
        self.client = RtuClient(self.uart, timing=self.timing, line=line, lim=lim, **options)

    def read(self, address=0, count=2, unit=1, function=4, **options):
        return run(self.client.read(unit, function, address, count, **options))

    @property
    def counters(self):
        return self.client.unit(1).counters


def words(*values):
    return b"".join([bytes((v >> 8, v & 0xFF)) for v in values])


class GoodLine(unittest.TestCase):
    def test_words_come_as_sent(self):
        bench = Bench()
        self.assertEqual(bench.read(5, 3), words(0x1005, 0x1006, 0x1007))
        self.assertEqual(bench.read(5, 1, function=3), words(0x2005))
        self.assertEqual(bench.counters.as_list(), [2, 2, 0, 0, 0, 0, 0])

    def test_request_is_the_one_of_the_specification(self):
        bench = Bench()
        bench.read(0, 2)
        self.assertEqual(bench.uart.sent[0][1], b"\x01\x04\x00\x00\x00\x02\x71\xcb")

    def test_quiet_time_of_3_5_characters_before_each_request(self):
        for baud, quiet_us in ((1200, 29166), (9600, 3645), (19200, 1822), (38400, 1750)):
            bench = Bench(line=Line(baud))
            bench.meter.line = Line(baud)
            bench.read()
            end_us = bench.timing.now_us
            bench.read(10, 4)
            self.assertTrue(bench.uart.sent[1][0] - end_us >= quiet_us, baud)
            self.assertTrue(bench.uart.sent[1][0] - end_us <= quiet_us + 1100, baud)

    def test_driver_is_on_exactly_while_sending(self):
        bench = Bench()
        pin = DriverPin(bench.uart)
        bench.client._de_pin = pin
        bench.read()
        (on_us, on), (off_us, off) = pin.log
        self.assertEqual((on, off), (1, 0))
        self.assertEqual(off_us - on_us, 8 * LINE.char_us)

    def test_units_with_other_speed_and_parity_on_one_bus(self):
        bench = Bench()
        other = Line(2400, "E", 1)
        bench.uart.devices.append(FakeMeter(9, registers(4, 0, [7, 8]), other))
        bench.client.add_unit(9, other, LIMITS)
        for _ in range(2):
            self.assertEqual(bench.read(unit=9), words(7, 8))
            self.assertEqual(bench.read(0, 3), words(0x1000, 0x1001, 0x1002))


class Faults(unittest.TestCase):
    def expect_recovery(self, fault, status=None, **options):
        bench = Bench([fault], **options)
        self.assertEqual(bench.read(), words(0x1000, 0x1001))
        return bench

    def test_each_fault_is_survived_by_a_retry(self):
        for fault in (
            "silence",
            "truncated",
            "crc",
            "wrong_address",
            "wrong_function",
            "wrong_length",
        ):
            with self.subTest(fault):
                bench = self.expect_recovery(fault)
                self.assertEqual(bench.counters.retries, 1)
                self.assertEqual(bench.counters.ok, 1)

    def test_noise_costs_no_retry(self):
        for fault in ("noise_before", "noise_after", "twice"):
            with self.subTest(fault):
                self.assertEqual(self.expect_recovery(fault).counters.retries, 0)

    def test_errors_have_their_own_types(self):
        for fault, error, status in (
            ("silence", ModbusTimeout, 1),
            ("crc", ModbusCrcError, 2),
            ("truncated", ModbusMalformed, 3),
            ("wrong_address", ModbusMalformed, 3),
            ("wrong_length", ModbusMalformed, 3),
        ):
            with self.subTest(fault):
                bench = Bench([fault] * 3)
                with self.assertRaises(error) as caught:
                    bench.read(0, 10)
                self.assertEqual(caught.exception.status, status)

    def test_exception_is_not_silence_and_not_retried(self):
        bench = Bench()
        with self.assertRaises(ModbusException) as caught:
            bench.read(99, 2)
        self.assertEqual(caught.exception.status, 130)
        self.assertEqual(bench.counters.as_list(), [1, 0, 0, 0, 0, 1, 0])

    def test_broken_adapter_is_a_bus_error(self):
        bench = Bench()
        bench.uart.broken = OSError(5)
        with self.assertRaises(ModbusBusError) as caught:
            bench.read()
        self.assertEqual(caught.exception.status, 4)
        bench.uart.broken = None
        self.assertEqual(bench.read(), words(0x1000, 0x1001))

    def test_never_longer_than_the_limit_on_a_babbling_line(self):
        bench = Bench()
        bench.uart.put(0, Dice(3).bytes(20000))
        start = bench.timing.now_us
        with self.assertRaises(ModbusError):
            bench.read()
        self.assertTrue(bench.timing.now_us - start <= 1000 * longest_read_ms(LINE, LIMITS, 2))


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


class Limits(unittest.TestCase):
    def test_retries_are_limited(self):
        for retries in (0, 1, 5):
            bench = Bench(["silence"] * 10, lim=limits(first_byte_ms=100, retries=retries))
            with self.assertRaises(ModbusTimeout):
                bench.read()
            self.assertEqual(len(bench.uart.sent), retries + 1)
            self.assertEqual(bench.counters.retries, retries)

    def test_retries_of_one_read(self):
        bench = Bench(["silence"] * 10)
        with self.assertRaises(ModbusTimeout):
            bench.read(retries=0)
        self.assertEqual(bench.client.attempts, 1)

    def test_an_exception_that_may_pass_is_retried(self):
        for code, requests in ((1, 1), (2, 1), (3, 1), (4, 2), (6, 2), (11, 2)):
            bench = Bench()
            bench.meter.answers = [bench.meter.frame(bytes((0x84, code)))]
            if requests == 1:
                with self.assertRaises(ModbusException):
                    bench.read()
            else:
                self.assertEqual(bench.read(), words(0x1000, 0x1001))
            self.assertEqual(len(bench.uart.sent), requests)

    def test_times_of_request_and_reply(self):
        bench = Bench(["silence"])
        start = bench.timing.ms()
        bench.read()
        self.assertTrue(0 <= bench.client.sent_ms - start < 20)
        self.assertTrue(bench.client.reply_ms - start > 300)

    def test_a_cancelled_read_leaves_no_trap(self):
        """Its answer may still come and must not serve the next read."""
        bench = Bench(lim=limits(first_byte_ms=300, retries=0))
        bench.meter.turnaround_us = 100000

        async def cancelled_then_other():
            task = asyncio.create_task(bench.client.read(1, 4, 0, 2))
            while not bench.uart.sent:
                await asyncio.sleep(0)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                pass
            return await bench.client.read(1, 4, 10, 2)

        self.assertEqual(run(cancelled_then_other()), words(0x100A, 0x100B))

    def test_never_longer_than_the_limit_whatever_is_on_the_line(self):
        for seed in range(10):
            dice = Dice(seed)
            bench = Bench()
            for _ in range(100):
                bench.uart.put(dice.below(3000000), dice.bytes(1 + dice.below(60)))
            start = bench.timing.now_us
            try:
                bench.read()
            except ModbusError:
                pass
            taken_ms = (bench.timing.now_us - start) // 1000
            self.assertTrue(taken_ms <= longest_read_ms(LINE, LIMITS, 2))


if __name__ == "__main__":
    unittest.main()
