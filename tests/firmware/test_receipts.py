"""Receipts of a collector: which are kept, when one is stated, and what a strange one does."""

import asyncio
import unittest

from agent import log
from agent.foreign import is_receipt
from agent.time_trust import TimeTrust
from agent.uplink.receipts import Receipts
from agent.uplink.task import Uplink
from fakes.fake_collector import Collector
from support.sealing_station import Station

SETTINGS = {"poll_interval_s": 300, "retry_min_s": 5, "retry_max_s": 900}
HEAD = b"\xd2\x84\x51\xa3\x01\x26\x03\x19\xfd\xec\x04\x48" + b"collkid8" + b"\xa0"


def receipt(length=200, head=HEAD):
    """Bytes of the form of a receipt with a payload of so many bytes."""
    payload = bytes(length)
    if length < 24:
        item = bytes((0x40 | length,)) + payload
    elif length < 256:
        item = bytes((0x58, length)) + payload
    else:
        item = b"\x59" + length.to_bytes(2, "big") + payload
    return head + item + b"\x58\x40" + bytes(64)


STRANGE = (
    b"",
    b"receipt",
    bytes(1024),
    receipt(935),  # 1,025 bytes
    receipt(2000),
    receipt()[:-1],
    receipt() + b"\x00",
    receipt(head=HEAD.replace(b"\xfd\xec", b"\xfd\xe9")),  # a batch
    receipt(head=HEAD[:-1] + b"\xa1"),
    receipt().replace(b"\x58\x40", b"\x58\x41"),
)


class FormTest(unittest.TestCase):
    def setUp(self):
        log.configure(log.OFF)
        self.addCleanup(log.configure, log.INFO)

    def test_receipts_of_every_length_up_to_the_limit(self):
        for length in (0, 1, 23, 24, 255, 256, 934):
            self.assertTrue(is_receipt(receipt(length)), length)
        self.assertEqual(len(receipt(934)), 1024)

    def test_everything_else_is_left_out(self):
        for strange in STRANGE:
            self.assertFalse(is_receipt(strange), strange)
        receipts = Receipts()
        for strange in STRANGE:
            receipts.take(strange)
            self.assertIsNone(receipts.offer(1))


class StatedTest(unittest.TestCase):
    def test_once_and_at_most_one_in_24_batches(self):
        receipts = Receipts()
        stated = {}
        for number in range(1, 60):
            if number > 3:
                receipts.take(receipt(number))  # of the batch before
            found = receipts.offer(number)
            if found:
                stated[number] = found
            receipts.sealed(number)
        self.assertEqual(stated, {4: receipt(4), 28: receipt(28), 52: receipt(52)})

    def test_a_batch_that_did_not_become_durable_states_nothing(self):
        receipts = Receipts()
        receipts.take(receipt())
        self.assertEqual(receipts.offer(7), receipt())
        self.assertEqual(receipts.offer(7), receipt())
        receipts.sealed(7)
        for number in range(8, 99):
            self.assertIsNone(receipts.offer(number))

    def test_one_that_comes_while_another_is_sealed_is_kept(self):
        receipts = Receipts()
        receipts.take(receipt(1))
        receipts.offer(1)
        receipts.take(receipt(2))
        receipts.sealed(1)
        self.assertIsNone(receipts.offer(2))
        self.assertEqual(receipts.offer(25), receipt(2))


class UplinkTest(unittest.TestCase):
    def setUp(self):
        self.station = Station().boot()
        self.addCleanup(log.configure, log.INFO)
        kid_8 = self.station.keystore.signer().kid_8
        self.collector = Collector(self.station.clock, kid_8)
        settings = dict(SETTINGS, request_max_bytes=1000)
        parts = (self.station.journal, self.station.sealer, TimeTrust(self.station.clock))
        self.uplink = Uplink(
            self.collector, *parts, self.station.clock, settings, bytes, asyncio.sleep
        )
        self.uplink.identify(kid_8)

    def call(self):
        self.station.read(5)
        self.station.sealer.seal_once()
        asyncio.run(self.uplink._call())

    def test_kept_only_with_an_acknowledgement_that_was_accepted(self):
        self.collector.receipt = receipt()
        asyncio.run(self.uplink._call())  # nothing sent, nothing acknowledged
        self.assertIsNone(self.uplink.receipts.offer(1))
        self.call()
        self.assertEqual(self.uplink.receipts.offer(2), receipt())

    def test_a_strange_one_costs_nothing_but_itself(self):
        for number, strange in enumerate(STRANGE[1:]):
            self.collector.receipt = strange
            self.call()
            self.assertEqual(self.station.journal.acknowledged, number + 1)
            self.assertIsNone(self.uplink.receipts.offer(number + 2))


class ForeignTest(unittest.TestCase):
    """Whatever others say, what is sealed keeps the limits of WIRE_FORMAT.md section 3."""

    def setUp(self):
        self.station = Station().boot()
        self.addCleanup(log.configure, log.INFO)

    def sealed(self, others):
        self.station.others = others
        self.station.read(1)
        return self.station.sealed()

    def test_at_the_limits_they_stay(self):
        nonces = [[bytes(8), 0, 0], [bytes(64), 5, (1 << 64) - 1]]
        health = {0: 0, 1: 5, 3: [(1, 2, 3, 4, 5, 6)], 4: -70, 7: 1, 99: 3}
        found = self.sealed({16: health, 19: bytes(1024), 20: b"r", 21: nonces, 22: bytes(32)})
        self.assertEqual((found[19], found[20], found[22]), (bytes(1024), b"r", bytes(32)))
        self.assertEqual(found[21], nonces)
        health[3] = [list(counters) for counters in health[3]]
        self.assertEqual(found[16], health)

    def test_beyond_them_they_stay_out_and_the_rest_is_sealed(self):
        for key, value in (
            (19, b""),
            (19, bytes(1025)),
            (19, "text"),
            (20, bytes(1025)),
            (21, []),
            (21, [[bytes(7), 0, 0]]),
            (21, [[bytes(65), 0, 0]]),
            (21, [[bytes(8), -1, 0]]),
            (22, bytes(7)),
            (22, bytes(33)),
            (23, 1),  # nobody knows it, and it is critical
        ):
            found = self.sealed({16: {0: 1}, key: value})
            self.assertNotIn(key, found)
            self.assertEqual(found[16], {0: 1})

    def test_figures_that_are_none_stay_out(self):
        found = self.sealed({16: {0: -1, 1: None, 2: 1.5, 4: "-70", 5: 1 << 64, 7: 2}})
        self.assertEqual(found[16], {7: 2})


if __name__ == "__main__":
    unittest.main()
