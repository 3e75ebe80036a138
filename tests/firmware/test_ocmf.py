"""Text of OCMF records: each pitfall of the format that a device can fall into."""

import json
import unittest

from agent import ocmf
from agent.clock import BATTERY_RTC, COLLECTOR, NTP, NTP_CONFIRMED, OPERATOR, RTC
from agent.signer import SoftwareSigner

MARK = ocmf.Mark(7, 1772359445006, "S", 2935600000, 3, 1)


class NumberTest(unittest.TestCase):
    def test_digits_are_those_of_the_meter(self):
        self.assertEqual(ocmf.kwh(2935600000, 3), "2935.600")
        self.assertEqual(ocmf.kwh(2935600000, 1), "2935.6")
        self.assertEqual(ocmf.kwh(2935600000, 0), "2936")
        self.assertEqual(ocmf.kwh(0, 2), "0.00")
        self.assertEqual(ocmf.kwh(5000, 2), "0.01")
        self.assertEqual(ocmf.kwh(4999, 2), "0.00")
        self.assertEqual(ocmf.kwh(99999999999999999, 6), "99999999999.999999")

    def test_decimals_follow_the_step_of_the_register(self):
        steps = (1, 10, 999, 1000, 10000, 100000, 1000000, 10000000)
        self.assertEqual([ocmf.decimals(s, False) for s in steps], [6, 5, 3, 3, 2, 1, 0, 0])
        self.assertEqual([ocmf.decimals(s, True) for s in (1, 977, 7813)], [3, 3, 2])

    def test_a_coarser_print_never_falls_below_a_finer_one(self):
        """A float register loses a digit at a power of two: rounding keeps the order."""
        edge = 131072 * 1000000
        for below in (1, 3906, 7812, 499999):
            begin = float(ocmf.kwh(edge - below, 3))
            self.assertLessEqual(begin, float(ocmf.kwh(edge, 2)))


class TimeTest(unittest.TestCase):
    def test_form(self):
        self.assertEqual(ocmf.timestamp(1772359445006, "S"), "2026-03-01T10:04:05,006+0000 S")
        self.assertEqual(ocmf.timestamp(0, "U"), "1970-01-01T00:00:00,000+0000 U")
        self.assertEqual(ocmf.timestamp(951782400000, "I"), "2000-02-29T00:00:00,000+0000 I")
        self.assertEqual(ocmf.timestamp(4107542399999, "I"), "2100-02-28T23:59:59,999+0000 I")

    def test_letter_says_what_was_known(self):
        self.assertEqual(ocmf.letter(None, None), "U")
        for source in (RTC, BATTERY_RTC, NTP):
            self.assertEqual(ocmf.letter((1, 0, 0, source, 5), 5), "I")
        for source in (NTP_CONFIRMED, COLLECTOR, OPERATOR):
            self.assertEqual(ocmf.letter((1, 0, 0, source, 5), 2000), "S")
            self.assertEqual(ocmf.letter((1, 0, 0, source, 5), 2001), "I")


class TextTest(unittest.TestCase):
    def test_no_pipe_and_ascii_only(self):
        odd = 'a|b"c\\d\n\u00e9\u1781\U0001f50c'
        found = ocmf.quoted(odd)
        self.assertNotIn("|", found)
        self.assertTrue(all(32 <= ord(c) < 127 for c in found))
        if len(json.dumps("\u00e9")) > 4:  # CPython, which joins surrogate pairs
            self.assertEqual(json.loads(found), odd)

    def test_every_reading_has_every_key(self):
        for tx in ("B", "C", "E", "P"):
            item = json.loads(ocmf.reading(MARK, tx))
            self.assertEqual(
                sorted(item), sorted(("TM", "TX", "RV", "RI", "RU", "RT", "EF", "ST"))
            )
        self.assertNotIn("TX", json.loads(ocmf.reading(MARK)))
        self.assertIn('"RV":2935.600,', ocmf.reading(MARK, "B"))

    def test_unknown_time_is_flagged(self):
        item = json.loads(ocmf.reading(ocmf.Mark(1, 5, "U", 0, 3, 1), "B"))
        self.assertEqual((item["EF"], item["TM"][-1]), ("t", "U"))

    def test_a_failed_reading_has_no_value(self):
        item = json.loads(ocmf.failed(5, "U", "T"))
        self.assertEqual((item["EF"], item["ST"]), ("Et", "T"))
        self.assertFalse({"RV", "RI", "RU"} & set(item))


class SignatureTest(unittest.TestCase):
    def test_der_is_minimal(self):
        small, top = b"\x00" * 31 + b"\x01", b"\x80" + b"\x11" * 31
        self.assertEqual(ocmf.der_hex(small + small), "3006020101020101")
        self.assertEqual(ocmf.der_hex(top + small)[:12], "302602210080")
        self.assertEqual(len(ocmf.der_hex(b"\x7f" * 64)) // 2, 70)
        self.assertEqual(len(ocmf.der_hex(b"\xff" * 64)) // 2, 72)

    def test_three_parts_and_exact_bytes(self):
        signer = SoftwareSigner(b"\x00" * 31 + b"\x05")
        text = ocmf.payload([("FV", '"1.3"'), ("PG", '"T1"')], [ocmf.reading(MARK, "B")])
        parts = ocmf.signed(text, signer).split("|")
        self.assertEqual((len(parts), parts[0], parts[1]), (3, "OCMF", text))
        self.assertEqual(ocmf.der_hex(signer.sign_ocmf(text)), json.loads(parts[2])["SD"])


if __name__ == "__main__":
    unittest.main()
