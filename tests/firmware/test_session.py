"""Sessions: triggers, restarts, bad input, power cuts between the steps of issuing a record."""

import asyncio
import json
import unittest

from agent import config
from agent.clock import RTC
from agent.errors import ConfigError, SessionError
from agent.inspect import InspectError, answer
from agent.journal import READING
from agent.meter_reader import IMPLAUSIBLE
from agent.session_user import pseudonym
from fakes.nor_flash import PowerCut
from support.session_station import SessionWorld


def payload(record):
    """The payload of a record."""
    return json.loads(record.split("|")[1])


def ends(record):
    """TX of all readings of a record."""
    return [item["TX"] for item in payload(record)["RD"]]


class TriggerTest(unittest.TestCase):
    def test_contact(self):
        world = SessionWorld().boot()
        world.step()
        world.charge()
        world.charge()
        world.finish()
        first, second = [payload(record) for record in world.records()]
        self.assertEqual([first["PG"], second["PG"]], ["T1", "T2"])
        self.assertEqual([item["RV"] for item in first["RD"]], [100.123, 100.493])
        self.assertEqual(second["UI"], "0.123000")
        self.assertEqual((first["IS"], first["IT"], first["MS"]), (False, "NONE", "1001"))

    def test_power_has_to_hold(self):
        world = SessionWorld(trigger="power", start_hold_s=120, stop_hold_s=120).boot()
        for watts in (0, 5000, 0, 5000, 5000, 5000, 20, 5000, 20, 20, 20):
            world.watts = watts
            world.step()
        world.finish()
        (record,) = world.records()
        self.assertEqual(payload(record)["US"], "4 9")

    def test_command_names_who_ended_it(self):
        world = SessionWorld(trigger="command").boot()
        for verb in ("stop", "stop-remote"):
            world.sessions.command(1, "start", "somebody")
            world.step()
            world.sessions.command(1, verb)
            world.step()
        world.finish()
        self.assertEqual([ends(r) for r in world.records()], [["B", "L"], ["B", "R"]])

    def test_commands_that_make_no_sense(self):
        world = SessionWorld(trigger="command").boot()
        for code, arguments in (
            ("session-connector", (2, "start")),
            ("session-connector", (0, "start")),
            ("session-verb", (1, "begin")),
            ("session-user", (1, "start", "u" * 65)),
        ):
            with self.assertRaises(SessionError) as caught:
                world.sessions.command(*arguments)
            self.assertEqual(caught.exception.code, code)
        world.step()
        world.finish()
        self.assertEqual(world.records(), [])


class ConsoleTest(unittest.TestCase):
    """What the controller says over the local line."""

    class App:
        sessions = None

    class Out:
        def __init__(self):
            self.sent = []

        async def send(self, value):
            self.sent.append(value)

    def ask(self, app, question):
        out = self.Out()
        asyncio.run(answer(app, question, out))
        return out.sent

    def test_a_session_by_command(self):
        world = SessionWorld(trigger="command").boot()
        app = self.App()
        app.sessions = world.sessions
        named = self.ask(app, "session start 1 DE ABC|1")[0]
        self.assertEqual((named[0], named[1], len(named[2])), ("session", 1, 32))
        world.step()
        self.assertEqual(self.ask(app, "session stop-remote 1")[0][2], named[2])
        world.step()
        world.finish()
        (record,) = world.records()
        self.assertEqual((ends(record), payload(record)["ID"]), (["B", "R"], named[2]))

    def test_refusals_name_nobody(self):
        world = SessionWorld(trigger="command").boot()
        app = self.App()
        for question in ("session start 1 04A2", "session", "session start one 04A2"):
            with self.assertRaises(InspectError) as caught:
                self.ask(app, question)
            self.assertEqual(caught.exception.code, "inspect-session")
            self.assertNotIn("04A2", str(caught.exception))
            app.sessions = world.sessions


class ConfigTest(unittest.TestCase):
    def loaded(self, sessions):
        meters = [{"profile": "a"}]
        found = {"schema": 1, "station_id": "s", "meters": meters, "buses": [{}]}
        found["sessions"] = sessions
        return config.load(lambda name: json.dumps(found if "config" in name else {}).encode())

    def test_none_by_default_and_defaults_of_one(self):
        self.assertEqual(self.loaded([{"contact_pin": 4}])["sessions"][0]["trigger"], "contact")

    def test_a_connector_without_a_meter_is_refused(self):
        with self.assertRaises(ConfigError) as caught:
            self.loaded([{"meter": 1}])
        self.assertEqual(caught.exception.code, "config-conflict")
        self.assertEqual(caught.exception.fields["key"], "sessions[0].meter")


class RestartTest(unittest.TestCase):
    def cut_short(self, **changes):
        world = SessionWorld(**changes).boot()
        world.step()
        world.closed, world.watts = True, 6000
        world.step()
        world.step()
        return world

    def test_goes_on_where_the_contactor_is_still_closed(self):
        world = self.cut_short()
        world.boot()
        world.step()
        world.closed = False
        world.step()
        world.finish()
        self.assertEqual([ends(r) for r in world.records()], [["B", "C", "E"]])

    def test_ends_by_power_failure_where_it_is_open(self):
        world = self.cut_short()
        world.closed, world.watts = False, 0
        world.boot()
        world.step()
        world.finish()
        self.assertEqual([ends(r) for r in world.records()], [["B", "P"]])
        steps = [e[3][1] for k in world.left for e in world.payload_of(k).get(14, ())]
        self.assertEqual(steps, ["begin", "power"])

    def test_a_clock_that_is_gone_never_runs_backwards(self):
        world = self.cut_short()
        world.clock_source = None
        world.boot()
        world.step()
        world.closed = False
        world.step()
        world.finish()
        times = [item["TM"] for item in payload(world.records()[0])["RD"]]
        self.assertEqual([time[-1] for time in times], ["S", "U", "U"])
        self.assertEqual(times, sorted(times))


class BadInputTest(unittest.TestCase):
    def one(self, world):
        world.finish()
        (record,) = world.records()
        return payload(record)

    def test_clock_unset_at_the_start(self):
        world = SessionWorld()
        world.clock_source = None
        world.boot()
        world.charge()
        found = self.one(world)["RD"]
        self.assertEqual([item["TM"][-1] for item in found], ["U", "U"])
        self.assertEqual([item["EF"] for item in found], ["t", "t"])

    def test_a_clock_without_a_witness_is_informative(self):
        world = SessionWorld()
        world.clock_source = RTC
        world.boot()
        world.charge()
        self.assertEqual([item["TM"][-1] for item in self.one(world)["RD"]], ["I", "I"])

    def test_meter_lost_in_the_middle_and_back(self):
        world = SessionWorld().boot()
        world.closed, world.watts = True, 6000
        world.step()
        for _ in range(5):
            world.step(status=1)
        world.step()
        world.closed = False
        world.step()
        self.assertEqual([i["TX"] for i in self.one(world)["RD"]], ["B", "E"])

    def test_meter_lost_for_good_ends_at_the_last_good_reading(self):
        world = SessionWorld().boot()
        world.closed, world.watts = True, 6000
        world.step()
        world.step()
        for _ in range(20):
            world.step(status=1)
        world.step()  # back, the contactor still closed: no new session until it opened
        found = self.one(world)
        self.assertEqual([i["TX"] for i in found["RD"]], ["B", "A"])
        self.assertEqual((found["US"], found["RD"][1]["ST"]), ("1 2", "G"))
        self.assertEqual(world.sessions.sessions[0].state, "blocked")

    def test_meter_replaced(self):
        world = SessionWorld().boot()
        world.closed, world.watts = True, 6000
        world.step()
        world.step()
        world.change_meter(2002)
        world.energy_mwh = 0
        world.step()
        found = self.one(world)
        self.assertEqual([i["TX"] for i in found["RD"]], ["B", "A"])
        self.assertEqual((found["MS"], found["US"]), ("1001", "1 2"))

    def test_register_backward(self):
        world = SessionWorld().boot()
        world.closed, world.watts = True, 6000
        world.step()
        world.step()
        world.energy_mwh -= 5000000
        world.step()
        found = self.one(world)
        self.assertEqual([i["TX"] for i in found["RD"]], ["B", "A"])
        self.assertLessEqual(found["RD"][0]["RV"], found["RD"][1]["RV"])

    def test_a_flagged_reading_is_not_used(self):
        world = SessionWorld().boot()
        world.closed, world.watts = True, 6000
        world.step()
        world.energy_mwh += 10**12
        world.step(flags=IMPLAUSIBLE)
        world.energy_mwh -= 10**12
        world.closed = False
        world.step()
        self.assertLess(self.one(world)["RD"][1]["RV"], 101)

    def test_odd_identifiers_become_pseudonyms(self):
        for who in ("04A2|B3", "\u179a\u178f\u17d2\u1793\u17b6", 'quo"te', "x" * 64):
            world = SessionWorld().boot()
            world.charge(who=who)
            found = self.one(world)
            self.assertEqual(len(found["ID"]), 32)
            self.assertEqual(
                (found["IS"], found["IT"], found["IL"]), (True, "UNDEFINED", "HEARSAY")
            )
            record = world.records()[0]
            self.assertEqual((record.count("|"), all(ord(c) < 128 for c in record)), (2, True))
            for held in list(world.left.values()) + list(world.store.blobs.values()):
                self.assertNotIn(who.encode(), bytes(held))
            self.assertNotIn(who.encode(), bytes(world.flash.image))

    def test_pseudonyms_are_keyed(self):
        """RFC 4231, test case 2 (its key is 4 bytes long), cut to 16 bytes."""
        found = pseudonym(b"Jefe", "what do ya want for nothing?")
        self.assertEqual(
            found, b"\x5b\xdc\xc1\x46\xbf\x60\x75\x4e\x6a\x04\x24\x26\x08\x95\x75\xc7"
        )


class FiscalTest(unittest.TestCase):
    def test_on_a_schedule_with_pages_of_their_own(self):
        world = SessionWorld(fiscal_interval_s=300).boot()
        for minute in range(16):
            world.step(status=1 if minute == 10 else 0)
        world.finish()
        found = [payload(record) for record in world.records()]
        self.assertEqual([f["PG"] for f in found], ["F1", "F2", "F3", "F4"])
        self.assertEqual([f["RD"][0]["ST"] for f in found], ["G", "G", "T", "G"])
        self.assertTrue(all("TX" not in f["RD"][0] and "ID" not in f for f in found))
        self.assertNotIn("RV", found[2]["RD"][0])


class CutTest(unittest.TestCase):
    def test_a_cut_at_every_operation_of_issuing(self):
        """One record for the session and one page, wherever the power goes."""
        for fraction in (0.0, 0.5, None):
            operations = 0
            while self.cut_at(operations, fraction):
                operations += 1
            self.assertEqual(operations, 3)

    def cut_at(self, operations, fraction):
        """False once everything was done before the power went."""
        world = SessionWorld().boot()
        world.charge(minutes=1)
        world.closed, world.watts = True, 6000
        world.step()
        world.pass_time(60)
        world.closed = False
        world.look()
        world.take()
        world.power.cut_at, world.power.fraction = world.power.done + operations, fraction
        cut = False
        try:
            while world.sessions.step():
                pass
        except PowerCut:
            cut = True
        world.power.cut_at = None
        if cut:
            world.boot()
            world.step()
        world.finish()
        self.assertEqual([payload(r)["PG"] for r in world.records()], ["T1", "T2"])
        self.assertEqual(ends(world.records()[0]), ["B", "E"])
        return cut

    def test_a_journal_that_is_full_keeps_the_record_for_later(self):
        world = SessionWorld()
        world.policy = "stop"
        world.boot()
        world.charge(minutes=1)
        world.closed = True
        world.step()
        world.closed = False
        world.look()
        world.take()
        real, world.journal.append = world.journal.append, refuse
        self.assertFalse(world.sessions.step())
        self.assertFalse(world.sessions.step())
        world.journal.append = real
        world.finish()
        self.assertEqual([payload(r)["PG"] for r in world.records()], ["T1", "T2"])


def refuse(kind, content):
    """A journal without room."""
    from agent.errors import JournalFull

    if kind != READING:
        raise JournalFull("journal-full", "no room")


if __name__ == "__main__":
    unittest.main()
