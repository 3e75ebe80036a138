"""Power cut at every flash operation of an update: the old or the new version runs, never neither.

LittleFS of the VM itself, on simulated NOR flash: only MicroPython has it.
"""

import asyncio
import unittest

try:
    import vfs
except ImportError:
    raise unittest.SkipTest("LittleFS is part of MicroPython; CPython has none")

from agent.update_files import SlotFiles
from agent.update_install import Installer
from agent.update_manifest import open_manifest
from agent.update_owners import Owners
from agent.update_pack import PackedFiles
from agent.update_slots import CODE, Slots
from fakes.board import Store
from fakes.nor_flash import NorFlash, PowerCut
from support.sealing_station import Power, PoweredStore
from support.update_maker import OWNER, Server, manifest, no_pause, pack, public

ROOT = "/cut"
OLD = {
    "code.pack": pack({"main.py": b"VERSION = 'old'\n", "agent/a.py": b"a = 1\n" * 300}),
    "agent/p256_table.bin": b"t" * 2000,
}
NEW = {
    "code.pack": pack({"main.py": b"VERSION = 'new'\n", "agent/a.py": b"a = 2\n" * 6000}),
    "agent/p256_table.bin": bytes(range(256)) * 9,
}


class Board:
    """File system and state store behind one power supply."""

    def __init__(self, image=None, blobs=None):
        self.power = Power()
        self.store = PoweredStore(self.power)
        self.store.blobs = dict(blobs or {})
        self.flash = NorFlash(48, image)
        self.owners = Owners(Store(), ["".join("%02x" % b for b in public(OWNER))])
        if image is None:
            vfs.VfsLfs2.mkfs(self.flash)

    def power_on(self):
        """Mount, and choose what runs."""
        self.power.done, self.power.cut_at = 0, None
        self.flash = self.flash.after_cut()
        self.flash.before = self._spend
        vfs.mount(vfs.VfsLfs2(self.flash), ROOT)
        return Slots(self.store, CODE).boot()

    def power_off(self):
        """What the dead file system still tries to write goes to a copy that nobody sees."""
        vfs.umount(ROOT)
        dead, self.flash = self.flash, self.flash.after_cut()
        dead.dead, dead.cut_at, dead.before = False, None, None

    def _spend(self, kind, sector, offset, data):
        if self.power.spend():
            self.flash.cut_at = self.flash.count.operations
            self.flash.cut_fraction = self.power.fraction

    def install(self, content, opened):
        slots = Slots(self.store, CODE)
        fetch = Server(content).fetch
        asyncio.run(Installer("BENCH", ROOT, slots, 1, fetch, no_pause).install(opened))

    def opened(self, content, number):
        return open_manifest(manifest(content, number=number), self.owners)

    def content(self, slot, names):
        """Files of a slot, and what its main.py says when it is run."""
        files = SlotFiles(Slots(self.store, CODE).directory(ROOT, slot))
        held = {path: files.read(path) for path in names}
        found = {}
        exec(PackedFiles(files.directory).open("/main.py", "rb").read().decode(), found)
        return held, found["VERSION"]


def runs(board, slot):
    """ "old" or "new": the version in a slot, whole; anything else raises."""
    names = {1: OLD, 2: NEW}[slot]
    held, version = board.content(slot, names)
    if held != names:
        raise AssertionError("slot %d is not whole" % slot)
    return version


class CutTest(unittest.TestCase):
    def setUp(self):
        board = Board()
        board.power_on()
        board.install(OLD, board.opened(OLD, 10))
        board.power_off()
        board.power_on()
        Slots(board.store, CODE).keep()
        self.newer = board.opened(NEW, 20)
        board.power_off()
        self.image, self.blobs = bytes(board.flash.image), dict(board.store.blobs)

    def board(self):
        return Board(bytearray(self.image), self.blobs)

    def update(self, board):
        """True if the update went through to the reset."""
        try:
            board.install(NEW, self.newer)
            return True
        except PowerCut:
            return False

    def test_every_operation(self):
        counts = {"old": 0, "new": 0}
        for fraction in (0.0, 0.5, None):
            at = 0
            while True:
                board = self.board()
                board.power_on()
                board.power.cut_at, board.power.fraction = board.power.done + at, fraction
                finished = self.update(board)
                board.power.cut_at = None
                board.power_off()
                counts[self.after(board)] += 1
                if finished:
                    break
                at += 1
        print("power cut at each of %d operations, three ways:" % at, counts)
        self.assertGreater(at, 30)
        self.assertGreater(counts["old"], 90)

    def after(self, board):
        """What runs when the power is back; the update then goes through, and can be kept."""
        version = runs(board, board.power_on())
        if version == "old":
            self.assertTrue(self.update(board))
            board.power_off()
            self.assertEqual(runs(board, board.power_on()), "new")
        Slots(board.store, CODE).keep()
        board.power_off()
        self.assertEqual(runs(board, board.power_on()), "new")
        board.power_off()
        return version

    def test_every_operation_of_going_back(self):
        """Boots of a version on trial that never works, each cut at its write of the pointer."""
        for fraction in (0.0, None):
            board = self.board()
            board.power_on()
            self.assertTrue(self.update(board))
            board.power_off()
            found = []
            for _ in range(12):
                board.power.done, board.power.cut_at, board.power.fraction = 0, 0, fraction
                try:
                    Slots(board.store, CODE).boot()
                except PowerCut:
                    pass
                board.power.cut_at = None
                found.append(runs(board, board.power_on()))
                board.power_off()
            self.assertEqual(found[-1], "old")
            self.assertEqual([version for version in found if version not in ("old", "new")], [])


if __name__ == "__main__":
    unittest.main()
