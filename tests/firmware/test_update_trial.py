"""Versions on trial, on a whole simulated station: kept if they work, given up if they do not."""

import asyncio
import gc
import unittest

from agent import log, update, update_trial
from agent.errors import SignerError, UploadError
from agent.update_slots import CODE, Slots
from fakes.whole_board import Reset, WholeBoard
from support import minicbor
from support.offline_week import live
from support.run_app import fresh_loop, run_for
from support.update_maker import OWNER, public

UPDATE = 14
OWNERS = ["".join("%02x" % byte for byte in public(OWNER))]
NINE = "code 2000000000 9.0.0"
SETTINGS = {"owners": OWNERS, "board": "BENCH", "trial_s": 900, "offline_keep_s": 3600}


class OnTrial(unittest.TestCase):
    """A station whose version is on trial."""

    def setUp(self):
        self.addCleanup(log.configure, log.INFO)
        if hasattr(
            gc, "freeze"
        ):  # CPython: the station tidies often, the tests' own heap is large
            gc.freeze()
            self.addCleanup(gc.unfreeze)
        self.board = WholeBoard(update=SETTINGS)
        self.board.root = "/nowhere"
        self.held = {}
        self.slots().install(2000000000, "9.0.0")

    def slots(self):
        return Slots(self.board.store, CODE)

    def power_on(self):
        self.slots().boot()
        self.app = self.board.power_on()
        connection = self.app.uplink._connection
        connection.chains = self.held
        request = connection.request

        async def only_batches(method, path, *rest):
            return b"" if path.startswith("/v1/update") else await request(method, path, *rest)

        connection.request = only_batches
        return self.app

    def run_for(self, seconds):
        asyncio.run(run_for(self.app, self.board, seconds))

    def goes_back(self, most_s=2000):
        with self.assertRaises(Reset):
            self.run_for(most_s)
        fresh_loop()
        self.assertEqual(self.board.resets, ["update: went back"])
        slots = self.slots()
        self.assertEqual((slots.trial, slots.kept, slots.failed_version), (None, 0, "9.0.0"))
        self.power_on()
        self.run_for(200)
        self.assertEqual(self.steps()[-1], ["went back", NINE])
        self.assertEqual(self.slots().failed_number, 0)  # told once

    def steps(self):
        kept = self.held[self.app.keystore.chain_16]
        payloads = [minicbor.decode(minicbor.decode(kept[n]).value[2]) for n in sorted(kept)]
        return [e[3] for p in payloads for e in p.get(14, []) if e[0] == UPDATE]


class TrialTest(OnTrial):
    def test_a_good_one_is_kept_when_it_was_heard(self):
        self.power_on()
        self.run_for(400)
        self.assertEqual((self.slots().kept, self.slots().trial), (1, None))
        self.assertEqual(self.steps(), [["kept", NINE]])

    def test_not_before_it_sealed_twice_and_was_acknowledged(self):
        self.power_on()
        self.app.uplink._connection.answers = False
        self.run_for(600)
        self.assertEqual(self.slots().trial, 1)
        self.goes_back()

    def test_one_that_cannot_read_meters(self):
        self.power_on()
        self.board.uart.devices = []
        self.goes_back()

    def test_one_that_cannot_seal(self):
        self.power_on()

        def broken(content_type, payload):
            raise SignerError("signer-table", "no")

        self.app.signer.sign1 = broken
        self.goes_back()

    def test_one_whose_task_crashes(self):
        self.power_on()

        async def broken(check_in):
            raise ValueError("no")

        self.app.seal_task.run = broken
        self.goes_back(60)

    def test_one_that_eats_memory(self):
        class Gc:
            free = 100000

            def collect(self):
                self.free -= 30000

            def mem_free(self):
                return self.free

        real, update_trial.gc = update_trial.gc, Gc()
        try:
            self.power_on()
            with self.assertRaises(Reset):
                self.run_for(2000)
        finally:
            update_trial.gc = real
            fresh_loop()
        self.assertEqual(self.slots().failed_version, "9.0.0")

    def test_a_server_that_refuses_is_a_network(self):
        self.power_on()
        self.app.uplink._connection.failures = [UploadError("tls-failed", "no")] * 10000
        self.run_for(800)
        self.assertTrue(self.app.uplink.reached)
        self.goes_back()

    def test_nothing_is_asked_for_during_a_trial(self):
        self.power_on()
        asked = []

        async def ask(connection):
            asked.append(connection)

        self.app.uplink.afterwards = ask
        updater = update.Updater(self.app)
        asyncio.run(updater.ask(None))  # returns at once
        self.assertEqual(updater.on_trial()[0].version, "9.0.0")


class OfflineTest(OnTrial):
    """A week without network, with a power cut every seven hours."""

    def setUp(self):
        super().setUp()
        changes = dict(SETTINGS, trial_s=21600, offline_keep_s=86400)
        self.board = WholeBoard(
            64, update=changes, read_interval_s=3600, seal_interval_s=3600, max_interval_s=3600
        )
        self.board.root = "/nowhere"
        self.slots().install(2000000000, "9.0.0")

    def test_a_good_one_is_kept_on_a_station_that_is_offline_for_a_week(self):
        kept_after_h = None
        for boot in range(24):
            self.power_on()
            self.app.uplink._connection.failures = [UploadError("connect-failed", "")] * 10000
            asyncio.run(live(self.board, self.app, 7))
            if kept_after_h is None and self.slots().kept == 1:
                kept_after_h = 7 * (boot + 1)
            self.assertEqual(self.slots().running(), 1)
        print("offline for 168 h, 24 power cuts: kept after at most %d h" % kept_after_h)
        self.assertGreater(kept_after_h, 23)
        self.assertEqual((self.slots().kept, self.slots().trial), (1, None))
        self.assertEqual(self.board.resets, [])
        waiting = self.app.journal.waiting
        self.power_on()
        asyncio.run(live(self.board, self.app, 2))
        print("batches that waited for the week:", waiting)
        self.assertEqual(self.app.journal.waiting, 0)
        self.assertEqual(self.steps()[-1], ["kept", NINE])


if __name__ == "__main__":
    unittest.main()
