"""Register words to exact integers: every type, every order, rounding, values that are none."""

import unittest
from binascii import unhexlify

from agent import decode

KWH, WH, UNIT = 6, 3, 3  # exponents to thousandths


def milli(words, kind, exp10=0, order="ABCD", markers=()):
    return decode.milli(unhexlify(words), kind, decode.ORDERS[order], exp10, markers)


class Integers(unittest.TestCase):
    def test_each_type(self):
        for kind, words, value in (
            ("u16", "ffff", 65535),
            ("s16", "ffff", -1),
            ("s16", "8000", -32768),
            ("u32", "ffffffff", 4294967295),
            ("s32", "fffffffe", -2),
            ("acc32", "ffffffff", 4294967295),
            ("u64", "ffffffffffffffff", 18446744073709551615),
            ("s64", "ffffffffffffffff", -1),
            ("s64", "8000000000000000", -9223372036854775808),
            ("acc64", "8000000000000000", 9223372036854775808),
        ):
            self.assertEqual(milli(words, kind), value)

    def test_each_order(self):
        for order, words in (
            ("ABCD", "01020304"),
            ("CDAB", "03040102"),
            ("BADC", "02010403"),
            ("DCBA", "04030201"),
        ):
            self.assertEqual(milli(words, "u32", 0, order), 0x01020304)
        for order, words in (
            ("ABCD", "0102030405060708"),
            ("CDAB", "0708050603040102"),
            ("BADC", "0201040306050807"),
            ("DCBA", "0807060504030201"),
        ):
            self.assertEqual(milli(words, "s64", 0, order), 0x0102030405060708)
        self.assertEqual(milli("0102", "u16", 0, "BADC"), 0x0201)

    def test_order_twice_gives_the_words_back(self):
        for words in ("0102", "01020304", "0102030405060708"):
            for order in range(4):
                raw = unhexlify(words)
                self.assertEqual(decode.permute(decode.permute(raw, order), order), raw)

    def test_exponent_is_exact(self):
        self.assertEqual(milli("00000001", "u32", KWH - 1), 100000)  # 0.1 kWh in mWh
        self.assertEqual(milli("ffffffffffffffff", "u64", 9), 18446744073709551615 * 10**9)

    def test_negative_exponent_rounds_half_to_even(self):
        for number, rounded in ((5, 0), (15, 2), (25, 2), (35, 4), (14, 1), (16, 2)):
            self.assertEqual(milli("%04x" % number, "u16", -1), rounded)
        self.assertEqual(milli("fff1", "s16", -1), -2)  # -1.5
        self.assertEqual(milli("fffb", "s16", -1), 0)  # -0.5


class Floats(unittest.TestCase):
    def test_single_precision(self):
        for words, exp10, value in (
            ("3f800000", 0, 1),
            ("bf800000", UNIT, -1000),
            ("43663334", UNIT, 230200),  # the maker's example: 230.2 V
            ("00000000", UNIT, 0),
            ("80000000", UNIT, 0),
            ("00000001", 9, 0),  # smallest subnormal
            ("3f000000", 0, 0),  # 0.5 to even
            ("3fc00000", 0, 2),  # 1.5 to even
            ("40200000", 0, 2),  # 2.5 to even
            ("bf000000", 0, 0),
            ("bfc00000", 0, -2),
        ):
            self.assertEqual(milli(words, "f32", exp10), value)

    def test_kilowatt_hours_keep_every_bit(self):
        # 12345.679 kWh as float32 is 12345.6787109375: 12 345 678.711 Wh, exactly 12345678710.9375
        # mWh
        self.assertEqual(milli("4640e6b7", "f32", KWH), 12345678711)
        # the largest float32 counter that still steps by 1/64 kWh
        self.assertEqual(milli("48800000", "f32", KWH), 262144000000)
        self.assertEqual(milli("48800001", "f32", KWH), 262144031250)

    def test_double_precision(self):
        for words, exp10, value in (
            ("3ff0000000000000", WH, 1000),
            ("c1678c29dcdb8bac", WH, -12345678902),
            ("4330000000000001", WH, 4503599627370497000),
            ("0000000000000001", 9, 0),
            ("7fefffffffffffff", 0, ((1 << 53) - 1) << 971),
        ):
            self.assertEqual(milli(words, "f64", exp10), value)

    def test_word_orders(self):
        for order, words in (
            ("CDAB", "e6b74640"),
            ("BADC", "4046b7e6"),
            ("DCBA", "b7e64046"),
        ):
            self.assertEqual(milli(words, "f32", KWH, order), 12345678711)

    def test_not_a_number_and_infinity_are_no_value(self):
        for words in ("7fc00000", "ffc00000", "7f800001", "7f800000", "ff800000", "ffffffff"):
            self.assertEqual(milli(words, "f32"), None)
        for words in ("7ff8000000000000", "7ff0000000000000", "fff0000000000000"):
            self.assertEqual(milli(words, "f64"), None)


class NoValue(unittest.TestCase):
    def test_markers_after_undoing_the_order(self):
        self.assertEqual(milli("ffff7fff", "s32", 0, "CDAB", (0x7FFFFFFF,)), None)
        self.assertEqual(milli("ffffffffffffffff", "u64", 0, "ABCD", (0xFFFFFFFFFFFFFFFF,)), None)
        self.assertEqual(milli("ffff", "u16", 0, "ABCD", (0x8000,)), 65535)

    def test_scale_factor(self):
        for words, value in (("fffe", -2), ("0003", 3), ("000a", 10), ("fff6", -10)):
            self.assertEqual(decode.scale_factor(unhexlify(words)), value)
        for words in ("8000", "000b", "fff5", "7fff"):
            self.assertEqual(decode.scale_factor(unhexlify(words)), None)


class Steps(unittest.TestCase):
    def test_distance_to_the_next_value(self):
        for words, kind, exp10, step in (
            ("00000000", "s32", KWH - 1, 100000),
            ("0000000000000000", "s64", WH, 1000),
            ("0000", "u16", -3, 1),
            ("4640e6b7", "f32", KWH, 977),  # 2^-10 kWh
            ("48800000", "f32", KWH, 31250),
            ("7f800000", "f32", KWH, 1),
        ):
            self.assertEqual(decode.step_milli(unhexlify(words), kind, 0, exp10), step)


if __name__ == "__main__":
    unittest.main()
