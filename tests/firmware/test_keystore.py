"""Key and mark in one blob: round trips, every damaged byte, what is never done."""

import hashlib
import unittest

from agent import keystore
from agent.errors import KeystoreError
from agent.keystore import Keystore
from agent.keystore_create import create, new_private_key
from agent.p256_field import N
from agent.signer import KEY_CLASS_SIM
from fakes.board import Store

ENTROPY = bytes(range(32))
CHAIN = b"c" * 16


class Generator:
    """Reproducible draws, each different."""

    def __init__(self):
        self.count = 0

    def __call__(self, length):
        self.count += 1
        return hashlib.sha256(bytes((self.count,))).digest()[:length]


def made(store=None):
    return create(store or Store(), Generator(), ENTROPY, KEY_CLASS_SIM)


class CaseWithCodes(unittest.TestCase):
    def refused(self, code, function, *arguments):
        with self.assertRaises(KeystoreError) as caught:
            function(*arguments)
        self.assertEqual(caught.exception.code, code)


class CreateTest(CaseWithCodes):
    def test_created_key_is_loaded_again(self):
        store = Store()
        key = made(store).signer()
        again = Keystore.load(store)
        self.assertEqual(again.signer().public_65, key.public_65)
        self.assertEqual((again.key_class, key.key_class), (KEY_CLASS_SIM, KEY_CLASS_SIM))
        self.assertEqual((again.mark.number, again.mark.next_sequence), (0, 1))
        self.assertFalse(again.has_chain())

    def test_an_existing_key_is_never_replaced(self):
        store = Store()
        made(store)
        before = store.get(keystore.NAME)
        self.refused("key-exists", made, store)
        store.set(keystore.NAME, b"damaged")
        self.refused("key-exists", made, store)
        store.set(keystore.NAME, before)

    def test_no_key(self):
        self.refused("key-missing", Keystore.load, Store())

    def test_key_class_of_a_secure_element_has_no_key_here(self):
        store = Store()
        self.refused("key-class", create, store, Generator(), ENTROPY, 2)
        self.assertIsNone(store.get(keystore.NAME))

    def test_both_sources_of_entropy_count(self):
        key = new_private_key(Generator(), ENTROPY)
        self.assertEqual(key, new_private_key(Generator(), ENTROPY))
        self.assertNotEqual(key, new_private_key(Generator(), ENTROPY[:-1] + b"\x00"))
        other = Generator()
        other.count = 100
        self.assertNotEqual(key, new_private_key(other, ENTROPY))
        self.assertTrue(0 < int.from_bytes(key, "big") < N)

    def test_poor_entropy_is_refused(self):
        self.refused("entropy-short", new_private_key, Generator(), bytes(15))
        self.refused("entropy-stuck", new_private_key, bytes, ENTROPY)
        self.refused("entropy-stuck", new_private_key, lambda n: b"", ENTROPY)


class ChainTest(CaseWithCodes):
    def setUp(self):
        self.store = Store()
        self.keystore = made(self.store)

    def reloaded(self):
        return Keystore.load(self.store)

    def test_first_chain(self):
        self.keystore.begin_chain(CHAIN, keystore.REASON_FIRST)
        again = self.reloaded()
        self.assertTrue(again.has_chain())
        self.assertEqual(again.chain_16, CHAIN)
        self.assertEqual(again.origin, (0, bytes(16), 0, bytes(32)))

    def test_mark_rises_durably(self):
        self.keystore.begin_chain(CHAIN, 0)
        self.keystore.raise_mark(1, b"h" * 32, 61)
        self.assertEqual(self.reloaded().mark, (1, b"h" * 32, 61))

    def test_mark_is_never_lowered(self):
        self.keystore.begin_chain(CHAIN, 0)
        self.keystore.raise_mark(5, b"h" * 32, 61)
        writes = self.store.writes
        self.keystore.raise_mark(5, b"h" * 32, 61)
        self.refused("keystore-mark", self.keystore.raise_mark, 5, b"i" * 32, 61)
        self.refused("keystore-mark", self.keystore.raise_mark, 4, b"h" * 32, 61)
        self.refused("keystore-mark", self.keystore.raise_mark, 6, b"h" * 31, 61)
        self.assertEqual((self.store.writes, self.reloaded().mark.number), (writes, 5))

    def test_no_mark_without_a_chain(self):
        self.refused("keystore-mark", self.keystore.raise_mark, 1, b"h" * 32, 1)

    def test_next_chain_names_the_last_one(self):
        self.keystore.begin_chain(CHAIN, 0)
        self.keystore.raise_mark(5, b"h" * 32, 61)
        self.keystore.begin_chain(b"d" * 16, keystore.REASON_JOURNAL_LOST)
        again = self.reloaded()
        self.assertEqual(again.origin, (1, CHAIN, 5, b"h" * 32))
        self.assertEqual(again.mark, (0, bytes(32), 61))

    def test_a_chain_without_batches_hands_its_origin_on(self):
        self.keystore.begin_chain(CHAIN, 0)
        self.keystore.raise_mark(5, b"h" * 32, 61)
        self.keystore.begin_chain(b"d" * 16, 1)
        self.keystore.begin_chain(b"e" * 16, 2)
        self.assertEqual(self.reloaded().origin, (2, CHAIN, 5, b"h" * 32))

    def test_chain_ids(self):
        self.keystore.begin_chain(CHAIN, 0)
        for chain in (CHAIN, bytes(16), b"short", b"x" * 17):
            self.refused("keystore-chain", self.keystore.begin_chain, chain, 1)

    def test_a_store_that_fails_changes_nothing(self):
        self.keystore.begin_chain(CHAIN, 0)

        def fail(name, blob):
            raise OSError(28)

        self.keystore._store = type("Failing", (), {"set": staticmethod(fail)})
        self.assertRaises(OSError, self.keystore.raise_mark, 1, b"h" * 32, 61)
        self.assertEqual(self.keystore.mark.number, 0)

    def test_every_damaged_byte_is_found(self):
        blob = self.store.get(keystore.NAME)
        for i in range(len(blob)):
            self.store.set(keystore.NAME, blob[:i] + bytes((blob[i] ^ 1,)) + blob[i + 1 :])
            self.refused("keystore-corrupt", self.reloaded)
            self.store.set(keystore.NAME, blob[:i])
            self.refused("keystore-corrupt", self.reloaded)
        self.store.set(keystore.NAME, blob + b"\x00")
        self.refused("keystore-corrupt", self.reloaded)


if __name__ == "__main__":
    unittest.main()
