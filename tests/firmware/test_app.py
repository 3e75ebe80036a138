"""The whole application on a simulated board: power, time and load; every part is the real one."""

import asyncio
import unittest

from agent import log
from agent.clock import COLLECTOR
from fakes.nor_flash import NorFlash
from fakes.whole_board import Reset, WholeBoard
from support import minicbor
from support.run_app import run_for
from support.sealing_station import sequences

BOOT, CLOCK_SET, CONFIG_CHANGED, CABINET, TASK_RESTARTED, RESET = 1, 2, 6, 8, 9, 10


class AppTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(log.configure, log.INFO)
        self.held = {}  # everything that any collector of this test was sent

    def run_for(self, board, seconds, app=None):
        self.app = app or board.power_on()
        if self.app.uplink:
            self.app.uplink._connection.chains = self.held
        asyncio.run(run_for(self.app, board, seconds))
        return self.app

    def payloads(self, chain=None):
        """Payloads that the collector holds, in order."""
        kept = self.held[chain or self.app.keystore.chain_16]
        return [minicbor.decode(minicbor.decode(kept[n]).value[2]) for n in sorted(kept)]

    def events(self, kind):
        found = [event for payload in self.payloads() for event in payload.get(14, [])]
        return [event for event in found if event[0] == kind]

    def times_ms(self, boot):
        """Moment of each reading of a boot, in order."""
        found = []
        for payload in self.payloads():
            for group in payload[13]:
                if group[1] == boot:
                    found += [100 * t for t in unpacked(group[4], group[2])]
        return found

    def test_a_quiet_quarter_of_an_hour(self):
        board = WholeBoard()
        app = self.run_for(board, 900)
        numbers = sorted(self.held[app.keystore.chain_16])
        self.assertEqual(numbers, list(range(1, 15)))
        sealed = [s for payload in self.payloads() for s in sequences(payload)]
        self.assertEqual(sealed, list(range(1, len(sealed) + 1)))
        self.assertGreaterEqual(len(sealed), 84)
        self.assertEqual([t for t in self.times_ms(1) if t % 10000], [])
        self.assertEqual(self.events(BOOT), [[1, 1, 0, [1, 0]]])
        self.assertEqual((app.meters.missed, board.resets), (0, []))
        self.assertLess(board.watchdog.longest_ms, 2000)

    def test_batches_say_how_the_board_is(self):
        board = WholeBoard()
        self.run_for(board, 200)
        health = self.payloads()[-1][16]
        self.assertEqual((health[1], health[4], 6 in health), (4096, -61, False))
        ok = health[3][0][0]
        self.assertGreaterEqual(ok, 19)
        self.assertEqual(health[3][0], [ok, 0, 0, 0, 0, 0])

    def test_time_comes_from_the_collector_and_is_anchored(self):
        board = WholeBoard()
        app = self.run_for(board, 200)
        anchor = self.payloads()[-1][8][-1]
        self.assertEqual((anchor[0], anchor[3]), (1, COLLECTOR))
        self.assertLessEqual(
            abs(anchor[2] - anchor[1] - app.uplink._connection.base_ms), anchor[4]
        )
        self.assertEqual([event[3] for event in self.events(CLOCK_SET)], [[COLLECTOR, 0]])
        self.assertTrue(board.rtc.genuine)

    def test_signing_erasing_and_looking_up_delay_no_reading(self):
        board = WholeBoard(16, read_interval_s=40, seal_interval_s=80)
        board.sign_ms, board.erase_ms, board.look_up_ms = 500, 400, 15000
        app = board.power_on()
        connection = app.uplink._connection
        real = connection.request

        async def request(*arguments):
            answer = await real(*arguments)
            connection.is_open = False  # so that every call looks the name up again
            return answer

        connection.request = request
        self.run_for(board, 40 * 80, app)
        times = self.times_ms(1)
        self.assertGreater(len(times), 75)
        self.assertEqual([t for t in times if t % 40000 > 1000], [])
        self.assertEqual(app.meters.missed, 0)
        self.assertEqual([p[13] for p in self.payloads() if p[13][0][5]], [])  # no quality flags
        self.assertGreater(board.look_ups, 30)
        self.assertGreater(board.flash.count.erases, 4)
        self.assertEqual(app.meters.health()[0][1:], [0, 0, 0, 0, 0])
        self.assertLess(board.watchdog.longest_ms, 20000)

    def test_what_a_power_cut_left_unsealed_joins_the_next_batch(self):
        board = WholeBoard(seal_interval_s=300)
        self.run_for(board, 145)
        self.assertEqual(self.held, {})
        self.run_for(board, 400)
        sealed = [s for payload in self.payloads() for s in sequences(payload)]
        self.assertEqual(sealed, list(range(1, len(sealed) + 1)))
        self.assertEqual(len(self.times_ms(1)), 15)
        self.assertEqual([event[3] for event in self.events(BOOT)], [[1, 0], [1, 0]])
        self.assertEqual([payload[2] for payload in self.payloads()], [1])

    def test_a_brown_out_loop_writes_nothing_into_the_journal_and_backs_the_radio_off(self):
        board = WholeBoard()
        self.run_for(board, 100)
        board.reset_cause = 3
        for _ in range(60):
            app = board.power_on()
        self.assertEqual(board.flash.count.programs + board.flash.count.erases, 0)
        self.assertEqual(app.boots.radio_pause_s(), 900)
        self.run_for(board, 150)
        self.assertEqual([event[3] for event in self.events(BOOT)], [[1, 0], [3, 60]])

    def test_a_wiped_journal_starts_a_new_chain_that_says_so(self):
        board = WholeBoard()
        self.run_for(board, 150)
        old = (self.app.keystore.chain_16, self.app.keystore.mark.number)
        board.flash = NorFlash(64)
        self.run_for(board, 150)
        self.assertNotEqual(self.app.keystore.chain_16, old[0])
        genesis = self.payloads()[0][17]
        self.assertEqual((genesis[0], genesis[2], genesis[3]), (1,) + old)

    def test_a_task_that_breaks_is_told_and_the_others_go_on(self):
        board = WholeBoard()
        app = board.power_on()
        app.uplink._load = lambda: 1 // 0
        self.run_for(board, 300, app)
        app.journal.resend_from(1)
        self.assertGreaterEqual(app.meters.next_sequence, 30)
        self.run_for(board, 300)
        told = self.events(TASK_RESTARTED)
        self.assertEqual(told[0][3][0], "uplink")
        self.assertIn("ZeroDivisionError", told[0][3][1])

    def test_meters_that_break_for_good_end_in_a_reset_that_the_next_boot_reports(self):
        board = WholeBoard()
        app = board.power_on()

        async def broken():
            raise ValueError("no")

        app.meters.poll_once = broken
        with self.assertRaises(Reset):
            self.run_for(board, 3600, app)
        self.assertEqual(board.resets, ["task meters: ValueError: no"])
        board.reset_cause = 4
        self.run_for(board, 150)
        self.assertEqual([e[3] for e in self.events(RESET)], [["task meters: ValueError: no"]])
        self.assertEqual([e[3] for e in self.events(BOOT)], [[4, 1]])

    def test_a_changed_configuration_and_an_opened_door(self):
        board = WholeBoard()
        self.run_for(board, 150)
        old = self.app.seal_task._config.hash_8
        board.files["config.json"] = board.files["config.json"][:-1] + b', "cabinet_pin": 5}'
        board.door_open = True
        self.run_for(board, 150)
        new = self.app.seal_task._config.hash_8
        self.assertEqual([event[3] for event in self.events(CONFIG_CHANGED)], [[old, new]])
        self.assertEqual([event[3] for event in self.events(CABINET)], [[1]])

    def test_without_an_uplink_everything_stays_on_the_board(self):
        board = WholeBoard(uplink={})
        app = self.run_for(board, 200)
        self.assertEqual((app.uplink, app.journal.waiting), (None, 3))


def unpacked(integers, count):
    """Values of a packed column of times, without patches."""
    first, base, width, packed = integers[:4]
    patches = integers[4] if len(integers) > 4 else ()
    stream = int.from_bytes(packed, "big") >> (len(packed) * 8 - (count - 1) * width)
    large = {patches[i]: patches[i + 1] for i in range(0, len(patches), 2)}
    values = [first]
    for i in range(1, count):
        residual = (stream >> (width * (count - 1 - i))) & ((1 << width) - 1)
        values.append(values[-1] + base + large.get(i, residual))
    return values


if __name__ == "__main__":
    unittest.main()
