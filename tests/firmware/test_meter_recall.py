"""What the journal still knows of each meter's total when the board starts again."""

import asyncio
import unittest

from agent import log
from agent.journal import READING
from agent.meter_recall import last_readings
from agent.reading import Context, Reading, pack
from fakes.meter_station import ENERGY
from fakes.whole_board import WholeBoard
from support.run_app import run_for


class Recall(unittest.TestCase):
    def setUp(self):
        self.addCleanup(log.configure, log.INFO)
        self.board = WholeBoard()

    def run_for(self, seconds, total=None):
        """A boot; the meter's total counts up from `total` or stays."""
        app = self.board.power_on()
        if app.uplink:
            app.uplink._connection.chains = {}
        if total is not None:
            self.board.meter.registers[(4, ENERGY)] = total & 0xFFFF
            self.board.meter.registers[(4, ENERGY + 1)] = total >> 16
        seen = []
        written = app.recorder._on_written
        app.recorder._on_written = lambda reading: (seen.append(reading), written(reading))
        asyncio.run(run_for(app, self.board, seconds))
        return app, seen

    def test_nothing_before_the_first_reading(self):
        self.assertEqual(last_readings(self.board.power_on().journal), [])

    def test_the_newest_reading_sealed_or_not_with_its_time(self):
        for seconds in (35, 125):  # before and just after sealing
            app, seen = self.run_for(seconds)
            ((meter, reading, t_unix_ms),) = last_readings(app.journal)
            self.assertEqual((meter.profile, reading.words), ("test-meter", seen[-1].words))
            self.assertEqual(reading.t_100ms, seen[-1].t_100ms)
            if t_unix_ms is not None:
                _, mono_ms, anchored_ms = app.clock.anchor()[:3]
                expected_ms = anchored_ms - mono_ms + 100 * reading.t_100ms
                self.assertTrue(abs(t_unix_ms - expected_ms) < 2000)

    def test_a_register_that_went_back_while_there_was_no_power_is_flagged(self):
        _, seen = self.run_for(65, 500000)
        self.assertEqual([reading.flags for reading in seen], [0] * len(seen))
        _, seen = self.run_for(35, 499000)
        self.assertEqual([reading.flags for reading in seen], [3] * len(seen))
        _, seen = self.run_for(35, 500001)
        self.assertEqual([reading.flags for reading in seen], [0] * len(seen))

    def test_flagged_readings_are_passed_over(self):
        app, seen = self.run_for(35, 500000)
        self.run_for(35, 10)
        app, _ = self.run_for(1)
        ((_, reading, _),) = last_readings(app.journal)
        self.assertEqual(reading.words, seen[-1].words)

    def test_of_many_meters_the_newest_are_kept(self):
        app, _ = self.run_for(15)
        meter = last_readings(app.journal)[0][0]
        for unit in range(1, 31):
            changed = type(meter)(meter[0], meter[1], unit, meter[3], meter[4], meter[5])
            app.journal.set_context(Context(9, [changed]).pack())
            app.journal.append(READING, pack(Reading(unit, 9, unit, 0, 0, 0, 15, bytes(16))))
        found = last_readings(app.journal)
        self.assertEqual([meter.unit for meter, _, _ in found], list(range(15, 31)))


if __name__ == "__main__":
    unittest.main()
