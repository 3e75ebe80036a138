"""The whole application when power, flash, bus or name servers fail for longer than a moment."""

import asyncio
import unittest

from agent import log
from agent.resolver import Resolver
from fakes.whole_board import Reset, WholeBoard
from support.run_app import fresh_loop, run_for

HOUR_S = 3600


class FaultsTest(unittest.TestCase):
    def setUp(self):
        log.configure(log.OFF)
        self.addCleanup(log.configure, log.INFO)

    def run_for(self, app, board, seconds):
        try:
            asyncio.run(run_for(app, board, seconds))
        except Reset:
            fresh_loop()
            raise

    def slow_polls(self, app, board, poll_ms):
        """Each poll takes so long: many meters on one line."""
        real = app.meters.poll_once

        async def slow():
            start_ms = app.clock.mono_ms()
            await real()
            await board.timing.sleep_ms(poll_ms - (app.clock.mono_ms() - start_ms))

        app.meters.poll_once = slow

    def test_a_bus_that_is_never_idle_does_not_keep_readings_unsealed(self):
        for poll_ms in (9900, 15000):
            board = WholeBoard(read_interval_s=10, seal_interval_s=120, uplink={})
            app = board.power_on()
            self.slow_polls(app, board, poll_ms)
            self.run_for(app, board, HOUR_S // 2)
            self.assertGreaterEqual(app.sealer.number, 11)
            self.assertFalse(app.journal.overwrote_unsealed)

    def test_a_supply_that_sags_for_a_minute_costs_that_minute(self):
        board = WholeBoard(read_interval_s=10, seal_interval_s=60, uplink={})
        app = board.power_on()
        flash = board.flash
        poll = app.meters.poll_once

        async def sagging():
            sags = 100000 <= app.clock.mono_ms() < 160000
            flash.refuse_program = set(range(64)) if sags else set()
            flash.refuse_erase = set(flash.refuse_program)
            await poll()

        app.meters.poll_once = sagging
        self.run_for(app, board, 600)
        self.assertEqual(board.resets, [])
        taken = app.meters.next_sequence - 1
        self.assertGreaterEqual(taken, 58)
        self.assertGreaterEqual(app.sealer.next_sequence, 0)
        self.assertGreaterEqual(app.keystore.mark.next_sequence, taken - 8)
        self.assertTrue(5 <= app.recorder.dropped <= 9, app.recorder.dropped)
        self.assertLess(len(app.journal.health()["bad_sectors"]), 4)

    def test_an_event_or_a_mark_that_cannot_be_kept_ends_nothing(self):
        board = WholeBoard(read_interval_s=10, seal_interval_s=60, uplink={})
        app = board.power_on()
        real_set, real_append = board.store.set, app.journal.append

        def refuse(*_):
            if 100000 <= app.clock.mono_ms() < 160000:
                raise OSError(28)

        app.journal.append = lambda *a: (refuse(), real_append(*a))
        board.store.set = lambda *a: (refuse(), real_set(*a))
        self.run_for(app, board, 600)
        self.assertEqual(board.resets, [])
        self.assertGreaterEqual(app.keystore.mark.next_sequence, 50)

    def test_name_servers_that_never_answer_reset_nothing(self):
        board = WholeBoard(read_interval_s=10, seal_interval_s=300)
        app = board.power_on()
        self.slow_polls(app, board, 8000)

        def look_up(host, port):
            board.timing.advance_us(15000000)
            raise OSError(-202)

        app.resolver = app.uplink._connection.resolver = Resolver(app.bus_idle, look_up)
        told = []
        app.supervisor._on_event = lambda kind, detail: told.append(detail)
        self.run_for(app, board, HOUR_S // 3)
        self.assertEqual((board.resets, told), ([], []))
        self.assertGreaterEqual(app.sealer.number, 3)

    def test_a_light_that_fails_never_resets_the_board(self):
        board = WholeBoard(read_interval_s=60, led_pin=2)

        def broken(on):
            raise OSError(5)

        board.light = lambda pin: broken
        app = board.power_on()
        self.run_for(app, board, HOUR_S)
        self.assertEqual(board.resets, [])
        self.assertGreaterEqual(app.meters.next_sequence, 59)

    def test_what_asks_for_too_much_memory_is_sealed_in_smaller_batches(self):
        board = WholeBoard(read_interval_s=10, seal_interval_s=600, uplink={})
        app = board.power_on()
        sign = app.signer.sign1
        refused = []

        def sign1(content_type, payload):
            if app.sealer._halvings < 2 and app.meters.next_sequence > 50:
                refused.append(len(payload))
                raise MemoryError
            return sign(content_type, payload)

        app.signer.sign1 = sign1
        self.run_for(app, board, 1300)
        self.assertEqual(board.resets, [])
        self.assertGreater(len(refused), 0)
        self.assertGreaterEqual(app.keystore.mark.next_sequence, 118)


class BrownOutTest(unittest.TestCase):
    def setUp(self):
        log.configure(log.OFF)
        self.addCleanup(log.configure, log.INFO)

    def boots(self, board, count, seconds):
        """So many boots of the application that live so long."""
        for _ in range(count):
            app = board.power_on()
            asyncio.run(run_for(app, board, seconds))
        return app

    def test_boots_of_seconds_journal_no_more_than_a_board_that_runs(self):
        board = WholeBoard(read_interval_s=60, seal_interval_s=3600, uplink={})
        board.reset_cause = 3
        app = self.boots(board, 40, 5)
        self.assertEqual((board.flash.count.programs, app.boots.radio_pause_s()), (0, 900))
        self.assertEqual((app.sealer.next_sequence, app.boots.coalesced), (4, 36))

    def test_a_loop_in_which_readings_are_written_backs_the_radio_off_all_the_same(self):
        board = WholeBoard(read_interval_s=60, seal_interval_s=3600, uplink={})
        board.reset_cause = 3
        app = self.boots(board, 12, 75)
        self.assertGreaterEqual(app.sealer.next_sequence, 12)
        self.assertEqual(app.boots.radio_pause_s(), 900)

    def test_minutes_of_life_end_the_loop(self):
        board = WholeBoard(read_interval_s=60, seal_interval_s=3600, uplink={})
        app = self.boots(board, 6, 5)
        self.assertGreater(app.boots.radio_pause_s(), 0)
        self.boots(board, 1, 400)
        self.assertEqual(board.power_on().boots.radio_pause_s(), 0)


if __name__ == "__main__":
    unittest.main()
