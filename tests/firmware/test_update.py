"""Updates refused, each with its code; slots that go back; owners who rotate; whole images."""

import asyncio
import os
import unittest

from agent.errors import FwError, UpdateError
from agent.journal import Journal
from agent.journal_ring import LAYOUT
from agent.update_files import SlotFiles
from agent.update_image import ImageInstaller
from agent.update_install import Installer
from agent.update_manifest import IMAGE, OWNERS, SETTINGS, open_manifest
from agent.update_owners import Owners
from agent.update_slots import CODE, Slots
from agent.update_slots import IMAGE as IMAGE_SLOTS
from fakes.board import Store
from fakes.nor_flash import SECTOR, NorFlash
from fakes.partitions import Partitions
from support.directories import remove
from support.update_maker import (
    OTHER,
    OWNER,
    STRANGER,
    Server,
    manifest,
    no_pause,
    payload,
    public,
    sha256,
    signed,
)

FILES = {"agent/p256_table.bin": b"VERSION = 9\n", "code.pack": b"x = 1\n" * 900}


def hexed(private_32):
    return "".join("%02x" % byte for byte in public(private_32))


class Refusals(unittest.TestCase):
    """Whatever is refused leaves the pointer as it was."""

    def setUp(self):
        token = "".join("%02x" % byte for byte in os.urandom(6))
        self.root = (os.getenv("TMPDIR") or "/tmp") + "/update-" + token
        os.mkdir(self.root)
        self.addCleanup(remove, self.root)
        self.store = Store()
        self.owners = Owners(self.store, [hexed(OWNER), hexed(OTHER)])
        self.slots = Slots(self.store, CODE)
        self.server = Server(FILES)

    def installer(self, board="BENCH", running=1000):
        return Installer(board, self.root, self.slots, running, self.server.fetch, no_pause)

    def install(self, data, check=None, **more):
        found = open_manifest(data, self.owners)
        asyncio.run(self.installer(**more).install(found, check))

    def refused(self, code, data, **more):
        blobs = dict(self.store.blobs)
        with self.assertRaises(FwError) as caught:
            self.install(data, **more)
        self.assertEqual(caught.exception.code, code)
        self.assertEqual(self.store.blobs, blobs)
        self.assertIsNone(self.slots.trial)

    def test_a_good_one_is_on_trial(self):
        self.install(manifest(FILES))
        self.assertEqual(Slots(self.store, CODE).boot(), 1)
        files = SlotFiles(self.slots.directory(self.root, 1))
        self.assertEqual({path: files.read(path) for path in FILES}, FILES)

    def test_wrong_signature_owner_and_content_type(self):
        good = manifest(FILES)
        other = bytearray(good)
        other[-1] ^= 1
        self.refused("update-signature", bytes(other))
        self.refused("update-owner-unknown", manifest(FILES, STRANGER))
        self.refused("update-malformed", signed(payload(FILES), content=65001))
        forged = manifest(FILES, STRANGER)
        self.refused("update-signature", good[:12] + good[12:20] + forged[20:])

    def test_a_byte_changed_anywhere_in_the_manifest(self):
        good = manifest({"code.pack": b"VERSION = 9\n"})
        codes = {}
        for at in range(len(good)):
            changed = good[:at] + bytes((good[at] ^ 1 << at % 8,)) + good[at + 1 :]
            with self.assertRaises(UpdateError) as caught:
                open_manifest(changed, self.owners)
            code = caught.exception.code
            codes[code] = codes.get(code, 0) + 1
        print("manifest of %d bytes, each changed:" % len(good), sorted(codes.items()))
        self.assertEqual(sum(codes.values()), len(good))
        self.assertGreater(codes["update-signature"], 100)

    def test_a_manifest_cut_anywhere_or_with_more_behind_it(self):
        good = manifest(FILES)
        for length in range(len(good)):
            with self.assertRaises(UpdateError):
                open_manifest(good[:length], self.owners)
        self.refused("update-malformed", good + b"\x00")

    def test_a_byte_changed_anywhere_in_a_file(self):
        content = FILES["code.pack"]
        count = 0
        for at in range(0, len(content), 37):

            def spoil(sha256_32, offset, piece, at=at):
                if sha256_32 != sha256(content) or not offset <= at < offset + len(piece):
                    return piece
                inside = at - offset
                return piece[:inside] + bytes((piece[inside] ^ 4,)) + piece[inside + 1 :]

            self.server.spoil = spoil
            self.refused("update-digest", manifest(FILES))
            count += 1
        print("file of %d bytes, changed at %d places: update-digest" % (len(content), count))

    def test_a_truncated_file(self):
        for cut in (1, 2000, 4000):
            self.server.spoil = lambda sha256_32, offset, piece, cut=cut: piece[
                : max(0, len(piece) - max(0, offset + len(piece) - (5400 - cut)))
            ]
            self.refused("update-truncated", manifest(FILES))

    def test_an_older_version_another_board_another_journal(self):
        self.refused("update-older", manifest(FILES, number=1000))
        self.refused("update-older", manifest(FILES, number=999))
        self.refused("update-board", manifest(FILES), board="ESP32_GENERIC")
        self.refused("update-journal", manifest(FILES, journal=2))

    def test_the_journal_format_is_the_one_in_the_flash(self):
        flash = NorFlash(32)
        journal = Journal(flash, {"policy": "stop"})
        journal.mount()
        journal.seal(1, b"c" * 16, b"h" * 32, b"\xd2" * 400, 0, 59, 0)
        found = [i for i in range(0, len(flash.image), SECTOR) if flash.image[i : i + 2] == b"MJ"]
        self.assertTrue(found)
        self.assertEqual(set(flash.image[i + 2] for i in found), {LAYOUT})

    def test_paths_that_leave_the_directory_or_have_no_place(self):
        for path in ("../x", "/main.py", "agent//x.py", "agent/./x.py", "Agent/x.py"):
            self.refused("update-path", manifest({path: b""}))
        self.refused("update-path", manifest({"config.json": b""}))
        self.refused("update-path", manifest({"secrets.json": b"{}"}, kind=SETTINGS))
        self.refused("update-path", manifest({"agent/app.py": b""}, kind=SETTINGS))

    def test_no_space(self):
        stat = os.statvfs

        def small(path):
            found = list(stat(path))
            found[0], found[3] = 4096, 10
            return tuple(found)

        class Full:
            def __getattr__(self, name):
                return small if name == "statvfs" else getattr(os, name)

        from agent import update_files

        update_files.os = Full()
        try:
            self.refused("update-no-space", manifest(FILES))
        finally:
            update_files.os = os

    def test_a_revoked_owner(self):
        keys = [public(OTHER)]
        self.owners.rotate(open_manifest(
            manifest({}, OTHER, kind=OWNERS, keys=keys, number=5), self.owners
        ))  # fmt: skip
        self.refused("update-owner-revoked", manifest(FILES))
        self.owners = Owners(self.store, [hexed(OWNER), hexed(OTHER)])  # after a reset too
        self.refused("update-owner-revoked", manifest(FILES))
        self.install(manifest(FILES, OTHER))

    def test_what_was_fetched_already_is_not_fetched_again(self):
        self.server.spoil = lambda sha256_32, offset, piece: (
            piece if sha256_32 != sha256(FILES["code.pack"]) else b"X" + piece[1:]
        )
        self.refused("update-digest", manifest(FILES))
        self.server.spoil = lambda sha256_32, offset, piece: piece
        self.server.fetched = 0
        self.install(manifest(FILES))
        self.assertEqual(self.server.fetched, len(FILES["code.pack"]))

    def test_a_file_that_was_begun_is_gone_on_with(self):
        self.server.spoil = lambda sha256_32, offset, piece: piece if offset < 4096 else b""
        self.refused("update-truncated", manifest(FILES))
        self.server.spoil = lambda sha256_32, offset, piece: piece
        self.server.fetched = 0
        self.install(manifest(FILES))
        self.assertEqual(self.server.fetched, len(FILES["code.pack"]) - 4096)
        files = SlotFiles(self.slots.directory(self.root, 1))
        self.assertEqual(files.paths(), sorted(FILES))

    def test_what_the_check_refuses_is_not_tried(self):
        def check(files):
            raise UpdateError("update-settings", files.read("code.pack")[:9].decode())

        self.refused("update-settings", manifest(FILES), check=check)


class SlotsTest(unittest.TestCase):
    def setUp(self):
        self.store = Store()

    def slots(self):
        return Slots(self.store, CODE)

    def test_three_boots_and_back(self):
        self.slots().install(10, "1.0")
        self.assertEqual([self.slots().boot() for _ in range(5)], [1, 1, 1, 0, 0])
        slots = self.slots()
        self.assertEqual((slots.failed_number, slots.failed_version), (10, "1.0"))
        self.assertEqual((slots.highest, slots.trial), (10, None))

    def test_kept_and_the_next_one_goes_to_the_other_slot(self):
        slots = self.slots()
        slots.install(10, "1.0")
        self.slots().boot()
        slots = self.slots()
        slots.keep()
        self.assertEqual([self.slots().boot() for _ in range(50)], [1] * 50)
        slots = self.slots()
        self.assertEqual((slots.kept_number, slots.target), (10, 2))
        slots.install(11, "1.1")
        self.assertEqual([self.slots().boot() for _ in range(5)], [2, 2, 2, 1, 1])

    def test_a_version_that_worked_may_lose_power_often_but_not_for_ever(self):
        self.slots().install(10, "1.0")
        self.slots().boot()
        self.slots().prove()
        self.assertEqual([self.slots().boot() for _ in range(40)], [1] * 30 + [0] * 10)

    def test_what_the_cable_brought_later_wins(self):
        self.slots().install(10, "1.0")
        self.slots().boot(5)
        self.slots().keep()
        self.assertEqual(self.slots().boot(5), 1)
        self.assertEqual(self.slots().boot(11), 0)
        self.assertEqual(self.slots().boot(11), 0)
        self.slots().install(12, "1.2")
        self.assertEqual(self.slots().boot(11), 1)

    def test_a_damaged_blob_is_none(self):
        self.store.set(CODE, b"x" * 20)
        self.assertEqual(self.slots().boot(), 0)


class OwnersTest(unittest.TestCase):
    def setUp(self):
        self.store = Store()
        self.configured = [hexed(OWNER)]

    def owners(self):
        return Owners(self.store, self.configured)

    def rotate(self, private_32, keys, number):
        owners = self.owners()
        data = manifest({}, private_32, kind=OWNERS, keys=keys, number=number)
        owners.rotate(open_manifest(data, owners))

    def refused(self, code, *arguments):
        with self.assertRaises(UpdateError) as caught:
            self.rotate(*arguments)
        self.assertEqual(caught.exception.code, code)

    def test_two_slots_let_owners_rotate(self):
        self.rotate(OWNER, [public(OWNER), public(OTHER)], 1)
        self.rotate(OTHER, [public(OTHER)], 2)
        self.refused("update-owner-revoked", OWNER, [public(OWNER)], 3)
        self.rotate(OTHER, [public(OTHER), public(STRANGER)], 3)
        self.assertEqual(self.owners().keys, [public(OTHER), public(STRANGER)])

    def test_nobody_locks_everybody_out(self):
        self.refused("update-owner-set", OWNER, [public(OTHER)], 1)
        self.refused("update-owner-set", OWNER, [], 1)
        off = public(OTHER)[:64] + bytes((public(OTHER)[64] ^ 1,))
        self.refused("update-owner-set", OWNER, [public(OWNER), off], 1)
        self.rotate(OWNER, [public(OWNER)], 7)
        self.refused("update-older", OWNER, [public(OWNER), public(OTHER)], 7)

    def test_the_cable_has_the_last_word(self):
        self.rotate(OWNER, [public(OWNER), public(OTHER)], 1)
        self.configured = [hexed(STRANGER)]
        self.assertEqual(self.owners().keys, [public(STRANGER)])

    def test_what_counted_before_the_cable_came_cannot_be_brought_back(self):
        self.rotate(OWNER, [public(OWNER), public(STRANGER)], 5)
        self.rotate(OWNER, [public(OWNER)], 6)
        self.configured = [hexed(OWNER), hexed(OTHER)]
        self.refused("update-older", OWNER, [public(OWNER), public(STRANGER)], 5)
        self.refused("update-owner-revoked", STRANGER, [public(STRANGER)], 7)
        self.assertEqual(self.owners().keys, [public(OWNER), public(OTHER)])
        self.rotate(OTHER, [public(OTHER)], 7)
        self.assertEqual(self.owners().number, 7)


class ImageTest(unittest.TestCase):
    """A whole image on two partitions and a boot loader that goes back by itself."""

    def setUp(self):
        self.store = Store()
        self.image = b"image nine " * 5000
        self.flash = Partitions(b"image one", blocks=16)
        self.store.set = self.powered_set
        self.server = Server({"image.bin": self.image})
        self.owners = Owners(self.store, [hexed(OWNER)])

    def powered_set(self, name, blob):
        """The state store loses power too: the old blob stays."""
        if self.flash.operate():
            raise KeyboardInterrupt
        self.store.blobs[name] = bytes(blob)

    def install(self, content=None, **changes):
        content = content or {"image.bin": self.image}
        found = open_manifest(manifest(content, kind=IMAGE, **changes), self.owners)
        slots = Slots(self.store, IMAGE_SLOTS)
        common = ("BENCH", "", slots, 1000, self.server.fetch, no_pause)
        asyncio.run(ImageInstaller(self.flash.port(), *common).install(found))

    def refused(self, code, *arguments, **changes):
        with self.assertRaises(UpdateError) as caught:
            self.install(*arguments, **changes)
        self.assertEqual(caught.exception.code, code)
        self.flash.reset()
        self.assertEqual(self.flash.running(), b"image one")

    def test_boots_on_trial_and_stays_when_it_is_kept(self):
        self.install()
        self.assertEqual(self.flash.running(), b"image one")
        self.flash.reset()
        self.assertEqual(self.flash.running(), self.image)
        self.flash.port().keep()
        self.flash.reset()
        self.assertEqual(self.flash.running(), self.image)

    def test_goes_back_at_the_next_reset_when_it_is_not(self):
        self.install()
        self.flash.reset()
        self.flash.reset()
        self.assertEqual(self.flash.running(), b"image one")

    def test_refusals(self):
        self.refused("update-board", boards=["ESP32_GENERIC"])
        self.refused("update-older", number=1000)
        self.server.spoil = lambda sha256_32, offset, piece: piece[:-1]
        self.refused("update-truncated")
        self.server.spoil = lambda sha256_32, offset, piece: b"X" + piece[1:]
        self.refused("update-digest")
        self.server = Server({"image.bin": self.image * 2})
        self.refused("update-no-space", {"image.bin": self.image * 2})

    def test_what_the_boot_loader_refuses_was_never_tried(self):
        self.flash.refuses = True
        self.refused("update-image")
        slots = Slots(self.store, IMAGE_SLOTS)
        self.assertEqual((slots.trial, slots.highest), (None, 0))

    def test_what_the_flash_does_not_hold_never_boots(self):
        self.flash.does_not_hold = True
        self.refused("update-digest")

    def test_power_cut_at_every_operation(self):
        cuts = 0
        at = 0
        while True:
            self.setUp()
            self.flash.cut_at = at
            finished = True
            try:
                self.install()
            except KeyboardInterrupt:
                finished = False
            self.flash.reset()
            self.assertIn(self.flash.running(), (b"image one", self.image))
            if finished:
                break
            cuts += 1
            at += 1
        print("whole image: power cut at each of %d flash operations" % cuts)
        self.assertGreater(cuts, 6)


if __name__ == "__main__":
    unittest.main()
