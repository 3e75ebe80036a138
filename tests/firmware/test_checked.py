"""The checked configuration is kept, and does not count after any change."""

import json
import unittest

from agent import checked, config
from agent.station_profiles import load_profiles
from fakes.whole_board import WholeBoard


class CheckedTest(unittest.TestCase):
    def setUp(self):
        self.board = WholeBoard()
        self.settings = config.load(self.board.read_file)
        self.profiles = load_profiles(self.settings, self.board.read_file)

    def keep(self):
        checked.keep(self.board.store, self.board.read_file, self.settings, self.profiles)

    def read(self):
        return checked.read(self.board.store, self.board.read_file)

    def test_a_store_without_room_costs_only_the_check(self):
        def full(name, blob):
            raise OSError(28)

        self.board.store.set = full
        self.keep()
        self.assertEqual(self.read(), None)

    def test_nothing_is_known_before(self):
        self.assertEqual(self.read(), None)

    def test_all_of_it_comes_back(self):
        self.keep()
        settings, profiles = self.read()
        self.assertEqual(settings.values, self.settings.values)
        self.assertEqual(settings.hash_8, self.settings.hash_8)
        self.assertEqual(settings.secrets, self.settings.secrets)
        self.assertEqual(sorted(profiles), sorted(self.profiles))
        for name in profiles:
            for part in sorted(self.profiles[name].__dict__):
                found, wanted = getattr(profiles[name], part), getattr(self.profiles[name], part)
                self.assertEqual((part, found), (part, wanted))
                self.assertTrue(type(found) is type(wanted))

    def test_a_secret_is_read_from_its_own_file(self):
        self.board.files["secrets.json"] = json.dumps({"wifi_password": "correct horse"}).encode()
        self.settings = config.load(self.board.read_file)
        self.keep()
        self.assertEqual(self.read()[0].secrets["wifi_password"], "correct horse")
        self.assertFalse(b"horse" in self.board.store.get("checked"))

    def test_any_changed_file_is_checked_again(self):
        for name in ("config.json", "profiles/test-meter.json", "secrets.json"):
            board = self.board = WholeBoard()
            self.keep()
            self.assertTrue(self.read() is not None)
            board.files[name] = board.files.get(name, b"{}") + b" "
            self.assertEqual(self.read(), None)

    def test_a_missing_or_damaged_copy_is_none(self):
        self.keep()
        whole = self.board.store.get("checked")
        for blob in (b"", b"{}", b"[]", b"null", whole[:-1], whole.replace(b'"hash"', b'"h"')):
            self.board.store.set("checked", blob)
            self.assertEqual(self.read(), None)

    def test_what_is_too_large_is_not_kept(self):
        self.settings.values["filler"] = "x" * checked.MOST_BYTES
        self.keep()
        self.assertEqual(self.read(), None)


if __name__ == "__main__":
    unittest.main()
