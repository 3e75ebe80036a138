"""What a session must never take down with it: its store, its key, its book, its configuration."""

import asyncio
import json
import unittest

from agent import log
from agent.errors import SessionError, SignerError
from agent.session_book import is_open
from fakes.whole_board import WholeBoard
from support.run_app import fresh_loop, run_for
from support.session_station import SESSION, SessionWorld


def payloads(world):
    """Payloads of all records, once everything has left."""
    world.finish()
    return [json.loads(record.split("|")[1]) for record in world.records()]


def faults(world):
    """What was reported of the sessions in the chain."""
    events = [e for key in world.left for e in world.payload_of(key).get(14, ())]
    return [event[3][1] for event in events if event[0] == 9]


def full_store(world):
    """From now on the store keeps no sessions; how it kept them before."""
    real = world.store.set

    def fail(name, blob):
        if name == "sessions":
            raise OSError(-0x1105, "no space")
        real(name, blob)

    world.store.set = fail
    return real


class SerialTest(unittest.TestCase):
    """A meter's serial number is somebody else's text."""

    def test_one_that_would_grow_in_a_record_is_hexadecimal(self):
        for raw, shown in (
            (b'"' * 32, "22" * 32),
            (b"|" * 32, "7c" * 32),
            (b"\\" * 30 + b"  ", "5c" * 30),
            (b"\x01" * 32, "01" * 32),
            (b"BSM 1" + bytes(27), "42534d2031"),
            (b"BSM-1" + bytes(27), "BSM-1"),
        ):
            world = SessionWorld().boot()
            world.set_identity(((3, 0xFC00, raw),))
            world.charge(who="x")
            world.boot()
            world.set_identity(((3, 0xFC00, raw),))
            world.charge()
            self.assertEqual([one["MS"] for one in payloads(world)], [shown, shown])

    def test_one_that_is_refused_is_replaced_by_profile_and_unit(self):
        world = SessionWorld().boot()
        world.set_identity(())
        world.charge()
        self.assertEqual(payloads(world)[0]["MS"], "sdm120/1")

    def test_one_that_may_yet_be_read_is_waited_for(self):
        world = SessionWorld().boot()
        world.set_identity(())
        world.task.watches[0].identified = False
        world.charge()
        self.assertEqual(payloads(world), [])

    def test_names_that_are_no_words_are_kept_over_a_power_cut(self):
        for name in ("-", "%2d", "a b", "a\nP b", "\u0e02", "meter-1"):
            world = SessionWorld().boot()
            world.charge()
            world.sessions.sessions[0].model = name
            world.sessions.book.save()
            world.boot()
            self.assertEqual(world.sessions.sessions[0].model, name)
            self.assertIsNone(world.sessions._broken)

    def test_a_meter_that_came_back_is_asked_who_it_is_first(self):
        world = SessionWorld().boot()
        world.closed, world.watts = True, 7000
        world.step()
        world.task.watches[0].identified = False
        world.step()
        world.change_meter(2002)
        world.task.watches[0].identified = True
        world.step()
        (found,) = payloads(world)
        self.assertEqual((found["MS"], found["RD"][-1]["TX"], found["US"]), ("1001", "A", "1 1"))

    def test_a_record_that_is_too_long_is_never_kept(self):
        world = SessionWorld().boot()
        world.sessions._config["station_id"] = "x" * 500  # only dropped, and the meter's name
        world.charge()
        world.sessions.sessions[0].settings = dict(SESSION)
        world.closed, world.watts = True, 7000
        world.step()
        world.sessions.sessions[0].model = '"' * 64
        world.closed = False
        world.step()
        self.assertEqual(world.sessions.book.pending, "")
        world.boot()
        world.charge()
        found = payloads(world)
        self.assertEqual([one["PG"] for one in found], ["T1", "T2"])
        self.assertNotIn("CI", found[0])


class ExpiredTest(unittest.TestCase):
    def test_a_name_that_a_cut_dropped_is_told_once(self):
        world = SessionWorld().boot()
        world.sessions.command(1, "start", "ALICE")
        for _ in range(3):
            world.boot()
            world.step()
        world.finish()
        events = [e for key in world.left for e in world.payload_of(key).get(14, ())]
        self.assertEqual([e[3][1] for e in events if e[0] == 16], ["expired"])


class FaultTest(unittest.TestCase):
    def test_a_key_that_does_not_sign(self):
        world = SessionWorld().boot()
        real = world.sessions._signer.sign_ocmf

        def fail(text):
            raise SignerError("signer-chip", "no answer")

        world.sessions._signer.sign_ocmf = fail
        world.charge()
        world.step()
        world.sessions._signer.sign_ocmf = real
        world.step()
        found = payloads(world)
        self.assertEqual([one["PG"] for one in found], ["T1"])
        self.assertEqual(faults(world), ["signer-chip"])

    def test_a_fiscal_record_waits_for_a_key_that_does_not_sign(self):
        world = SessionWorld(fiscal_interval_s=3600).boot()
        real = world.sessions._signer.sign_ocmf

        def fail(text):
            raise SignerError("signer-chip", "no answer")

        world.sessions._signer.sign_ocmf = fail
        world.step()
        world.sessions._signer.sign_ocmf = real
        world.step()
        self.assertEqual([one["PG"] for one in payloads(world)], ["F1"])
        self.assertEqual(faults(world), ["signer-chip"])

    def test_a_fiscal_record_that_a_store_keeps_late_is_one(self):
        world = SessionWorld(fiscal_interval_s=3600).boot()
        real = full_store(world)
        world.step()
        world.store.set = real
        world.step()
        self.assertEqual([one["PG"] for one in payloads(world)], ["F1"])

    def test_a_fiscal_record_that_is_refused_keeps_back_no_other(self):
        world = SessionWorld(fiscal_interval_s=3600).boot()
        world.sessions._fiscal._waiting[-1] = ([("MM", '"%s"' % ("x" * 2000))], "{}")
        world.step()
        world.step()
        self.assertEqual([one["PG"] for one in payloads(world)], ["F1"])
        self.assertEqual(faults(world), ["session-length"])

    def test_a_store_that_does_not_keep(self):
        world = SessionWorld().boot()
        world.step()
        real = full_store(world)
        world.charge()
        self.assertEqual(world.journal_has_record(), False)  # no page leaves that is not kept
        world.store.set = real
        world.pass_time(60)
        found = payloads(world)
        self.assertEqual([one["PG"] for one in found], ["T1"])
        self.assertEqual(faults(world), ["OSError"])

    def test_a_book_that_cannot_be_read_is_left_alone(self):
        for blob in (b"3 0 0", b"2 0 0\n", b"2 0 0\nS x", b"\xff", b"2 0 0\nS 1 active - -"):
            world = SessionWorld(fiscal_interval_s=300)
            world.store.blobs["sessions"] = blob
            world.boot()
            world.closed = True
            world.step()
            with self.assertRaises(SessionError) as caught:
                world.sessions.command(1, "start", "x")
            self.assertEqual(caught.exception.code, "session-book")
            self.assertEqual(payloads(world), [])
            self.assertEqual(world.store.blobs["sessions"], blob)
            self.assertEqual(faults(world), ["session-book"])

    def test_the_station_goes_on_reading(self):
        log.configure(log.OFF)
        board = WholeBoard(sessions=[{"contact_pin": 4}])
        app = board.power_on()
        full_store(board)
        app.signer.sign_ocmf = lambda text: board.store.set("sessions", text)
        board.contactor_closed = True
        asyncio.run(run_for(app, board, 300))
        fresh_loop()
        self.assertEqual([task.failures for task in app.supervisor.tasks], [0, 0, 0, 0])
        self.assertTrue(app.meters.next_sequence > 28)
        self.assertEqual(board.resets, [])


class ConfigurationTest(unittest.TestCase):
    """Open sessions of connectors that the configuration has no more."""

    def two(self):
        """Both connectors charging."""
        world = SessionWorld()
        world.connectors = [dict(SESSION), dict(SESSION)]
        world.boot()
        world.sessions.command(2, "start", "BOB")
        world.closed, world.watts = True, 7000
        for _ in range(3):
            world.step()
        return world

    def test_one_connector_less_is_an_abort(self):
        world = self.two()
        world.connectors = [dict(SESSION)]
        world.boot()
        world.step()
        world.closed = False
        world.step()
        found = payloads(world)
        self.assertEqual(
            sorted([(one["CI"][-1], one["RD"][-1]["TX"]) for one in found]),
            [("1", "E"), ("2", "A")],
        )
        self.assertFalse(is_open(world.store))

    def test_none_at_all(self):
        world = self.two()
        self.assertTrue(is_open(world.store))
        world.connectors = []
        world.boot()
        world.step()
        found = payloads(world)
        self.assertEqual([one["RD"][-1]["TX"] for one in found], ["A", "A"])
        self.assertEqual([one["PG"] for one in found], ["T1", "T2"])
        self.assertFalse(is_open(world.store))

    def test_the_application_issues_them_without_any_session_configured(self):
        log.configure(log.OFF)
        board = WholeBoard(sessions=[{"contact_pin": 4}])
        app = board.power_on()
        board.contactor_closed = True
        asyncio.run(run_for(app, board, 60))
        fresh_loop()
        settings = json.loads(board.files["config.json"])
        settings.pop("sessions")
        board.files["config.json"] = json.dumps(settings).encode()
        app = board.power_on()
        asyncio.run(run_for(app, board, 60))
        fresh_loop()
        self.assertEqual((app.sessions.book.pages["T"], is_open(board.store)), (1, False))
        self.assertIsNone(board.power_on().sessions)


if __name__ == "__main__":
    unittest.main()
