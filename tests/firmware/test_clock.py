import asyncio
import unittest

from agent import clock, log, sntp
from agent.errors import ClockError
from agent.time_trust import TimeTrust
from fakes.board import Rtc, Store, Ticks

BUILD_S = 1790000000
DAY_MS = 86400000
T_2026 = BUILD_S * 1000 + 30 * DAY_MS
T_1970 = 12345
T_2099 = 4070908800000


def make(rtc=None, store=None, ticks=None, on_set=None):
    floor = clock.Floor(store or Store(), BUILD_S)
    return clock.Clock(7, ticks or Ticks(), rtc or Rtc(), floor, on_set)


class MonotonicTest(unittest.TestCase):
    def test_never_wraps_nor_steps_back(self):
        ticks = Ticks(start_ms=(1 << 30) - 5)
        c = make(ticks=ticks)
        expected = 0
        for step_ms in (0, 3, 2, 1, 1000, 6 * DAY_MS, 12 * DAY_MS, 1, 5 * DAY_MS):
            ticks.advance(step_ms)
            expected += step_ms
            self.assertEqual(c.mono_ms(), expected)
        for _ in range(200):
            ticks.advance(DAY_MS)
        c2 = make(ticks=ticks)
        for day in range(1, 400):
            ticks.advance(DAY_MS)
            self.assertEqual(c2.mono_ms(), day * DAY_MS)

    def test_both_epochs(self):
        def gmtime_2000(s):
            return (2000, 1, 1, 0, 0, 0, 5, 1)

        def gmtime_1970(s):
            return (1970, 1, 1, 0, 0, 0, 3, 1)

        self.assertEqual(clock.epoch_s(gmtime_2000), 946684800)
        self.assertEqual(clock.epoch_s(gmtime_1970), 0)
        self.assertEqual(clock.port_s(946684801999, gmtime_2000), 1)
        self.assertEqual(clock.port_s(946684801999, gmtime_1970), 946684801)


class UtcTest(unittest.TestCase):
    def test_cold_start_has_no_time_and_sets_the_floor(self):
        rtc = Rtc(kept=None)
        c = make(rtc)
        c.start()
        self.assertIsNone(c.utc_ms())
        self.assertIsNone(c.anchor())
        self.assertEqual((rtc.system, rtc.genuine), (BUILD_S * 1000, False))

    def test_year_2000_is_no_time(self):
        c = make(Rtc(kept=946684805000))
        c.start()
        self.assertIsNone(c.utc_ms())

    def test_kept_clock_is_believed(self):
        ticks = Ticks()
        ticks.advance(100)
        c = make(Rtc(kept=T_2026, source=2, error_ms=2000), ticks=ticks)
        c.start()
        ticks.advance(50)
        self.assertEqual(c.utc_ms(), T_2026 + 50)
        self.assertEqual(c.anchor(), (7, 0, T_2026, 2, 2000))

    def test_better_source_replaces_worse_and_not_the_reverse(self):
        c = make()
        self.assertTrue(c.set_utc(T_2026, clock.NTP, 50))
        self.assertTrue(c.set_utc(T_2026 - 3600000, clock.COLLECTOR, 100))
        self.assertFalse(c.set_utc(T_2026, clock.NTP, 1))
        self.assertEqual(c.anchor()[3], clock.COLLECTOR)

    def test_same_source_replaces_when_it_is_sharper_or_contradicts(self):
        ticks = Ticks()
        c = make(ticks=ticks)
        c.set_utc(T_2026, clock.COLLECTOR, 100)
        self.assertFalse(c.set_utc(T_2026 + 20, clock.COLLECTOR, 300))
        self.assertTrue(c.set_utc(T_2026 + 20, clock.COLLECTOR, 40))
        self.assertTrue(c.set_utc(T_2026 + 90000, clock.COLLECTOR, 300))
        ticks.advance(DAY_MS)  # drift has made the old anchor 8.6 s wide
        self.assertTrue(c.set_utc(T_2026 + 90000 + DAY_MS, clock.COLLECTOR, 400))

    def test_steps_are_told_once(self):
        told = []
        ticks = Ticks()
        c = make(
            ticks=ticks, on_set=lambda source, step_ms, anchor: told.append((source, step_ms))
        )
        c.set_utc(T_2026, clock.NTP, 50)
        c.set_utc(T_2026 + 10, clock.COLLECTOR, 50)
        ticks.advance(1000)
        c.set_utc(T_2026 + 1012, clock.COLLECTOR, 20)
        c.set_utc(T_2026 - 500000, clock.COLLECTOR, 20)
        self.assertEqual(told, [(3, 0), (5, 10), (5, -501012)])

    def test_refuses_what_lies_outside_floor_and_horizon(self):
        c = make()
        for t_unix_ms in (T_1970, 946684800000, T_2099, 0, -5, 1 << 63):
            with self.subTest(t=t_unix_ms):
                with self.assertRaises(ClockError) as caught:
                    c.set_utc(t_unix_ms, clock.COLLECTOR, 1)
                self.assertEqual(caught.exception.code, "clock-implausible")
        self.assertIsNone(c.utc_ms())


class FloorTest(unittest.TestCase):
    def test_rises_is_kept_and_spares_the_flash(self):
        store = Store()
        floor = clock.Floor(store, BUILD_S)
        for minute in range(1440):
            floor.raise_to(T_2026 + minute * 60000)
        self.assertEqual(store.writes, 4)
        floor.raise_to(T_2026 - DAY_MS)
        kept = clock.Floor(store, BUILD_S).t_unix_ms
        self.assertEqual(kept, floor.t_unix_ms)
        self.assertTrue(kept > T_2026 + DAY_MS // 2)

    def test_damaged_or_absurd_record_falls_back_to_the_build(self):
        for blob in (b"", b"123", b"\xff" * 8, bytes(8), T_2099.to_bytes(8, "big")):
            store = Store()
            store.set("clock_floor", blob)
            self.assertEqual(clock.Floor(store, BUILD_S).t_unix_ms, BUILD_S * 1000)


class World:
    """A collector's certificate, a time server and a board that just lost power."""

    def __init__(self, valid_from, valid_to, ntp=None):
        self.store = Store()
        self.ticks = Ticks()
        self.rtc = Rtc()
        self.valid = (valid_from, valid_to)
        self.ntp = ntp
        self.boot()

    def boot(self):
        self.clock = make(self.rtc, self.store, self.ticks)
        self.clock.start()
        self.trust = TimeTrust(self.clock, self.query if self.ntp else None)

    async def query(self):
        if self.ntp == "dead":
            raise ClockError("ntp-timeout", "no answer")
        return self.ntp, 20

    def contact(self, collector_ms):
        """One handshake; True if the certificate was valid at the time that TLS saw."""
        asyncio.run(self.trust.prepare())
        if not self.valid[0] <= self.rtc.system <= self.valid[1]:
            early = self.rtc.system < self.valid[0]
            self.trust.failed("tls-not-yet-valid" if early else "tls-expired")
            return False
        try:
            self.trust.confirmed(collector_ms, 30, self.clock.mono_ms())
        except ClockError:
            pass
        return True

    def contacts_until_on_line(self, collector_ms, most=6):
        for n in range(1, most + 1):
            if self.contact(collector_ms):
                return n
        return None


class TimeTrustTest(unittest.TestCase):
    def setUp(self):
        log.configure(log.OFF)
        self.addCleanup(log.configure, log.INFO)

    def test_certificate_older_than_the_floor_needs_no_time_server(self):
        world = World(BUILD_S * 1000 - DAY_MS, T_2026 + DAY_MS)
        self.assertEqual(world.contacts_until_on_line(T_2026), 1)
        self.assertEqual(world.clock.anchor()[2:4], (T_2026, clock.COLLECTOR))
        self.assertTrue(world.rtc.genuine)

    def test_certificate_issued_after_the_floor_gets_on_line_by_ntp(self):
        world = World(T_2026 - DAY_MS, T_2026 + 90 * DAY_MS, ntp=T_2026 + 7)
        self.assertEqual(world.contacts_until_on_line(T_2026), 1)
        # The collector confirms the sharper time of the server, which is then kept.
        self.assertEqual(world.clock.anchor()[2:5], (T_2026 + 7, clock.NTP_CONFIRMED, 20))
        self.assertEqual(world.clock.floor.t_unix_ms, T_2026)

    def test_a_certificate_that_expires_while_the_board_runs_stays_refused(self):
        world = World(BUILD_S * 1000 - DAY_MS, T_2026 + DAY_MS)
        for _ in range(2):  # under the floor, then under the time that it learnt
            self.assertEqual(world.contacts_until_on_line(T_2026), 1)
        world.ticks.advance(2 * DAY_MS)
        self.assertIsNone(world.contacts_until_on_line(T_2026 + 2 * DAY_MS))
        self.assertEqual(world.clock.utc_ms(), T_2026 + 2 * DAY_MS)

    def test_without_ntp_it_waits_and_never_weakens(self):
        world = World(T_2026 - DAY_MS, T_2026 + 90 * DAY_MS, ntp="dead")
        self.assertIsNone(world.contacts_until_on_line(T_2026))
        self.assertIsNone(world.clock.utc_ms())
        world.ntp = T_2026
        self.assertIsNotNone(world.contacts_until_on_line(T_2026))

    def test_forged_1970_is_no_candidate(self):
        world = World(BUILD_S * 1000 - DAY_MS, T_2026 + DAY_MS, ntp=T_1970)
        self.assertEqual(world.contacts_until_on_line(T_2026), 1)
        self.assertEqual(world.clock.utc_ms(), T_2026)

    def test_forged_future_cannot_put_it_out_of_reach(self):
        for forged in (T_2099, T_2026 + 10 * 366 * DAY_MS):
            world = World(BUILD_S * 1000 - DAY_MS, T_2026 + 90 * DAY_MS, ntp=forged)
            self.assertIsNotNone(world.contacts_until_on_line(T_2026))
            self.assertEqual(world.clock.utc_ms(), T_2026)
            self.assertTrue(world.clock.floor.t_unix_ms <= T_2026)

    def test_forged_future_and_a_young_certificate_recover_once_the_forger_leaves(self):
        world = World(T_2026 - DAY_MS, T_2026 + 90 * DAY_MS, ntp=T_2026 + 9 * 366 * DAY_MS)
        self.assertIsNone(world.contacts_until_on_line(T_2026))
        world.ntp = T_2026
        self.assertIsNotNone(world.contacts_until_on_line(T_2026))
        self.assertEqual(world.clock.utc_ms(), T_2026)

    def test_a_collector_with_a_wrong_clock_does_not_raise_the_floor(self):
        world = World(BUILD_S * 1000 - DAY_MS, T_2026 + 90 * DAY_MS)
        wrong = T_2026 + 5 * 366 * DAY_MS
        self.assertTrue(world.contact(wrong))
        self.assertEqual(world.clock.floor.t_unix_ms, BUILD_S * 1000)
        self.assertIsNotNone(world.contacts_until_on_line(T_2026))
        self.assertEqual(world.clock.utc_ms(), T_2026)

    def test_confirmed_time_survives_the_next_cold_start_as_floor(self):
        world = World(BUILD_S * 1000 - DAY_MS, T_2026 + 90 * DAY_MS)
        world.contact(T_2026)
        world.contact(T_2026)
        world.boot()
        self.assertIsNone(world.clock.utc_ms())
        self.assertEqual(world.rtc.system, T_2026)

    def test_candidate_is_undone_when_it_proved_nothing(self):
        world = World(T_2026 - DAY_MS, T_2026 + DAY_MS, ntp="dead")
        asyncio.run(world.trust.prepare())
        world.trust.failed("tls-unknown-ca")
        self.assertEqual((world.rtc.system, world.rtc.genuine), (BUILD_S * 1000, False))

    def test_only_what_another_time_might_mend_is_the_next_ones_turn(self):
        for code in ("tls-unknown-ca", "tls-host-name", "http-cut", "tls-expired"):
            world = World(T_2026 - DAY_MS, T_2026 + DAY_MS, ntp=T_2026)
            first = asyncio.run(world.trust.prepare())
            world.trust.failed(code)
            self.assertEqual(asyncio.run(world.trust.prepare()) != first, code == "tls-expired")


def ntp_answer(nonce_8, first=0x24, stratum=2, seconds=3999000000, fraction=1 << 31):
    body = bytearray(48)
    body[0], body[1] = first, stratum
    body[24:32] = nonce_8
    body[40:44] = seconds.to_bytes(4, "big")
    body[44:48] = fraction.to_bytes(4, "big")
    return bytes(body)


class SntpTest(unittest.TestCase):
    def test_time_and_fraction(self):
        nonce = b"abcdefgh"
        self.assertEqual(
            sntp.parse(ntp_answer(nonce), nonce), (3999000000 - 2208988800) * 1000 + 500
        )

    def test_after_the_era_ends_in_2036(self):
        answer = ntp_answer(bytes(8), seconds=5, fraction=0)
        self.assertEqual(sntp.parse(answer, bytes(8)), ((1 << 32) + 5 - 2208988800) * 1000)

    def test_refusals(self):
        nonce = b"12345678"
        for code, answer in (
            ("ntp-malformed", ntp_answer(nonce)[:47]),
            ("ntp-unasked", ntp_answer(b"12345679")),
            ("ntp-unsynchronised", ntp_answer(nonce, first=0x23)),
            ("ntp-unsynchronised", ntp_answer(nonce, first=0xE4)),
            ("ntp-unsynchronised", ntp_answer(nonce, stratum=0)),
            ("ntp-unsynchronised", ntp_answer(nonce, stratum=16)),
        ):
            with self.subTest(code=code):
                with self.assertRaises(ClockError) as caught:
                    sntp.parse(answer, nonce)
                self.assertEqual(caught.exception.code, code)

    def test_question_is_48_bytes_of_a_client(self):
        question = sntp.request(b"nonce--8")
        self.assertEqual((len(question), question[0], question[40:]), (48, 0x23, b"nonce--8"))


if __name__ == "__main__":
    unittest.main()
