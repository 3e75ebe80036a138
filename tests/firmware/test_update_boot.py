"""What runs after a reset: damaged slots give way for good, the cable has the last word."""

import hashlib
import os
import unittest

import _boot
from agent import update_boot
from agent.update_files import SlotFiles
from agent.update_settings import cable_hash
from agent.update_slots import CODE, IMAGE, SETTINGS, Slots
from fakes.board import Store
from fakes.partitions import Partitions
from support.directories import remove

NEWER = 2000000000
PACKED = {"code.pack": b"0\n" + b"x" * 5000, "agent/p256_table.bin": b"t" * 3000}
CABLE = {"config.json": b'{"by": "cable"}', "ca.der": b"1"}


class Reset(Exception):
    """The board was reset."""


class Board:
    """Store, files and partitions of a board; notes what it was asked for."""

    def __init__(self, root, image=None):
        self.root = root
        self.store = Store()
        self.asked = []
        self.files = dict(CABLE)
        self.flash = Partitions(b"image one", blocks=4)
        if image:
            self.image = self.flash.port()

    def read_file(self, name):
        if name not in self.files:
            raise OSError(2)
        return self.files[name]

    def guard(self):
        self.asked.append("guard")

    def reset(self, reason):
        self.asked.append(reason)
        raise Reset(reason)


class BootTest(unittest.TestCase):
    def setUp(self):
        token = "".join("%02x" % byte for byte in os.urandom(6))
        self.root = (os.getenv("TMPDIR") or "/tmp") + "/boot-" + token
        os.mkdir(self.root)
        self.addCleanup(remove, self.root)
        self.board = Board(self.root)

    def slots(self, name=CODE):
        return Slots(self.board.store, name)

    def put(self, name, files, number, keep=True):
        """An update in the slot that is free, on trial or kept."""
        slots = self.slots(name)
        place = SlotFiles(slots.directory(self.root, slots.target))
        for path in files:
            place._make_parents(path)
            with open(place.directory + "/" + path, "wb") as file:
                file.write(files[path])
        cable_8 = cable_hash(self.board.read_file, files)
        slots.install(number, "v%d" % number, place.digest(), cable_8=cable_8)
        if keep:
            slots.keep()
        return place.directory

    def spoil(self, directory, path):
        with open(directory + "/" + path, "r+b") as file:
            file.seek(700)
            file.write(b"!")


class CodeTest(BootTest):
    def code(self, base=1):
        return update_boot.code(self.board, base)

    def test_a_kept_slot_runs_behind_the_watchdog(self):
        directory = self.put(CODE, PACKED, NEWER)
        self.assertEqual(self.code(), directory)
        self.assertEqual(self.board.asked, ["guard"])

    def test_a_byte_changed_in_any_file_gives_way_for_good(self):
        for path in PACKED:
            self.setUp()
            self.spoil(self.put(CODE, PACKED, NEWER), path)
            self.assertIsNone(self.code())
            slots = self.slots()
            found = (slots.kept, slots.kept_number, slots.failed_number, slots.failed_step)
            self.assertEqual(found, (0, 0, NEWER, "damaged"))
            self.assertEqual(slots.highest, NEWER - 1)  # the same may be brought again
            writes = self.board.store.writes
            self.assertIsNone(self.code())
            self.assertEqual(self.board.store.writes, writes)

    def test_a_file_that_is_gone_or_one_too_many(self):
        os.remove(self.put(CODE, PACKED, NEWER) + "/code.pack")
        self.assertIsNone(self.code())
        self.setUp()
        with open(self.put(CODE, PACKED, NEWER) + "/agent/more.py", "wb") as file:
            file.write(b"x")
        self.assertIsNone(self.code())

    def test_on_trial_the_kept_one_comes_back(self):
        kept = self.put(CODE, PACKED, NEWER)
        self.spoil(self.put(CODE, PACKED, NEWER + 1, keep=False), "code.pack")
        self.assertEqual(self.code(), kept)
        slots = self.slots()
        self.assertEqual((slots.kept_number, slots.failed_step), (NEWER, "went back"))
        self.assertEqual(slots.highest, NEWER + 1)

    def test_a_technician_clears_slots_and_numbers_stay_used(self):
        self.put(CODE, PACKED, NEWER)
        self.put(SETTINGS, CABLE, 5)
        update_boot.cable(self.board.store)
        self.assertIsNone(self.code())
        self.assertEqual((self.slots().highest, self.slots(SETTINGS).highest), (NEWER, 5))
        self.assertEqual(self.slots(SETTINGS).running(), 0)


class SettingsTest(BootTest):
    def read(self):
        self.board.read_file = self.board_file
        update_boot.lay_over(self.board)
        return self.board.read_file("config.json")

    def board_file(self, name):
        return Board.read_file(self.board, name)

    def test_settings_lie_over_the_cable(self):
        self.put(SETTINGS, {"config.json": b"afar"}, 1)
        self.assertEqual([self.read(), self.read()], [b"afar", b"afar"])
        self.assertEqual(self.board.read_file("ca.der"), b"1")

    def test_damaged_ones_give_way_to_the_cable(self):
        self.spoil(self.put(SETTINGS, {"config.json": b"afar" * 300}, 1), "config.json")
        self.assertEqual(self.read(), CABLE["config.json"])
        self.assertEqual(self.slots(SETTINGS).failed_step, "damaged")
        self.assertEqual(self.slots(SETTINGS).kept, 0)

    def test_the_cable_has_the_last_word(self):
        for name in ("config.json", "ca.der"):
            self.setUp()
            self.put(SETTINGS, {"config.json": b"afar", "ca.der": b"2"}, 1)
            self.board.files[name] = b"by a technician"
            self.assertEqual(self.read(), self.board.files["config.json"])
            slots = self.slots(SETTINGS)
            self.assertEqual((slots.kept, slots.highest, slots.failed_number), (0, 1, 0))

    def test_each_slot_knows_what_it_lies_over(self):
        self.put(SETTINGS, {"config.json": b"one", "ca.der": b"2"}, 1)
        self.put(SETTINGS, {"config.json": b"two"}, 2, keep=False)
        found = [self.read() for _ in range(5)]
        self.assertEqual(found, [b"two"] * 3 + [b"one"] * 2)


class ImageTest(BootTest):
    """An image on trial, and what it finds of a kept code slot."""

    def setUp(self):
        super().setUp()
        self.board = Board(self.root, image=True)

    def install(self):
        image = self.board.image
        image.write(0, b"image two")
        digest = hashlib.sha256(b"image two").digest()[:16]
        self.slots(IMAGE).install(NEWER, "2.0", digest, image.next_slot, 9)

    def reset(self):
        self.board.flash.reset()
        self.board.image = self.board.flash.port()

    def boots(self, count):
        """The contents that ran in so many boots; each may be reset into another at once."""
        found = []
        for _ in range(count):
            self.reset()
            try:
                update_boot.code(self.board, 1)
                found.append(self.board.flash.running())
            except Reset:
                found.append(None)
        return found

    def test_a_cut_between_pointer_and_boot_loader_costs_a_try_and_no_number(self):
        self.install()
        self.assertEqual(self.boots(2), [None, b"image two"])
        self.assertEqual(self.slots(IMAGE).trial, 2)
        self.assertEqual(self.slots(IMAGE).failed_number, 0)

    def test_one_that_is_never_kept_goes_back_for_good(self):
        self.install()
        self.board.image.set_boot()
        found = self.boots(12)
        self.assertEqual(found.count(b"image two"), 4)
        self.assertEqual(found[-4:], [b"image one"] * 4)
        slots = self.slots(IMAGE)
        self.assertEqual((slots.trial, slots.failed_step), (None, "went back"))

    def test_a_damaged_one_is_not_booted_again(self):
        self.install()
        self.board.flash.contents[1][3] ^= 1
        self.assertEqual(self.boots(2), [b"image one"] * 2)
        self.assertEqual(self.slots(IMAGE).failed_number, NEWER)

    def test_one_that_the_boot_loader_refuses_goes_back(self):
        self.install()
        self.board.flash.refuses = True
        self.assertEqual(self.boots(2), [b"image one"] * 2)

    def test_a_kept_code_slot_outlives_a_trial(self):
        directory = self.put(CODE, PACKED, 1500)
        self.install()
        self.board.image.set_boot()
        self.reset()
        self.assertIsNone(update_boot.code(self.board, NEWER))  # the image brings its own
        self.slots(IMAGE).go_back()
        self.reset()
        self.assertEqual(update_boot.code(self.board, 1000), directory)
        self.assertEqual(self.slots().kept_number, 1500)

    def test_the_watchdog_of_the_image_knows_its_own_trial(self):
        self.install()
        blob = self.board.store.get(IMAGE)
        self.assertTrue(_boot.on_trial(blob, "ota_1"))
        self.assertFalse(_boot.on_trial(blob, "ota_0") or _boot.on_trial(blob, "factory"))
        self.slots(IMAGE).keep()
        self.assertFalse(_boot.on_trial(self.board.store.get(IMAGE), "ota_1"))
        self.assertFalse(_boot.on_trial(bytes(256), "ota_1"))


class StationTest(BootTest):
    def test_kept_settings_that_are_refused_give_way(self):
        from agent.errors import ConfigError, KeystoreError

        def refuse(error):
            def start():
                raise error("code", "text")

            return start

        self.put(SETTINGS, {"config.json": b"afar"}, 3)
        with self.assertRaises(KeystoreError):
            update_boot.station(self.board, refuse(KeystoreError))
        with self.assertRaises(Reset):
            update_boot.station(self.board, refuse(ConfigError))
        self.assertEqual((self.slots(SETTINGS).kept, self.slots(SETTINGS).highest), (0, 3))
        with self.assertRaises(ConfigError):
            update_boot.station(self.board, refuse(ConfigError))

    def test_what_ends_a_station_that_stood_is_a_reset(self):
        class Ended:
            async def run(self):
                raise MemoryError("no")

        self.put(CODE, PACKED, NEWER)
        with self.assertRaises(Reset):
            update_boot.station(self.board, Ended)
        self.assertEqual(self.slots().kept, 1)


if __name__ == "__main__":
    unittest.main()
