"""The uplink against a collector that forgets, lies and dies; journal and sealer are real."""

import asyncio
import unittest

from agent import log
from agent.clock import COLLECTOR
from agent.errors import ClockError, UploadError
from agent.time_trust import TimeTrust
from agent.uplink.task import Uplink
from fakes.fake_collector import Collector
from support.sealing_station import NOON_MS, Station

SETTINGS = {
    "poll_interval_s": 300,
    "retry_min_s": 5,
    "retry_max_s": 900,
    "request_max_bytes": 1000,
}


class Enough(Exception):
    """Ends a task that never ends by itself."""


class UplinkTest(unittest.TestCase):
    def setUp(self):
        self.station = Station().boot()
        self.addCleanup(log.configure, log.INFO)
        self.collector = Collector(self.station.clock, self.station.keystore.signer().kid_8)
        self.trust = TimeTrust(self.station.clock)
        self.slept = []
        self.uplink = Uplink(
            self.collector,
            self.station.journal,
            self.station.sealer,
            self.trust,
            self.station.clock,
            SETTINGS,
            bytes,
            self.sleep_ms,
        )
        self.uplink.identify(self.station.keystore.signer().kid_8)

    async def sleep_ms(self, ms):
        self.slept.append(ms)
        self.station.ticks.advance(ms)
        if sum(self.slept) > self.most_ms:
            raise Enough

    def batches(self, count):
        for _ in range(count):
            self.station.read(5)
            self.station.sealer.seal_once()

    def call(self):
        return asyncio.run(self.uplink._call())

    def run_for(self, most_ms):
        self.most_ms = most_ms
        self.slept = []
        with self.assertRaises(Enough):
            asyncio.run(self.uplink.run(lambda: None))

    def refused(self, code):
        before = self.held()
        with self.assertRaises(UploadError) as caught:
            self.call()
        self.assertEqual(caught.exception.code, code)
        self.assertEqual(self.held(), before)

    def held(self):
        journal = self.station.journal
        return journal.acknowledged, [number for number, _, _ in journal.batches()]

    def chain(self):
        return self.station.keystore.chain_16

    def test_a_backlog_drains_oldest_first_in_requests_of_bounded_size(self):
        self.batches(12)
        self.assertEqual(self.call(), 300000)
        sent = [number for request in self.collector.requests for number in request]
        self.assertEqual(sent, list(range(1, 13)))
        self.assertGreater(len(self.collector.requests), 2)
        self.assertEqual(self.held(), (12, []))
        self.assertEqual(self.collector.opened, 1)

    def test_with_nothing_to_send_it_asks_for_the_time(self):
        self.assertEqual(self.call(), 300000)
        self.assertEqual(self.collector.requests, [None])
        anchor = self.station.clock.anchor()
        self.assertEqual((anchor[2], anchor[3]), (NOON_MS, COLLECTOR))

    def test_one_batch_larger_than_a_request_still_goes(self):
        self.batches(1)
        self.uplink._settings = dict(SETTINGS, request_max_bytes=10)
        self.call()
        self.assertEqual(self.collector.requests, [[1]])

    def test_an_unreadable_batch_does_not_block_a_long_backlog(self):
        self.batches(1)
        self.call()
        self.batches(1)
        ((_, _, read),) = list(self.station.journal.batches())
        at = self.station.flash.image.find(read()[-64:])
        self.batches(11)
        self.station.flash.image[at] ^= 1
        for _ in range(3):
            with self.assertRaises(UploadError) as caught:
                self.call()
            self.assertEqual(caught.exception.code, "ack-none")
        self.assertEqual([lost[:2] for lost in self.station.journal.lost], [(2, 2)])
        self.batches(1)  # the first one that states it
        self.call()
        self.assertEqual(self.station.journal.acknowledged, 14)
        self.assertEqual(self.station.journal.waiting, 0)
        self.assertTrue(14 in self.collector.requests[-1] or 14 in self.collector.requests[4])
        for numbers in self.collector.requests:
            self.assertEqual(numbers, sorted(numbers))

    def test_a_statement_of_losses_that_fits_beside_no_batch_goes_in_turn_with_the_oldest(self):
        self.batches(1)
        self.call()
        self.batches(1)
        ((_, _, read),) = list(self.station.journal.batches())
        at = self.station.flash.image.find(read()[-64:])
        self.batches(3)
        self.station.flash.image[at] ^= 1
        self.uplink._settings = dict(SETTINGS, request_max_bytes=10)
        self.refused_only("ack-none")  # finds out what is lost; nothing states it yet
        self.batches(1)
        self.collector.requests = []
        self.run_for(60000)
        self.assertEqual(self.station.journal.acknowledged, 6)
        self.assertEqual(self.collector.requests, [[3], [6], [6], [4], [5]])

    def refused_only(self, code):
        with self.assertRaises(UploadError) as caught:
            self.call()
        self.assertEqual(caught.exception.code, code)

    def test_what_the_sealer_holds_back_is_not_sent(self):
        self.batches(3)
        last = [hash_32 for _, hash_32, _ in self.station.journal.batches()][-1]
        self.station.sealer.may_send = lambda hash_32: hash_32 != last
        self.call()
        self.assertEqual(self.collector.requests, [[1, 2]])

    def test_lies_change_nothing(self):
        self.batches(2)
        for code, lie in (
            ("ack-unknown", {"number": 99}),
            ("ack-none", {"chain": b"x" * 16}),  # of another journal, perhaps: passed over
            ("ack-hash", {"hash": b"h" * 32}),
            ("ack-none", {"device": "00" * 8}),
        ):
            self.collector.lie = lie
            self.refused(code)
        self.collector.lie = {}
        self.collector.answers = False
        self.refused("ack-none")
        self.collector.answers = True
        self.call()
        self.assertEqual(self.held(), (2, []))

    def test_a_collector_restored_from_a_backup_gets_everything_again(self):
        self.batches(10)
        self.call()
        self.collector.forget_after(4)
        self.collector.resend = (self.chain(), 5)
        self.batches(1)
        self.assertEqual(self.call(), 300000)
        self.assertEqual(sorted(self.collector.chains[self.chain()]), list(range(1, 12)))
        self.assertEqual(self.held(), (11, []))

    def test_restored_while_nothing_waits(self):
        self.batches(10)
        self.call()
        self.collector.forget_after(4)
        self.collector.resend = (self.chain(), 5)
        self.assertEqual(self.call(), 300000)
        self.assertEqual(sorted(self.collector.chains[self.chain()]), list(range(1, 11)))
        self.assertEqual(self.held(), (10, []))

    def test_a_collector_that_always_asks_again_does_not_cost_more_than_a_round_in_a_while(self):
        self.batches(6)
        self.collector.resend = (b"another chain---", 1)
        self.call()
        self.collector.requests = []
        self.collector.resend = (self.chain(), 1)
        for _ in range(20):
            self.call()
            self.station.ticks.advance(30000)
        sent = [number for request in self.collector.requests if request for number in request]
        self.assertEqual(sent[0], 1)
        self.assertLessEqual(len(sent), 6)
        self.station.ticks.advance(900000)
        self.batches(1)  # something new: perhaps it states what the collector misses
        self.collector.requests = []
        self.call()
        self.assertEqual([r[0] for r in self.collector.requests if r], [7, 1])

    def test_what_was_overwritten_is_stated_and_what_is_held_goes_on(self):
        for _ in range(60):
            self.batches(10)
            self.call()
        oldest = next(self.station.journal.batches(1))[0]
        self.assertGreater(oldest, 51)
        self.collector.forget_after(50)
        for _ in range(4):
            self.batches(1)
            self.station.ticks.advance(3600000)
            self.collector.resend = (self.chain(), self.collector.held_up_to(self.chain()) + 1)
            if self.collector.resend[1] > self.station.sealer.number:
                self.collector.resend = None
            try:
                self.call()
            except UploadError as error:  # until a newer batch has stated what is gone
                self.assertEqual(error.code, "ack-none")
        stated = self.collector.stated[self.chain()]
        self.assertEqual((min(stated), max(stated)), (51, oldest - 1))
        self.assertEqual(self.held(), (self.station.sealer.number, []))
        self.assertEqual(self.station.journal.lost, [])

    def test_an_absurd_clock_of_the_collector_is_not_believed_but_its_acknowledgement_is(self):
        self.batches(2)
        for absurd in (0, 4070908800000):
            self.collector.time_unix_ms = absurd
            self.call()
        self.assertEqual(self.held(), (2, []))
        self.assertIsNone(self.station.clock.anchor())

    def test_the_error_of_the_time_is_half_the_round_trip_without_the_handshake(self):
        async def slow_open():
            self.station.ticks.advance(30000)
            self.collector.is_open = True

        self.collector.open = slow_open
        real = self.collector.answer

        def slow_answer():
            self.station.ticks.advance(400)
            return real()

        self.collector.answer = slow_answer
        self.call()
        self.assertEqual(self.station.clock.anchor(), (1, 30200, NOON_MS, COLLECTOR, 700))

    def advance(self, ms):
        """Time passes, for the collector too."""
        self.station.ticks.advance(ms)
        self.collector.time_unix_ms += ms

    def believed_wrong_by_ms(self):
        return self.station.clock.utc_ms() - self.collector.time_unix_ms

    def test_the_time_of_an_answer_to_an_earlier_request_is_not_believed(self):
        self.collector.by_broker()
        self.collector.failures = [UploadError("http-timeout", "nothing happened")]
        self.batches(1)
        self.refused("http-timeout")
        self.collector.keep(next(self.station.journal.batches())[2]())
        self.collector.on_its_way = [self.collector.answer().encode()]
        for _ in range(3):
            self.advance(300000)
            self.call()
            self.assertIsNone(self.station.clock.anchor())
        self.assertEqual(self.held(), (1, []))

    def test_a_question_that_is_answered_late_does_not_shift_the_time(self):
        self.collector.by_broker()
        self.call()
        self.assertEqual(self.station.clock.anchor()[3], COLLECTOR)
        self.collector.on_its_way = [self.collector.answer().encode()]
        for _ in range(3):
            self.advance(300000)
            self.call()
            self.assertEqual(self.believed_wrong_by_ms(), 0)

    def test_the_time_of_a_first_answer_counts_from_when_the_broker_was_listened_to(self):
        self.collector.by_broker()
        self.station.ticks.advance(1000)
        self.call()
        self.assertEqual(self.station.clock.anchor(), (1, 500, NOON_MS, COLLECTOR, 1000))

    def test_the_time_is_believed_from_an_answer_that_names_a_batch_sent_for_the_first_time(self):
        self.collector.by_broker()
        self.collector.failures = [UploadError("http-timeout", "nothing happened")]
        self.refused("http-timeout")
        self.call()
        self.assertIsNone(self.station.clock.anchor())
        self.batches(1)
        self.collector.time_unix_ms += 300000
        self.call()
        self.assertEqual(self.station.clock.anchor()[1:3], (300000, NOON_MS + 300000))

    def test_no_batch_of_another_boot_or_of_another_try_proves_the_time(self):
        self.collector.by_broker()
        self.batches(2)
        self.uplink._answered._known = 2  # as if they had been sealed before this boot
        self.uplink._answered._requests = 1
        self.call()
        self.assertEqual(self.held(), (2, []))
        self.assertIsNone(self.station.clock.anchor())
        self.collector.is_open = True
        self.collector.failures = [UploadError("http-cut", "half-way")]
        self.batches(1)
        self.call()
        self.assertEqual(self.held(), (3, []))
        self.assertIsNone(self.station.clock.anchor())

    def test_one_answer_too_many_is_left_behind_with_its_connection(self):
        self.collector.by_broker()
        self.batches(1)
        self.call()
        self.collector.on_its_way = [self.collector.answer().encode()]
        self.batches(1)
        self.refused("ack-none")
        self.assertFalse(self.collector.is_open)
        for number in (2, 3, 4):
            self.call()
            self.assertEqual(self.held(), (number, []))
            self.batches(1)

    def test_a_kept_connection_that_died_is_opened_again_at_once(self):
        self.call()
        self.batches(1)
        self.collector.failures = [UploadError("http-cut", "reset")]
        self.assertEqual(self.call(), 300000)
        self.assertEqual((self.collector.opened, self.held()), (2, (1, [])))

    def test_whose_time_it_is_next_follows_from_what_went_wrong(self):
        told = []
        self.trust.failed = told.append
        codes = ["tls-expired", "tls-not-yet-valid", "tls-unknown-ca", "connect-failed"]
        for code in codes:
            self.collector.failures = [UploadError(code, "no")]
            self.refused(code)
        self.assertEqual(told, codes)

    def test_nothing_that_the_network_does_ends_the_task(self):
        self.batches(1)
        self.collector.failures = [
            OSError(104),
            ValueError("certificate"),
            MemoryError(),
            UploadError("http-status", "500"),
            ClockError("ntp-timeout", "none"),
        ]
        self.run_for(400000)
        self.assertEqual(self.held(), (1, []))
        self.assertEqual(self.collector.failures, [])

    def test_failures_back_off_and_success_does_not(self):
        self.collector.failures = [UploadError("http-status", "500")] * 100
        self.run_for(3600000)
        self.assertTrue(8 <= 100 - len(self.collector.failures) <= 12, self.collector.failures)
        self.collector.failures = []
        self.collector.requests = []
        self.run_for(3600000)
        self.assertTrue(10 <= len(self.collector.requests) <= 13, self.collector.requests)

    def test_a_new_batch_wakes_it_unless_it_backs_off(self):
        self.run_for(2000)
        self.batches(1)
        self.uplink.wake()
        self.run_for(500)
        self.assertEqual(self.held(), (1, []))


if __name__ == "__main__":
    unittest.main()
