"""Small parts of the bus: character times, memory of late answers, ticks, counters."""

import unittest

from agent.errors import ModbusCrcError, ModbusException, ModbusMalformed, ModbusTimeout
from agent.modbus import timing
from agent.modbus.bounds import longest_read_ms
from agent.modbus.counters import Counters
from agent.modbus.late import LateReplies
from agent.modbus.settings import Line, frame_ms, limits
from fakes.virtual_time import VirtualTiming

SHAPE, OTHER = (1, 4, 2), (1, 4, 3)


class Lines(unittest.TestCase):
    def test_character_times(self):
        for baud, parity, stop_bits, char_us in (
            (9600, "N", 1, 1042),
            (9600, "E", 1, 1146),
            (9600, "N", 2, 1146),
            (9600, "O", 2, 1250),
            (19200, "E", 1, 573),
            (1200, "N", 1, 8334),
        ):
            self.assertEqual(Line(baud, parity, stop_bits).char_us, char_us)

    def test_quiet_time_is_never_shorter_than_3_5_characters_up_to_19200(self):
        for baud in (300, 1200, 2400, 4800, 9600, 19200):
            for parity in "NEO":
                line = Line(baud, parity)
                self.assertTrue(2 * line.quiet_us >= 7 * line.char_us)
        self.assertEqual(Line(38400).quiet_us, 1750)
        self.assertEqual(Line(115200).quiet_us, 1750)

    def test_the_uart_is_set_as_machine_uart_counts(self):
        calls = []

        class Uart:
            def init(self, **settings):
                calls.append(settings)

        for parity in "NEO":
            Line(19200, parity, 2).apply(Uart())
        self.assertEqual([c["parity"] for c in calls], [None, 0, 1])
        self.assertEqual((calls[0]["baudrate"], calls[0]["bits"], calls[0]["stop"]), (19200, 8, 2))

    def test_times_are_rounded_up(self):
        self.assertEqual(frame_ms(Line(9600), 8), 9)
        self.assertEqual(frame_ms(Line(9600), 0), 0)

    def test_the_longest_read_grows_with_everything(self):
        line = Line(9600)
        least = longest_read_ms(line, limits(), 2)
        self.assertTrue(longest_read_ms(line, limits(), 50) > least)
        self.assertTrue(longest_read_ms(line, limits(retries=3), 2) > least)
        self.assertTrue(longest_read_ms(line, limits(), 2, 4) >= 2 * least)


class Late(unittest.TestCase):
    def setUp(self):
        self.timing = VirtualTiming()
        self.late = LateReplies(self.timing)

    def test_outstanding_blocks_the_shape_until_its_time(self):
        self.late.expect(SHAPE, 500)
        self.assertEqual(self.late.blocked_ms(SHAPE), 500)
        self.assertEqual(self.late.blocked_ms(OTHER), 0)
        self.timing.advance_us(499000)
        self.assertEqual(self.late.blocked_ms(SHAPE), 1)
        self.timing.advance_us(1000)
        self.assertEqual(self.late.blocked_ms(SHAPE), 0)

    def test_answered_blocks_while_a_copy_may_follow(self):
        self.late.expect(SHAPE, 500)
        self.late.answered(SHAPE, 100)
        self.assertEqual(self.late.blocked_ms(SHAPE), 100)

    def test_one_of_two_answers_is_still_outstanding(self):
        self.late.expect(SHAPE, 500)
        self.late.expect(SHAPE, 500)
        self.late.answered(SHAPE, 100)
        self.assertEqual(self.late.blocked_ms(SHAPE), 500)
        self.assertTrue(self.late.arrived(SHAPE))  # perhaps the first one again
        self.assertEqual(self.late.blocked_ms(SHAPE), 500)

    def test_a_refusal_settles_its_request_unless_it_may_be_anothers(self):
        self.late.expect(SHAPE, 500)
        self.late.refused(SHAPE, 100)
        self.assertEqual(self.late.blocked_ms(SHAPE), 100)
        self.late.expect(OTHER, 500)  # given up
        self.late.expect(SHAPE, 500)
        self.late.refused(SHAPE, 100)
        self.assertEqual(self.late.blocked_ms(SHAPE), 500)
        self.late.expect((2, 4, 2), 500)
        self.late.refused((2, 4, 2), 100)  # of another unit
        self.assertEqual(self.late.blocked_ms((2, 4, 2)), 100)

    def test_what_nobody_asked_for_is_not_late(self):
        self.assertFalse(self.late.arrived(SHAPE))

    def test_memory_is_bounded_and_forgets_nothing_outstanding(self):
        for count in range(1, 30):
            if self.late.blocked_ms((1, 4, count)) == 0:
                self.late.expect((1, 4, count), 500)
        self.assertTrue(len(self.late._marks) <= 16)
        self.assertTrue(self.late.blocked_ms((1, 4, 99)) > 0)
        for count in range(1, 16):
            self.assertTrue(self.late.blocked_ms((1, 4, count)) > 0)

    def test_answered_marks_give_way(self):
        for count in range(1, 40):
            self.assertEqual(self.late.blocked_ms((1, 4, count)), 0)
            self.late.expect((1, 4, count), 500)
            self.late.answered((1, 4, count), 100)


class Ticks(unittest.TestCase):
    def test_difference_across_the_wrap(self):
        self.assertEqual(timing.diff(5, (1 << 30) - 5), 10)
        self.assertEqual(timing.diff((1 << 30) - 5, 5), -10)

    def test_real_time_goes_on(self):
        real = timing.Timing()
        start_ms, start_us = real.ms(), real.us()
        while real.since_us(start_us) < 3000:
            pass
        self.assertTrue(real.since_ms(start_ms) >= 2)


class Counting(unittest.TestCase):
    def test_each_failure_has_its_counter(self):
        counters = Counters()
        for error in (
            ModbusTimeout("modbus-timeout", ""),
            ModbusCrcError("modbus-crc", ""),
            ModbusMalformed("modbus-malformed", ""),
            ModbusException("modbus-exception", "", exception=2),
        ):
            counters.failed(error)
        self.assertEqual(counters.as_list(), [0, 1, 1, 1, 1, 0])


if __name__ == "__main__":
    unittest.main()
