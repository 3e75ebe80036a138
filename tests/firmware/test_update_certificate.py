"""The end of a certificate's validity, from the bytes of real certificates."""

import unittest

from agent.certificate import _unix_s, not_after_unix_s


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
