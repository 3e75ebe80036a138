"""The RTU master on a simulated line: bytes, errors, retries and limits."""

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
from agent.modbus.bounds import longest_read_ms
from agent.modbus.client import Line, limits
from fakes.fake_meter import Dice, FakeMeter
from fakes.fake_uart import DriverPin
from fakes.rtu_bench import LIMITS, LINE, Bench, registers, words
from fakes.virtual_time import run


class GoodLine(unittest.TestCase):
    def test_words_come_as_sent(self):
        bench = Bench()
        self.assertEqual(bench.read(5, 3), words(0x1005, 0x1006, 0x1007))
        self.assertEqual(bench.read(5, 1, function=3), words(0x2005))
        self.assertEqual(bench.counters.as_list(), [2, 0, 0, 0, 0, 0])

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
        self.assertEqual(bench.counters.as_list(), [0, 0, 0, 0, 1, 0])

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
