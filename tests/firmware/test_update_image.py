"""A whole image by the station's own updater: every power cut, every bad version, a week alone.

The agent of both images is the one under test; which of them runs is what the partitions say. A
bad image is the same agent with a part broken after it was started.
"""

import asyncio
import gc
import unittest

from agent import log, update_boot
from agent.errors import SignerError, UploadError
from agent.update_slots import IMAGE, Slots
from fakes.partitions import Partitions
from fakes.whole_board import Reset, WholeBoard
from support import minicbor
from support.offline_week import live
from support.run_app import fresh_loop, run_for
from support.update_maker import OWNER, Server, manifest, public
from support.update_maker import sha256 as sha256_of

ONE, TWO = b"image one", b"image two " * 1000
NUMBER = 2000000000
OWNERS = ["".join("%02x" % byte for byte in public(OWNER))]
SETTINGS = {"owners": OWNERS, "board": "BENCH", "trial_s": 900, "offline_keep_s": 3600}
SIGNED = manifest({"image.bin": TWO}, kind=2, number=NUMBER, version="2.0")
WHAT = "image %d 2.0" % NUMBER


class World:
    """A board with two app partitions, and a collector that offers an image."""

    def __init__(self, **changes):
        self.board = WholeBoard(64, update=dict(SETTINGS, **changes.pop("update", {})), **changes)
        self.board.root = "/nowhere"
        self.flash = Partitions(ONE, blocks=4)
        self.held = {}
        self.ran = []
        self.server = Server({"image.bin": TWO})
        self.offers = True
        set_blob = self.board.store.set

        def powered(name, blob):
            if name == IMAGE and self.flash.operate():
                raise KeyboardInterrupt
            set_blob(name, blob)

        self.board.store.set = powered

    def slots(self):
        return Slots(self.board.store, IMAGE)

    def power_on(self):
        """What happens until the station stands; the content that runs then."""
        while True:
            self.flash.reset()
            self.board.image = self.flash.port()
            try:
                update_boot.code(self.board, 1)
                break
            except Reset:
                pass
        self.ran.append(self.flash.running())
        self.app = self.board.power_on()
        connection = self.app.uplink._connection
        connection.chains = self.held
        self._request, connection.request = connection.request, self.request
        return self.ran[-1]

    async def request(self, method, path, *rest):
        if path.startswith("/v1/update/file"):
            query = dict([pair.split("=") for pair in path.split("?")[1].split("&")])
            at, length = int(query["offset"]), int(query["length"])
            assert query["sha256"] == "".join("%02x" % b for b in sha256_of(TWO))
            return TWO[at : at + length]
        if path.startswith("/v1/update"):
            tried = int(path.split("numbers=")[1].split(",")[2])
            return SIGNED if self.offers and tried < NUMBER else b""
        return await self._request(method, path, *rest)

    def run_for(self, seconds):
        """ "ran", "reset" or "cut"."""
        try:
            asyncio.run(run_for(self.app, self.board, seconds))
            return "ran"
        except Reset:
            fresh_loop()
            return "reset"
        except KeyboardInterrupt:
            fresh_loop()
            return "cut"

    def steps(self):
        kept = self.held.get(self.app.keystore.chain_16, {})
        payloads = [minicbor.decode(minicbor.decode(kept[n]).value[2]) for n in sorted(kept)]
        return [e[3] for p in payloads for e in p.get(14, []) if e[0] == 14]


def cannot_read(app, board):
    board.uart.devices = []


def cannot_seal(app, board):
    def broken(content_type, payload):
        raise SignerError("signer-table", "no")

    app.signer.sign1 = broken


def crashes(app, board):
    async def broken(check_in):
        raise ValueError("no")

    app.seal_task.run = broken


def hangs(app, board):
    raise KeyboardInterrupt  # what the watchdog makes of it


def quiet(test):
    """No log; on CPython the station's collections leave the tests' own large heap out."""
    test.addCleanup(log.configure, log.INFO)
    if hasattr(gc, "freeze"):
        gc.freeze()


class ImageTest(unittest.TestCase):
    def setUp(self):
        quiet(self)

    def installed(self, **changes):
        """A world in which the image has just been put on trial."""
        world = World(**changes)
        self.assertEqual(world.power_on(), ONE)
        self.assertEqual(world.run_for(400), "reset")
        return world

    def test_a_good_one_is_kept(self):
        world = self.installed()
        self.assertEqual(world.power_on(), TWO)
        world.run_for(400)
        self.assertEqual((world.slots().kept, world.flash.state), (2, "valid"))
        self.assertEqual(world.steps(), [["installed", WHAT], ["kept", WHAT]])
        self.assertEqual(world.power_on(), TWO)

    def test_power_cut_at_every_operation(self):
        at = 0
        while True:
            world = World()
            world.flash.cut_at = at
            cuts = 0
            for _ in range(12):  # boots; the power goes at one operation, once
                operations = world.flash.operations
                try:
                    world.power_on()
                    if not cuts:
                        world.flash.cut_at = at
                    ended = world.run_for(400)
                except KeyboardInterrupt:
                    ended = "cut"
                cuts += ended == "cut"
                if world.slots().kept == 2:
                    break
                self.assertNotEqual(operations, world.flash.operations)
            world.power_on()
            world.run_for(150)
            self.assertEqual((world.ran[-1], world.slots().kept), (TWO, 2))
            self.assertEqual([one for one in world.ran if one not in (ONE, TWO)], [])
            steps = world.steps()
            self.assertEqual([step for step in steps if step[0] == "went back"], [])
            self.assertIn(["kept", WHAT], steps)
            if not cuts:
                break
            at += 1
        print("whole image by the updater: power cut at each of %d operations" % at)
        self.assertGreater(at, 6)

    def test_every_bad_one_goes_back(self):
        for bad in (cannot_read, cannot_seal, crashes, hangs):
            world = self.installed()
            for _ in range(8):
                if world.power_on() != TWO:
                    break
                try:
                    bad(world.app, world.board)
                    world.run_for(2000)
                except KeyboardInterrupt:
                    pass
            world.run_for(400)
            self.assertEqual((world.ran[-1], world.slots().kept), (ONE, 0))
            self.assertEqual(world.steps()[-1], ["went back", WHAT])
            print(
                "image that %s: back after %d boots of it" % (bad.__name__, world.ran.count(TWO))
            )
            self.assertEqual(world.power_on(), ONE)

    def test_nothing_is_kept_that_the_boot_loader_refused(self):
        world = World()
        world.flash.refuses = True
        world.power_on()
        world.offers = True
        world.run_for(900)
        self.assertEqual(world.steps()[0], ["refused update-image", WHAT])
        self.assertEqual([step for step in world.steps() if step[0] == "kept"], [])
        self.assertEqual((world.slots().trial, world.slots().highest), (None, 0))


class AloneTest(unittest.TestCase):
    """A week without network, the power cut in between: the boot loader goes back each time."""

    def setUp(self):
        quiet(self)

    def test_a_good_one_is_kept(self):
        world = World(
            update={"trial_s": 21600, "offline_keep_s": 86400},
            read_interval_s=3600, seal_interval_s=3600, max_interval_s=3600,
        )  # fmt: skip
        image = world.board.image = world.flash.port()
        for block in range(0, len(TWO), 4096):
            image.write(block, TWO[block : block + 4096])
        world.slots().install(NUMBER, "2.0", sha256_of(TWO)[:16], 2, len(TWO))
        image.set_boot()
        for hours in (7, 30, 131):  # the power is cut after seven hours, and again after a day
            self.assertEqual(world.power_on(), TWO)
            world.app.uplink._connection.failures = [UploadError("connect-failed", "")] * 10000
            asyncio.run(live(world.board, world.app, hours))
        self.assertEqual((world.slots().kept, world.flash.state), (2, "valid"))
        world.power_on()
        asyncio.run(live(world.board, world.app, 2))
        self.assertEqual(world.steps(), [["kept", WHAT]])
        self.assertEqual(world.flash.running(), TWO)


if __name__ == "__main__":
    unittest.main()
