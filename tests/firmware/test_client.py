"""The RTU master on a simulated line: bytes, times, and every fault that a line can show."""

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


if __name__ == "__main__":
    unittest.main()
