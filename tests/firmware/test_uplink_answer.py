"""The collector's answer: what is understood, and that nothing else gets through."""

import unittest

from agent.errors import UploadError
from agent.uplink import answer
from agent.uplink.failures import code_of
from agent.uplink.http import split_url
from agent.uplink.task import pause_after

DEVICE = "0011223344556677"
CHAIN = "aa" * 16
HASH = "bb" * 32
TIME = '"time_unix_ms": 1790000000000'


def ack(device=DEVICE, chain=CHAIN, number="7", digest=HASH):
    return '{"device": "%s", "chain": "%s", "number": %s, "hash": "%s"}' % (
        device,
        chain,
        number,
        digest,
    )


class AnswerTest(unittest.TestCase):
    def test_acknowledgement_resend_time_and_receipt(self):
        body = '{"acks": [%s], "resend": [{"device": "%s", "chain": "%s", "number": 3}], %s, %s}'
        found = answer.parse(
            (body % (ack(), DEVICE, CHAIN, TIME, '"receipt": "0102"')).encode(), DEVICE
        )
        self.assertEqual(found.acks, [(b"\xaa" * 16, 7, b"\xbb" * 32)])
        self.assertEqual(found.resend, [(b"\xaa" * 16, 3)])
        self.assertEqual(found.time_unix_ms, 1790000000000)
        self.assertEqual(found.receipt, b"\x01\x02")

    def test_other_devices_do_not_count(self):
        body = '{"acks": [%s], %s}' % (ack(device="ff" * 8), TIME)
        self.assertEqual(answer.parse(body.encode(), DEVICE).acks, [])

    def test_what_says_more_is_understood(self):
        body = '{"acks": [], "weather": [1, 2], %s}' % TIME
        self.assertEqual(answer.parse(body.encode(), DEVICE).acks, [])

    def test_everything_else_is_refused(self):
        for body in (
            b"",
            b"[]",
            b"\xff\xfe",
            b"{",
            b'{"acks": []}',
            b'{"acks": {}, "time_unix_ms": 1}',
            b'{"acks": [1], "time_unix_ms": 1}',
            b'{"time_unix_ms": "1"}',
            b'{"time_unix_ms": -1}',
            b'{"time_unix_ms": 1.5}',
            b'{"time_unix_ms": true}',
            b'{"time_unix_ms": 1, "receipt": "xyz"}',
            ('{"acks": [%s], %s}' % (ack(number="-1"), TIME)).encode(),
            ('{"acks": [%s], %s}' % (ack(number='"7"'), TIME)).encode(),
            ('{"acks": [%s], %s}' % (ack(chain="aa"), TIME)).encode(),
            ('{"acks": [%s], %s}' % (ack(digest="zz" * 32), TIME)).encode(),
            ('{"acks": [%s], %s}' % (", ".join([ack()] * 17), TIME)).encode(),
        ):
            with self.assertRaises(UploadError) as refused:
                answer.parse(body, DEVICE)
            self.assertEqual(refused.exception.code, "answer-malformed")


class FailuresTest(unittest.TestCase):
    def test_words_and_numbers_have_codes(self):
        for error, code in (
            (ValueError("The certificate validity has expired\n"), "tls-expired"),
            (ValueError("The certificate validity starts in the future\n"), "tls-not-yet-valid"),
            (
                ValueError("The certificate is not correctly signed by the trusted CA"),
                "tls-unknown-ca",
            ),
            (ValueError("The certificate Common Name (CN) does not match"), "tls-host-name"),
            (OSError(-30592), "tls-failed"),
            (OSError(-29312), "http-cut"),
            (OSError(111), "connect-failed"),
            (OSError(-2), "connect-failed"),
            (OSError(104), "http-cut"),
            (EOFError(), "http-cut"),
        ):
            self.assertEqual(code_of(error, "http-cut"), code)


class UrlTest(unittest.TestCase):
    def test_parts(self):
        self.assertEqual(split_url("https://a.example"), ("a.example", 443, ""))
        self.assertEqual(split_url("https://a.example:8443/x/y"), ("a.example", 8443, "/x/y"))

    def test_plain_http_is_refused(self):
        with self.assertRaises(UploadError) as refused:
            split_url("http://a.example")
        self.assertEqual(refused.exception.code, "url-not-https")


class PauseTest(unittest.TestCase):
    SETTINGS = {"retry_min_s": 5, "retry_max_s": 900}

    def test_doubles_to_the_longest(self):
        pauses = [pause_after(n, self.SETTINGS, 0) for n in (1, 2, 3, 9, 1000)]
        self.assertEqual(pauses, [5000, 10000, 20000, 900000, 900000])

    def test_jitter_takes_away_at_most_half(self):
        for byte in range(256):
            self.assertTrue(2500 <= pause_after(1, self.SETTINGS, byte) <= 5000)


if __name__ == "__main__":
    unittest.main()
