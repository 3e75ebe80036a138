"""CBOR writer: RFC 8949 appendix A where the subset reaches, and every refusal."""

import binascii
import unittest

from agent import cbor


def hexed(value):
    return binascii.hexlify(cbor.encode(value)).decode()


# RFC 8949 appendix A, and the edges of every head length.
INTEGERS = (
    (0, "00"),
    (1, "01"),
    (10, "0a"),
    (23, "17"),
    (24, "1818"),
    (25, "1819"),
    (100, "1864"),
    (255, "18ff"),
    (256, "190100"),
    (1000, "1903e8"),
    (65535, "19ffff"),
    (65536, "1a00010000"),
    (1000000, "1a000f4240"),
    (4294967295, "1affffffff"),
    (4294967296, "1b0000000100000000"),
    (1000000000000, "1b000000e8d4a51000"),
    (18446744073709551615, "1bffffffffffffffff"),
    (-1, "20"),
    (-10, "29"),
    (-24, "37"),
    (-25, "3818"),
    (-100, "3863"),
    (-256, "38ff"),
    (-257, "390100"),
    (-1000, "3903e7"),
    (-18446744073709551616, "3bffffffffffffffff"),
)

OTHERS = (
    (b"", "40"),
    (b"\x01\x02\x03\x04", "4401020304"),
    (bytearray(b"\x01"), "4101"),
    (memoryview(b"\x01\x02"), "420102"),
    ("", "60"),
    ("a", "6161"),
    ("IETF", "6449455446"),
    ('"\\', "62225c"),
    ("\u00fc", "62c3bc"),
    ("\u6c34", "63e6b0b4"),
    ([], "80"),
    ([1, 2, 3], "83010203"),
    ((1, [2, 3], [4, 5]), "8301820203820405"),
    (list(range(1, 26)), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"),
    ({}, "a0"),
    ({1: 2, 3: 4}, "a201020304"),
    ({3: 4, 1: 2}, "a201020304"),
    (cbor.Raw(b"\x83\x01\x02\x03"), "83010203"),
    ([cbor.Raw(b"\x01"), 2], "820102"),
)


class EncodeTest(unittest.TestCase):
    def test_integers_take_the_shortest_head(self):
        for value, expected in INTEGERS:
            with self.subTest(value=value):
                self.assertEqual(hexed(value), expected)

    def test_strings_arrays_maps(self):
        for value, expected in OTHERS:
            with self.subTest(expected=expected):
                self.assertEqual(hexed(value), expected)

    def test_length_heads_of_long_strings(self):
        for length, head in ((23, "57"), (24, "5818"), (255, "58ff"), (256, "590100")):
            self.assertEqual(hexed(bytes(length)), head + "00" * length)
        self.assertEqual(cbor.encode(bytes(65536))[:5], b"\x5a\x00\x01\x00\x00")

    def test_map_keys_ascend_whatever_the_order_of_insertion(self):
        keys = [300, 0, 24, 23, 7, 65536, 255, 256]
        expected = "a8" + "".join(hexed(k) + "00" for k in sorted(keys))
        for turn in range(len(keys)):
            order = keys[turn:] + keys[:turn]
            self.assertEqual(hexed({key: 0 for key in order}), expected)

    def test_head_len_agrees_with_the_heads(self):
        for value, expected in INTEGERS:
            if value >= 0:
                self.assertEqual(cbor.head_len(value), len(expected) // 2)


class RefusalTest(unittest.TestCase):
    def test_types_outside_the_subset(self):
        for value in (1.0, None, True, False, {1, 2}, object(), [0.5], {1: None}):
            with self.subTest(value=repr(value)):
                self.assertRaises(TypeError, cbor.encode, value)

    def test_map_keys_are_unsigned_integers(self):
        for key in ("a", b"a", True, -1):
            with self.subTest(key=repr(key)):
                self.assertRaises(TypeError, cbor.encode, {key: 0})

    def test_integers_beyond_64_bits(self):
        for value in (1 << 64, -(1 << 64) - 1):
            with self.subTest(value=value):
                self.assertRaises(ValueError, cbor.encode, value)

    def test_nesting_beyond_eight(self):
        value = []
        for _ in range(7):
            value = [value]
        self.assertEqual(hexed(value), "81" * 7 + "80")
        self.assertRaises(ValueError, cbor.encode, [value])


class ReadUintTest(unittest.TestCase):
    def test_reads_what_was_written(self):
        for value, expected in INTEGERS:
            if value >= 0:
                data = b"\xff" + cbor.encode(value) + b"\xff"
                self.assertEqual(cbor.read_uint(data, 1), (value, 1 + len(expected) // 2))

    def test_refuses_a_cut_head(self):
        self.assertRaises(ValueError, cbor.read_uint, b"\x19\x01", 0)
        self.assertRaises(ValueError, cbor.read_uint, b"\x1f", 0)


if __name__ == "__main__":
    unittest.main()
