"""The end of a certificate's validity, from the bytes of real certificates."""

import gc
import unittest

from agent import log
from agent.certificate import _unix_s, not_after_unix_s
from fakes.whole_board import WholeBoard

DAY_MS = 86400000


def element(tag, *parts):
    """DER of less than 128 bytes."""
    content = b"".join(parts)
    return bytes((tag, len(content))) + content


def certificate(not_after):
    """As much of a certificate as counts here: version, serial, algorithm, issuer, validity."""
    validity = element(0x30, element(0x17, b"200101000000Z"), element(0x17, not_after))
    head = element(0xA0, b"\x02\x01\x02") + element(0x02, b"\x07")
    return element(0x30, element(0x30, head, element(0x30), element(0x30), validity))


class WatchTest(unittest.TestCase):
    """Nobody owns this station's updates, and it is warned all the same."""

    def test_warns_every_day_of_the_last_two_months_in_one_boot(self):
        self.addCleanup(log.configure, log.INFO)
        if hasattr(gc, "freeze"):
            gc.freeze()  # CPython: each look tidies, the tests' own heap is large
        board = WholeBoard()
        board.files["ca.der"] = certificate(b"300301000000Z")
        board.files["ca2.der"] = certificate(b"400301000000Z")
        app = board.power_on()
        app.config["uplink"]["ca_file_next"] = "ca2.der"
        self.assertFalse(app.config["update"]["owners"])
        end_ms = not_after_unix_s(board.files["ca.der"]) * 1000
        warned = []
        app.recorder.event = lambda kind, detail: warned.append((kind, detail))
        app.clock.utc_ms = lambda: None
        app.on_sealed()
        for day in range(90, -2, -1):
            for hour in (9, 10):
                app.clock.utc_ms = lambda at=end_ms - day * DAY_MS + hour * 3600000: at
                app.on_sealed()
        self.assertEqual(set(kind for kind, _ in warned), {15})
        self.assertEqual(set(tuple(detail) for _, detail in warned), {(0, end_ms // 1000)})
        print("certificate of 90 days in one boot: %d warnings" % len(warned))
        self.assertEqual(len(warned), 61)


class CertificateTest(unittest.TestCase):
    def test_dates(self):
        for text, expected in (
            ("700101000000Z", 0),
            ("000229120000Z", 951825600),
            ("261124134500Z", 1795527900),
            ("491231235959Z", 2524607999),
        ):
            self.assertEqual(_unix_s(True, text), expected)
        self.assertEqual(_unix_s(False, "20500101000000Z"), 2524608000)
        self.assertEqual(_unix_s(False, "21000301000000Z"), 4107542400)

    def test_what_is_none(self):
        for data in (b"", b"\x30", b"\x30\x03\x02\x01", b"-----BEGIN CERTIFICATE-----"):
            with self.assertRaises(ValueError):
                not_after_unix_s(data)


if __name__ == "__main__":
    unittest.main()
