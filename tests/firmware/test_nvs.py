"""Room in the state store of a board: key and pointers always find some."""

import os
import unittest

from agent.files import BackedFiles
from agent.update_slots import CODE, Slots
from fakes import nvs

PROFILE = b"p" * 5800  # longer than every profile


class NvsTest(unittest.TestCase):
    def fill(self, store):
        """Copies of files until no more fit."""
        files = BackedFiles(lambda name: PROFILE, store)
        for number in range(40):
            files.read("profiles/%d.json" % number)
        with self.assertRaises(OSError):
            for number in range(1000):
                store.set("f_%d" % number, bytes(64))

    def test_a_full_store_takes_the_key_and_the_pointers(self):
        make = nvs.install(0x6000)
        store = make()
        store.set("keystore", os.urandom(200))
        self.fill(store)
        for name in ("keystore", "upd_code", "upd_set", "upd_img", "lost", "owners"):
            blob = os.urandom(200)
            store.set(name, blob)
            self.assertEqual(make().get(name), blob)
        Slots(store, CODE).install(1, "1")
        self.assertEqual(Slots(make(), CODE).trial, 1)

    def test_a_blob_of_any_size_comes_back(self):
        store = nvs.install(0x10000)()
        for length in (0, 1, 255, 256, 257, 4000, 4001, 6144):
            blob = os.urandom(length)
            store.set("blob", blob)
            self.assertEqual(store.get("blob"), blob)
        self.assertIsNone(store.get("none"))


if __name__ == "__main__":
    unittest.main()
