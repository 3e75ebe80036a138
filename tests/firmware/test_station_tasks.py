"""Recorder and seal task: what is written when, what is done while the bus is idle."""

import unittest

from agent import cbor
from agent.errors import JournalFull
from agent.journal import ANCHOR, EVENT, READING
from agent.reading import Reading
from agent.recorder import Recorder
from agent.seal_task import SealTask, next_interval_s

SAMPLE = Reading(1, 3, 100, 0, 0, 0, 0xFFFFFFFF, b"\x00\x01")


class Book:
    """A journal that keeps everything in a list, or is full."""

    def __init__(self):
        self.records = []
        self.full = False
        self.fill_permille = 0
        self.waiting = 0
        self.erased = 0

    def append(self, kind, payload):
        if self.full:
            raise JournalFull("journal-full", "full")
        self.records.append((kind, payload))

    def set_context(self, context):
        self.records.append(("context", context))

    def idle(self):
        self.erased += 1
        return True


class Boots:
    def __init__(self):
        self.told = 0

    def events(self):
        return [(1, [1, 0])]

    def reported(self):
        self.told += 1


class Clock:
    boot = 3

    def mono_ms(self):
        return 5000


class RecorderTest(unittest.TestCase):
    def setUp(self):
        self.book, self.boots, self.written = Book(), Boots(), []
        self.recorder = Recorder(self.book, Clock(), self.boots, self.written.append)

    def test_nothing_is_written_before_the_first_reading(self):
        self.recorder.event(9, ["uplink", "x"])
        self.recorder.clock_set(5, 0, (3, 1, 2, 5, 1))
        self.assertEqual(self.book.records, [])
        self.recorder.reading(SAMPLE)
        kinds = [kind for kind, _ in self.book.records]
        self.assertEqual(kinds, [EVENT, EVENT, ANCHOR, EVENT, READING])
        self.assertEqual(self.book.records[0][1], cbor.encode([1, 3, 0, [1, 0]]))
        self.assertEqual(self.boots.told, 1)
        self.assertEqual(self.written, [SAMPLE])

    def test_what_waits_is_bounded(self):
        for n in range(100):
            self.recorder.event(9, ["task", str(n)])
        self.assertEqual(self.recorder.dropped, 76)
        self.recorder.reading(SAMPLE)
        self.assertEqual(len(self.book.records), 1 + 24 + 1)

    def test_a_full_journal_raises_nothing_and_is_told_afterwards(self):
        self.recorder.reading(SAMPLE)
        self.book.full = True
        self.recorder.reading(SAMPLE)
        self.recorder.event(8, [1])
        self.assertEqual((len(self.written), self.recorder.dropped), (1, 2))
        self.book.full = False
        self.recorder.resumed()
        self.assertEqual(self.book.records[-1], (EVENT, cbor.encode([13, 3, 5000, [1]])))


class Meters:
    interval_ms = 60000

    def __init__(self):
        self.idle = 0
        self.seconds = None

    def idle_ms(self):
        return self.idle

    def set_interval_s(self, seconds):
        self.seconds = seconds


class Sealer:
    def __init__(self):
        self.is_due = True
        self.sealed = 0

    def due(self):
        return self.is_due

    def seal_once(self):
        self.is_due = False
        self.sealed += 1
        return self.sealed, b"\x00" * 32


CONFIG = {"read_interval_s": 60, "max_interval_s": 900, "journal": {"thin_permille": 800}}


class SealTaskTest(unittest.TestCase):
    def setUp(self):
        self.book, self.meters, self.sealer = Book(), Meters(), Sealer()
        self.recorder = Recorder(self.book, Clock(), Boots(), lambda reading: None)
        self.recorder.reading(SAMPLE)
        self.woken = []
        self.task = SealTask(
            self.sealer,
            self.book,
            self.meters,
            self.recorder,
            CONFIG,
            None,
            lambda: self.woken.append(1),
        )

    def test_waits_for_an_idle_bus(self):
        for idle_ms in (0, 300, 699):
            self.meters.idle = idle_ms
            self.task.step()
            self.assertEqual(self.sealer.sealed, 0)
        self.meters.idle = 700
        self.assertTrue(self.task.step())
        self.assertEqual((self.sealer.sealed, self.woken), (1, [1]))

    def test_erases_only_when_there_is_time(self):
        self.sealer.is_due = False
        self.meters.idle = 499
        self.assertFalse(self.task.step())
        self.meters.idle = 500
        self.task.step()
        self.assertEqual(self.book.erased, 1)

    def test_thins_out_while_the_journal_fills_and_says_so(self):
        self.meters.idle = 60000
        self.book.fill_permille = 800
        self.task.step()
        self.assertEqual((self.meters.seconds, self.task.interval_s), (120, 120))
        self.assertEqual(self.book.records[-1][1], cbor.encode([12, 3, 5000, [120, 1]]))

    def test_never_beyond_the_longest_interval_and_back_again(self):
        wanted = 60
        for expected in (120, 240, 480, 900, 900):
            wanted = next_interval_s(wanted, 900, 800, 60, 900)
            self.assertEqual(wanted, expected)
        self.assertEqual(next_interval_s(900, 700, 800, 60, 900), 900)
        self.assertEqual(next_interval_s(900, 649, 800, 60, 900), 60)


if __name__ == "__main__":
    unittest.main()
