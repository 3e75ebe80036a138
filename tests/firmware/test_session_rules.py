"""Who is billed, by which readings: holds, contacts between readings, outages; and the gate."""

import json
import unittest

import agent
from agent import config, ocmf, profile, session_gate, session_meter
from agent.clock import COLLECTOR, RTC
from agent.errors import ConfigError, SessionError
from agent.meter_reader import MeterReader
from agent.reading import ALL_PRESENT, Reading
from agent.session import NAMED_MS
from agent.session_user import pseudonym
from support.sealing_station import NOON_MS
from support.session_station import KEY, SessionWorld

FIRMWARE = agent.__path__ if isinstance(agent.__path__, str) else agent.__path__[0]
FIRMWARE = FIRMWARE.rpartition("/")[0]
ALICE, BOB = [pseudonym(KEY, name) for name in ("ALICE", "BOB")]


def payloads(world):
    """Payloads of all records, once everything has left."""
    world.finish()
    return [json.loads(record.split("|")[1]) for record in world.records()]


def hexed(data):
    return "".join(["%02x" % byte for byte in data])


def steps(world):
    """(step, pseudonym) of every session event in the chain."""
    found = []
    for key in sorted(world.left, key=lambda k: k[1]):
        for event in world.payload_of(key).get(14, ()):
            if event[0] == 16:
                found.append((event[3][1], bytes(event[3][2])))
    return found


class Client:
    """A bus on which nobody asks."""

    def add_unit(self, *line):
        """Nothing is on it."""


class Watch:
    """What a session needs of a meter under watch."""

    identified = True
    identity = ()

    def __init__(self, reader, setup):
        self.reader = reader
        self.setup = setup


class HoldTest(unittest.TestCase):
    """A hold is an unbroken row of good readings of one meter."""

    def held(self, disturb, **changes):
        world = SessionWorld(trigger="power", start_hold_s=120, **changes)
        world.boot()
        world.watts = 7000
        world.step()
        disturb(world)
        for _ in range(5):
            world.step()
        world.watts = 0
        for _ in range(5):
            world.step()
        (found,) = payloads(world)
        begin, end = found["RD"][0], found["RD"][-1]
        self.assertLessEqual(begin["RV"], end["RV"])
        self.assertLessEqual(begin["TM"][:-2], end["TM"][:-2])
        self.assertEqual(found["US"].split()[0], "2" if world.next_sequence == 12 else "3")
        return found

    def test_another_meter_begins_it_anew(self):
        def swap(world):
            world.change_meter(2002)
            world.energy_mwh = 5000000

        found = self.held(swap)
        self.assertEqual((found["MS"], found["RD"][0]["RV"] < 6), ("2002", True))

    def test_a_falling_register_begins_it_anew(self):
        def fall(world):
            world.energy_mwh -= 5000000

        self.held(fall)

    def test_a_clock_that_steps_back_begins_it_anew(self):
        def correct(world):
            world.clock.set_utc(world.now_ms - 5 * 3600000, COLLECTOR, 20)

        self.held(correct)

    def test_a_missed_or_flagged_reading_begins_it_anew(self):
        for status, flags in ((1, 0), (0, 2)):
            self.held(lambda world, s=status, f=flags: world.step(status=s, flags=f))


class ContactTest(unittest.TestCase):
    def charging(self, who="ALICE", **changes):
        world = SessionWorld(**changes).boot()
        world.sessions.command(1, "start", who)
        world.closed, world.watts = True, 7000
        for _ in range(3):
            world.step()
        return world

    def users(self, world):
        return [found.get("ID", "") for found in payloads(world)]

    def leave(self, world):
        world.closed, world.watts = False, 0
        world.step()

    def test_a_car_exchanged_between_two_readings(self):
        world = self.charging()
        world.closed = False
        world.look()
        world.sessions.command(1, "start", "BOB")
        world.closed = True
        world.look()
        for _ in range(3):
            world.step()
        self.leave(world)
        self.assertEqual(self.users(world), [hexed(ALICE), hexed(BOB)])

    def test_chatter_of_the_contact_is_no_end(self):
        world = self.charging()
        for _ in range(5):
            world.closed = False
            world.sessions.look()
            world.closed = True
            world.sessions.look()
        world.step()
        self.leave(world)
        self.assertEqual(self.users(world), [hexed(ALICE)])

    def test_an_opening_is_kept_over_a_power_cut(self):
        world = self.charging()
        world.closed = False
        world.look()
        world.closed = True
        world.boot()
        world.step()
        world.step()
        self.leave(world)
        self.assertEqual(self.users(world), [hexed(ALICE), ""])

    def test_another_user_ends_the_session(self):
        for trigger in ("contact", "power", "command"):
            world = self.charging(trigger=trigger, stop_hold_s=0)
            world.sessions.command(1, "start", "ALICE")  # again: nothing new
            world.step()
            world.sessions.command(1, "start", "BOB")
            for _ in range(3):
                world.step()
            if trigger == "command":
                world.sessions.command(1, "stop")
            self.leave(world)
            self.assertEqual(self.users(world), [hexed(ALICE), hexed(BOB)])

    def test_stop_and_start_between_two_readings(self):
        world = self.charging(trigger="command")
        world.sessions.command(1, "stop-remote")
        world.sessions.command(1, "start", "BOB")
        world.step()
        world.step()
        world.sessions.command(1, "stop")
        world.step()
        found = payloads(world)
        self.assertEqual([one["RD"][-1]["TX"] for one in found], ["R", "L"])
        self.assertEqual([one["ID"] for one in found], [hexed(ALICE), hexed(BOB)])

    def test_a_name_is_forgotten_by_stop_by_time_and_by_a_cut(self):
        for forget in ("stop", "time", "cut"):
            world = SessionWorld().boot()
            world.sessions.command(1, "start", "ALICE")
            if forget == "stop":
                world.sessions.command(1, "stop")
            elif forget == "time":
                world.pass_time(NAMED_MS // 1000)
                world.look()
            else:
                world.boot()
            world.charge()
            self.assertEqual(self.users(world), [""])
            self.assertEqual(("expired", ALICE) in steps(world), forget != "stop")

    def test_the_reason_of_a_stop_is_kept_over_a_power_cut(self):
        for verb, tx in (("stop", "L"), ("stop-remote", "R")):
            world = self.charging(trigger="command")
            world.sessions.command(1, verb)
            world.boot()
            world.step()
            (found,) = payloads(world)
            self.assertEqual(found["RD"][-1]["TX"], tx)


class OutageTest(unittest.TestCase):
    def after(self, seconds, source=COLLECTOR):
        """A session, an outage, a boot with that clock, charging on."""
        world = SessionWorld().boot()
        world.sessions.command(1, "start", "ALICE")
        world.closed, world.watts = True, 7000
        for _ in range(3):
            world.step()
        world.pass_time(seconds)
        world.clock_source = source
        world.boot()
        world.step()
        return world

    def ends(self, world):
        world.step()
        world.closed, world.watts = False, 0
        world.step()
        return [[item["TX"] for item in found["RD"]] for found in payloads(world)]

    def test_a_short_one_goes_on_and_a_long_one_does_not(self):
        self.assertEqual(self.ends(self.after(1800)), [["B", "C", "E"]])
        world = self.after(2 * 86400)
        self.assertEqual(self.ends(world), [["B", "P"], ["B", "E"]])
        first, second = payloads(world)
        self.assertEqual((first["ID"], second["IS"]), (hexed(ALICE), False))
        self.assertEqual(first["RD"][1]["RV"], 100.116)  # nothing of what came after the cut

    def test_it_is_judged_when_the_clock_comes_back(self):
        for seconds, expected in (
            (600, [["B", "C", "E"]]),
            (2 * 86400, [["B", "P"], ["B", "E"]]),
        ):
            world = self.after(seconds, None)
            world.step()
            world.clock.set_utc(world.now_ms, COLLECTOR, 20)
            world.step()
            self.assertEqual(self.ends(world), expected)

    def test_a_supply_that_flaps_does_not_hide_it(self):
        for seconds, expected in (
            (600, [["B", "C", "E"]]),
            (8 * 3600, [["B", "P"], ["B", "E"]]),
        ):
            world = self.after(seconds, None)
            world.boot()
            world.step()
            world.clock.set_utc(world.now_ms, COLLECTOR, 20)
            world.step()
            self.assertEqual(self.ends(world), expected)

    def test_one_that_was_judged_is_not_added_to_the_next(self):
        world = self.after(3000, None)
        world.clock.set_utc(world.now_ms, COLLECTOR, 20)
        world.step()
        world.pass_time(900)
        world.clock_source = COLLECTOR
        world.boot()
        self.assertEqual([ends[-1] for ends in self.ends(world)], ["E"])

    def test_a_cut_of_unknown_time_does_not_hide_a_later_one(self):
        world = SessionWorld()
        world.clock_source = None
        world.boot()
        world.closed, world.watts = True, 7000
        world.step()
        for source, seconds in ((None, 0), (COLLECTOR, 60), (COLLECTOR, 8 * 3600)):
            world.pass_time(seconds)
            world.clock_source = source
            world.boot()
            world.step()
        self.assertEqual([ends[-1] for ends in self.ends(world)], ["P", "E"])


class GateTest(unittest.TestCase):
    """Nothing that fails it is signed."""

    def mark(self, **changes):
        values = {"sequence": 1, "t_unix_ms": NOON_MS, "letter": "S", "mwh": 5000000}
        values.update({"decimals": 3, "meter": session_gate.meter_id("1001")})
        values.update(changes)
        names = ("sequence", "t_unix_ms", "letter", "mwh", "decimals", "meter")
        return ocmf.Mark(*[values[name] for name in names])

    def refused(self, code, act, *arguments):
        with self.assertRaises(SessionError) as caught:
            act(*arguments)
        self.assertEqual(caught.exception.code, code)

    def test_marks(self):
        good = self.mark()
        session_gate.check_marks([good, good], "1001")
        for bad in (
            self.mark(t_unix_ms=NOON_MS - 1),
            self.mark(mwh=4999999),
            self.mark(meter=1),
            self.mark(mwh=5040000, decimals=0, sequence=2),
        ):
            begin = self.mark(mwh=5020000) if bad.decimals == 0 else good
            self.refused("session-order", session_gate.check_marks, [begin, bad], "1001")
        self.refused("session-meter", session_gate.check_marks, [good, good], "1002")
        self.refused("session-meter", session_gate.check_marks, [good, good], "")

    def test_text(self):
        session_gate.check_record("OCMF|{}|{}")
        self.refused("session-text", session_gate.check_record, "OCMF|{}|{}|")
        self.refused("session-text", session_gate.check_record, "OCMF|{\n}|{}")
        self.refused("session-text", session_gate.check_record, "OCMF|\u0e02|{}")
        self.refused("session-length", session_gate.check_record, "x" * 881)

    def test_what_it_refuses_is_an_event_and_the_next_session_is_numbered_on(self):
        world = SessionWorld().boot()
        world.sessions.command(1, "start", "ALICE")
        world.closed, world.watts = True, 7000
        world.step()
        session = world.sessions.sessions[0]
        kept = session.begin
        session.begin = ocmf.Mark(*(kept[:3] + (10**9,) + kept[4:]))  # as if its flash had rotted
        world.closed, world.watts = False, 0
        world.step()
        world.charge()
        found = payloads(world)
        self.assertEqual([one["PG"] for one in found], ["T1"])
        self.assertIn(("refused", ALICE), steps(world))
        self.assertEqual(found[0].get("ID"), None)


class ConfigTest(unittest.TestCase):
    def refused(self, sessions, **changes):
        meters = [{"profile": "a"}, {"profile": "a", "unit_id": 2}]
        found = {"schema": 1, "station_id": "s", "meters": meters, "buses": [{}]}
        found.update({"sessions": sessions}, **changes)
        with self.assertRaises(ConfigError) as caught:
            config.load(lambda name: json.dumps(found if "config" in name else {}).encode())
        self.assertEqual(caught.exception.code, "config-conflict")
        return caught.exception.fields["key"]

    def test_what_cannot_be(self):
        command, power = {"trigger": "command"}, {"trigger": "power"}
        self.assertEqual(self.refused([{}]), "sessions[0].contact_pin")
        self.assertEqual(self.refused([{"contact_pin": 0}]), "sessions[0].contact_pin")
        self.assertEqual(self.refused([command, command]), "sessions[1].meter")
        energy = ["energy_import_wh"]
        self.assertEqual(self.refused([power], quantities=energy), "sessions[0].trigger")


class FiscalTest(unittest.TestCase):
    def test_boots_do_not_make_more_of_them(self):
        for source in (COLLECTOR, RTC, None):
            world = SessionWorld(fiscal_interval_s=900)
            world.clock_source = source
            for _ in range(10):
                world.boot()
                world.step(5)
            self.assertEqual(len(payloads(world)), 1)

    def test_jitter_of_the_grid_costs_none(self):
        world = SessionWorld(fiscal_interval_s=900).boot()
        late_ms = 0
        for number in range(4 * 60):
            before_ms, late_ms = late_ms, (0, 300, 100, 700)[number % 4]
            world.ticks.advance(60000 + late_ms - before_ms)
            world.take()
            while world.sessions.step():
                pass
            world.seal()
        self.assertEqual(len(payloads(world)), 16)


class ScaleFactorTest(unittest.TestCase):
    def test_power_of_a_meter_with_scale_factors(self):
        world = SessionWorld(trigger="power", stop_hold_s=0, power_sf=1).boot()
        for watts in (0, 100, 100, 0):  # tens of watts; 100 x 10 W: a session
            world.watts = watts // 10
            world.step()
        (found,) = payloads(world)
        self.assertEqual(found["US"], "2 4")

    def test_the_real_profiles_of_such_meters(self):
        for name in ("bauer-bsm-ws36a", "sunspec-203"):
            with open("%s/profiles/%s.json" % (FIRMWARE, name), "rb") as file:
                made = profile.load(file.read(), ["energy_import_wh", "power_w"])
            reader = MeterReader(Client(), 42, made, None)
            setup = tuple([(one.function, one.address, b"\x00\x01") for one in made.setup])
            words = b"".join([bytes(2 * one.count - 2) + b"\x02\xbc" for one in made.columns])
            reading = Reading(7, 1, 0, 0, 0, 0, ALL_PRESENT, words)
            world = SessionWorld().boot()
            watch = Watch(reader, setup)
            seen = session_meter.seen(watch, reading, world.clock)
            self.assertEqual((seen.power_mw, seen.mark.mwh), (7000000, 7000000), name)


if __name__ == "__main__":
    unittest.main()
