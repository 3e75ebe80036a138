"""A new key that the old one named; what a pulled cable leaves; the chain that begins then."""

import binascii
import unittest

from agent.errors import KeystoreError
from agent.keystore import Keystore
from agent.rollover import roll_over
from fakes.nor_flash import PowerCut
from support import minicbor
from support.sealing_station import Station

ENTROPY = bytes(range(32))


class Board:
    """What rollover needs of a board."""

    def __init__(self, station):
        self.store = station.store
        self.random = self.key_entropy = station.random


def device_id(station):
    return binascii.hexlify(Keystore.load(station.store).signer().kid_8).decode()


class RolloverTest(unittest.TestCase):
    def setUp(self):
        self.station = Station().boot()
        for _ in range(3):
            self.station.read(5)
            self.station.seal()
        self.old = device_id(self.station)

    def roll_over(self):
        return roll_over(Board(self.station), self.old, ENTROPY)

    def test_the_old_key_signs_the_new_one(self):
        made = self.roll_over()
        self.assertNotEqual(made["device_id"], self.old)
        self.assertEqual(device_id(self.station), made["device_id"])
        protected, _, payload, _ = minicbor.decode(binascii.unhexlify(made["statement"])).value
        named = minicbor.decode(payload)
        self.assertEqual(minicbor.decode(protected)[4], binascii.unhexlify(self.old))
        self.assertEqual(minicbor.decode(protected)[3], 65003)
        self.assertEqual(named, {0: 1, 1: binascii.unhexlify(made["public_key"])})

    def test_the_chain_begins_anew_and_names_the_old_head(self):
        keystore = self.station.keystore
        chain, head = keystore.chain_16, keystore.mark
        self.roll_over()
        self.station.boot()
        self.station.read(5)
        payload = self.station.sealed()
        self.assertNotEqual(payload[1], chain)
        self.assertEqual(payload[17], {0: 3, 2: chain, 3: head.number, 4: head.hash_32})
        self.assertEqual((payload[2], payload[6]), (1, 16))

    def test_readings_that_were_not_sealed_are_sealed_by_the_new_key(self):
        self.station.read(2)
        self.roll_over()
        self.station.boot()
        payload = self.station.sealed()
        self.assertEqual((payload[6], payload[7]), (16, 2))
        self.assertNotIn(15, payload)

    def test_asked_again_it_says_the_same(self):
        self.assertEqual(self.roll_over(), self.roll_over())

    def test_a_cut_leaves_the_old_key_or_the_new_one_with_its_statement(self):
        for cut in range(2):
            station = self.station = Station().boot()
            station.read(5)
            station.seal()
            self.old = device_id(station)
            station.power.cut_at = station.power.done + cut
            with self.assertRaises(PowerCut):
                self.roll_over()
            station.power.cut_at = None
            self.assertEqual(device_id(station), self.old)
            made = self.roll_over()
            self.assertEqual(device_id(station), made["device_id"])

    def test_before_the_first_batch(self):
        self.station = Station().boot()
        self.old = device_id(self.station)
        made = self.roll_over()
        self.station.boot()
        self.station.read(5)
        payload = self.station.sealed()
        self.assertEqual(payload[17], {0: 0, 1: b"r" * 32})
        self.assertEqual(device_id(self.station), made["device_id"])

    def test_another_key_is_refused(self):
        with self.assertRaises(KeystoreError) as caught:
            roll_over(Board(self.station), "00" * 8, ENTROPY)
        self.assertEqual(caught.exception.code, "rollover-key")
        self.assertEqual(device_id(self.station), self.old)


if __name__ == "__main__":
    unittest.main()
