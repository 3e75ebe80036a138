"""What a boot brings with it: changes of configuration and firmware, the cabinet's door."""

import unittest

from agent.boots import Boots
from agent.cabinet import Cabinet
from agent.changes import Changes
from agent.errors import JournalFull
from agent.journal import EVENT, READING
from agent.reading import Reading
from agent.recorder import Recorder
from fakes.board import Store
from support import minicbor

SAMPLE = Reading(1, 3, 100, 0, 0, 0, 0xFFFFFFFF, b"\x00\x01")
OLD, NEW = b"o" * 8, b"n" * 8


class ChangesTest(unittest.TestCase):
    def setUp(self):
        self.store = Store()

    def start(self, config_hash_8, version):
        changes = Changes(self.store, config_hash_8, version)
        told = changes.events()
        changes.reported()
        return told

    def test_the_first_boot_of_all_has_none(self):
        self.assertEqual(self.start(OLD, "1.0"), [])
        self.assertEqual(self.start(OLD, "1.0"), [])
        self.assertEqual(self.store.writes, 1)

    def test_configuration_and_firmware_are_told_once(self):
        self.start(OLD, "1.0")
        self.assertEqual(self.start(NEW, "1.0"), [(6, [OLD, NEW])])
        self.assertEqual(self.start(OLD, "2.0"), [(6, [NEW, OLD]), (7, ["1.0", "2.0"])])
        self.assertEqual(self.start(OLD, "2.0"), [])

    def test_what_was_not_reported_is_told_again(self):
        self.start(OLD, "1.0")
        for _ in range(3):
            self.assertEqual(Changes(self.store, NEW, "1.0").events(), [(6, [OLD, NEW])])

    def test_they_come_with_the_boot(self):
        self.start(OLD, "1.0")
        boot = Boots(self.store, 1, Changes(self.store, NEW, "1.0"))
        self.assertEqual(boot.events(), [(1, [1, 0]), (6, [OLD, NEW])])
        boot.reported()
        self.assertEqual(
            Boots(self.store, 1, Changes(self.store, NEW, "1.0")).events(), [(1, [1, 0])]
        )


class CabinetTest(unittest.TestCase):
    def setUp(self):
        self.events = []
        self.open = False
        self.cabinet = Cabinet(
            lambda: self.open, lambda kind, detail: self.events.append((kind, detail)), None
        )

    def look(self, count):
        for _ in range(count):
            self.cabinet.step()

    def test_tells_the_first_state_and_every_change(self):
        self.look(20)
        self.open = True
        self.look(20)
        self.open = False
        self.look(20)
        self.assertEqual(self.events, [(8, [0]), (8, [1]), (8, [0])])

    def test_a_rattling_door_is_no_news(self):
        self.look(4)
        for _ in range(100):
            self.open = not self.open
            self.look(2)
        self.assertEqual(self.events, [(8, [0])])


class Clock:
    boot = 3

    def mono_ms(self):
        return 5000


class Narrow:
    """A journal with room for so many records."""

    def __init__(self, room):
        self.room = room
        self.records = []

    def append(self, kind, payload):
        if len(self.records) >= self.room:
            raise JournalFull("journal-full", "full")
        self.records.append((kind, payload))


class StartTest(unittest.TestCase):
    def test_a_full_journal_interrupts_the_start_and_nothing_is_told_twice(self):
        store = Store()
        book = Narrow(2)
        written = []
        recorder = Recorder(book, Clock(), Boots(store, 1), written.append)
        recorder.event(9, ["uplink", "x"])
        recorder.event(8, [1])
        recorder.reading(SAMPLE)
        self.assertEqual((len(book.records), written), (2, []))
        recorder.event(8, [0])
        book.room = 99
        recorder.reading(SAMPLE)
        kinds = [minicbor.decode(payload)[0] for kind, payload in book.records if kind == EVENT]
        self.assertEqual(kinds, [1, 9, 8, 8])
        self.assertEqual([kind for kind, _ in book.records][-1], READING)
        self.assertEqual(Boots(store, 1).coalesced, 0)

    def test_a_storm_before_the_first_reading_does_not_push_out_the_boot(self):
        book = Narrow(999)
        recorder = Recorder(book, Clock(), Boots(Store(), 5), lambda reading: None)
        for _ in range(500):
            recorder.event(9, ["uplink", "x"])
        recorder.reading(SAMPLE)
        self.assertEqual(minicbor.decode(book.records[0][1]), [1, 3, 0, [5, 0]])
        self.assertEqual(len(book.records), 26)


if __name__ == "__main__":
    unittest.main()
