"""Modbus frames: the bytes of the specification's examples, and every way in which a reply can be
wrong.
"""

import unittest

from agent.errors import (
    ModbusCrcError,
    ModbusException,
    ModbusMalformed,
    ModbusRequestError,
    ModbusTimeout,
)
from agent.modbus import frame, frame_tcp

# 0x1234 0x5678 from unit 1, function 4; CRC by the bitwise algorithm of the specification
REPLY = b"\x01\x04\x04\x12\x34\x56\x78"


def slow_crc(data):
    """MODBUS over Serial Line V1.02, section 6.2.2, bit by bit."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value


class Specification(unittest.TestCase):
    def test_crc_of_the_serial_line_specification(self):
        # section 6.2.2: 02 07 has the CRC 0x1241, sent low byte first
        self.assertEqual(frame.crc16(b"\x02\x07"), 0x1241)
        self.assertEqual(frame.with_crc(b"\x02\x07"), b"\x02\x07\x41\x12")
        self.assertEqual(frame.crc16(b""), 0xFFFF)

    def test_crc_equals_the_bitwise_one(self):
        data = bytes([(7 * i + (i >> 3)) & 0xFF for i in range(256)])
        for length in range(0, 256, 5):
            self.assertEqual(frame.crc16(data[:length]), slow_crc(data[:length]))

    def test_read_holding_registers_example(self):
        # V1.1b3, section 6.3: registers 108 to 110
        self.assertEqual(frame.read_pdu(3, 0x6B, 3), b"\x03\x00\x6b\x00\x03")
        self.assertEqual(frame.read_request(0x11, 3, 0x6B, 3), b"\x11\x03\x00\x6b\x00\x03\x76\x87")
        reply = frame.with_crc(b"\x11\x03\x06\x02\x2b\x00\x00\x00\x64")
        words, missing = frame.find_reply(reply, 0x11, 3, 3)
        self.assertEqual((words, missing), (b"\x02\x2b\x00\x00\x00\x64", 0))

    def test_read_input_registers_example(self):
        # V1.1b3, section 6.4: input register 9
        self.assertEqual(frame.read_pdu(4, 8, 1), b"\x04\x00\x08\x00\x01")
        reply = frame.with_crc(b"\x01\x04\x02\x00\x0a")
        self.assertEqual(frame.find_reply(reply, 1, 4, 1), (b"\x00\x0a", 0))

    def test_tcp_example(self):
        # Messaging on TCP/IP V1.0b, section 4.4.2: register 5 of unit 0xFF
        self.assertEqual(
            frame_tcp.tcp_request(0x1501, 0xFF, 3, 4, 1),
            b"\x15\x01\x00\x00\x00\x06\xff\x03\x00\x04\x00\x01",
        )
        buf = bytearray(b"\x15\x01\x00\x00\x00\x05\xff\x03\x02\x00\x05")
        transaction, body = frame_tcp.take_frame(buf)
        self.assertEqual((transaction, len(buf)), (0x1501, 0))
        self.assertEqual(frame_tcp.words_of(body, 0xFF, 3, 1), b"\x00\x05")


class Requests(unittest.TestCase):
    def test_limits(self):
        for unit, function, address, count in (
            (0, 4, 0, 1),
            (248, 4, 0, 1),
            (1, 2, 0, 1),
            (1, 5, 0, 1),
            (1, 6, 0, 1),
            (1, 16, 0, 1),
            (1, 4, -1, 1),
            (1, 4, 0x10000, 1),
            (1, 4, 0, 0),
            (1, 4, 0, 126),
            (1, 4, 0xFFFF, 2),
        ):
            with self.assertRaises(ModbusRequestError) as caught:
                frame.read_request(unit, function, address, count)
            self.assertEqual(caught.exception.code, "modbus-request")

    def test_extremes_are_allowed(self):
        self.assertEqual(len(frame.read_request(247, 3, 0xFFFF, 1)), 8)
        self.assertEqual(len(frame.read_request(1, 4, 0xFF83, 125)), 8)


class Replies(unittest.TestCase):
    def setUp(self):
        self.reply = frame.with_crc(REPLY)

    def test_no_proper_part_is_accepted(self):
        for length in range(len(self.reply)):
            words, missing = frame.find_reply(self.reply[:length], 1, 4, 2)
            self.assertEqual(words, None)
            self.assertTrue(1 <= missing <= len(self.reply) - length)

    def test_no_single_bit_error_is_accepted(self):
        for bit in range(8 * len(self.reply)):
            damaged = bytearray(self.reply)
            damaged[bit // 8] ^= 1 << (bit % 8)
            words, _ = frame.find_reply(damaged, 1, 4, 2)
            self.assertEqual(words, None)

    def test_bytes_before_are_skipped(self):
        for noise in (b"\x00", b"\xff\xff", b"\x01", b"\x01\x04", b"\x01\x04\x04\x00"):
            words, _ = frame.find_reply(noise + self.reply, 1, 4, 2)
            self.assertEqual(words, b"\x12\x34\x56\x78")

    def test_another_unit_function_or_length_is_not_ours(self):
        for unit, function, count in ((2, 4, 2), (1, 3, 2), (1, 4, 1), (1, 4, 3)):
            self.assertEqual(frame.find_reply(self.reply, unit, function, count)[0], None)
            self.assertEqual(frame.foreign_frame(self.reply), (9, 1, 4, 2))

    def test_exception(self):
        for code in (1, 2, 6, 127):
            reply = frame.with_crc(bytes((1, 0x84, code)))
            with self.assertRaises(ModbusException) as caught:
                frame.find_reply(reply, 1, 4, 2)
            self.assertEqual(caught.exception.status, 128 + code)
            self.assertEqual(caught.exception.fields["exception"], code)

    def test_exception_code_that_does_not_exist(self):
        for code in (0, 128, 255):
            with self.assertRaises(ModbusMalformed):
                frame.find_reply(frame.with_crc(bytes((1, 0x84, code))), 1, 4, 2)

    def test_exception_of_another_function_is_not_ours(self):
        reply = frame.with_crc(b"\x01\x83\x02")
        self.assertEqual(frame.find_reply(reply, 1, 4, 2)[0], None)
        self.assertEqual(frame.foreign_frame(reply), (5, 1, 3, 0))

    def test_expected_length(self):
        for start, length in (
            (b"", 0),
            (b"\x01", 0),
            (b"\x01\x04", 0),
            (b"\x01\x04\x04", 9),
            (b"\x01\x84", 5),
            (b"\x01\x11\x04", 0),
        ):
            self.assertEqual(frame.expected_len(start), length)

    def test_diagnosis(self):
        for received, error in (
            (b"", ModbusTimeout),
            (self.reply[:-1], ModbusMalformed),
            (b"\xff\x00", ModbusMalformed),
            (self.reply[:-1] + b"\x00", ModbusCrcError),
        ):
            self.assertTrue(isinstance(frame.diagnose(received, 1, 4, 2), error))


class Tcp(unittest.TestCase):
    def test_transaction_wraps_at_16_bits(self):
        self.assertEqual(frame_tcp.next_transaction(0xFFFF), 0)
        self.assertEqual(frame_tcp.tcp_request(0xFFFF, 1, 4, 0, 1)[:2], b"\xff\xff")

    def test_a_partial_frame_is_never_taken(self):
        whole = b"\x00\x01\x00\x00\x00\x07\x01\x04\x04\x12\x34\x56\x78"
        for length in range(len(whole)):
            buf = bytearray(whole[:length])
            self.assertEqual(frame_tcp.take_frame(buf), None)
            self.assertEqual(len(buf), length)

    def test_the_length_field_says_where_the_frame_ends(self):
        buf = bytearray(b"\x00\x01\x00\x00\x00\x05\x01\x04\x02\x12\x34\x56\x78")
        _, body = frame_tcp.take_frame(buf)
        self.assertEqual(bytes(buf), b"\x56\x78")
        with self.assertRaises(ModbusMalformed):
            frame_tcp.words_of(body, 1, 4, 2)

    def test_what_is_no_header_is_refused(self):
        for start in (
            b"\x00\x01\x00\x01\x00\x05",
            b"\x00\x01\x01\x00\x00\x05",
            b"\x00\x01\x00\x00\x01\x00",
            b"\x00\x01\x00\x00\x00\x02",
            b"\x00\x01\x00\x00\x00\xff",
        ):
            with self.assertRaises(ModbusMalformed):
                frame_tcp.take_frame(bytearray(start))

    def test_body_is_checked(self):
        good = b"\x01\x04\x04\x12\x34\x56\x78"
        self.assertEqual(frame_tcp.words_of(good, 1, 4, 2), b"\x12\x34\x56\x78")
        for body in (good[:-1], good + b"\x00", b"\x02" + good[1:], b"\x01\x03" + good[2:]):
            with self.assertRaises(ModbusMalformed):
                frame_tcp.words_of(body, 1, 4, 2)
        with self.assertRaises(ModbusException):
            frame_tcp.words_of(b"\x01\x84\x02", 1, 4, 2)


if __name__ == "__main__":
    unittest.main()
