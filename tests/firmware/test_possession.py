"""Proof of possession: of this key, over this nonce, never a batch."""

import unittest

from agent import cbor, keystore_create
from agent.errors import KeystoreError
from agent.possession import prove
from agent.signer import CONTENT_POSSESSION, KEY_CLASS_SIM, protected_header

NONCE = bytes(range(32))


class Store:
    def __init__(self):
        self.blobs = {}
        self.get, self.set = self.blobs.get, self.blobs.__setitem__


class Board:
    element = None

    def __init__(self):
        self.store = Store()
        self._drawn = 0

    def random(self, count):
        self._drawn += 1
        return bytes([self._drawn]) * count


class PossessionTest(unittest.TestCase):
    def setUp(self):
        self.board = Board()

    def test_names_nonce_and_key(self):
        made = keystore_create.create(self.board.store, self.board.random, NONCE, KEY_CLASS_SIM)
        signer = made.signer()
        proof = prove(self.board, NONCE)
        header = protected_header(CONTENT_POSSESSION, signer.kid_8)
        self.assertEqual(proof[3:20], header)
        payload = cbor.encode({0: 1, 1: NONCE, 2: signer.public_65, 3: KEY_CLASS_SIM})
        self.assertTrue(payload in proof)
        self.assertFalse(made._private_32 in proof)

    def test_refuses_another_length(self):
        for nonce in (b"", NONCE[:-1], NONCE + b"x"):
            with self.assertRaises(KeystoreError) as refused:
                prove(self.board, nonce)
            self.assertEqual(refused.exception.code, "possession-nonce")

    def test_without_a_key_there_is_no_proof(self):
        with self.assertRaises(KeystoreError) as refused:
            prove(self.board, NONCE)
        self.assertEqual(refused.exception.code, "key-missing")


if __name__ == "__main__":
    unittest.main()
