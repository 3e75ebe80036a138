import asyncio
import unittest

from agent import boots, log, supervisor
from agent.errors import FwError
from agent.supervisor import Supervisor, pause_ms, reason_of
from fakes.board import Store


class Reset(Exception):
    """Stands for the board's reset: nothing runs after it."""


class Bench:
    """A supervisor on simulated time: one step each half second, tasks run in between."""

    def __init__(self):
        self.now_ms = 0
        self.feeds = 0
        self.events = []
        self.supervisor = Supervisor(self.mono_ms, self.feed, self.event, self.reset, None)

    def mono_ms(self):
        return self.now_ms

    def feed(self):
        self.feeds += 1

    def event(self, kind, detail):
        self.events.append((kind, detail))

    def reset(self, reason):
        raise Reset(reason)

    async def run_s(self, seconds):
        for _ in range(2 * seconds):
            self.supervisor.step()
            for _ in range(4):
                await asyncio.sleep(0)
            self.now_ms += 500


class SupervisorTest(unittest.TestCase):
    def setUp(self):
        log.configure(log.OFF)
        self.addCleanup(log.configure, log.INFO)
        self.bench = Bench()
        self.starts = 0

    def run_s(self, seconds):
        asyncio.run(self.bench.run_s(seconds))

    async def good(self, check_in):
        while True:
            check_in()
            await asyncio.sleep(0)

    async def raises(self, check_in):
        self.starts += 1
        raise ValueError("broken")

    async def silent(self, check_in):
        self.starts += 1
        check_in()
        while True:
            await asyncio.sleep(0)

    def test_healthy_tasks_keep_the_watchdog_fed(self):
        self.bench.supervisor.add("a", self.good, 2000)
        self.bench.supervisor.add("b", self.good, 2000)
        self.run_s(30)
        self.assertEqual((self.bench.feeds, self.bench.events), (60, []))

    def test_one_that_raises_is_started_again_with_growing_pauses_and_told(self):
        self.bench.supervisor.add("good", self.good, 2000)
        self.bench.supervisor.add("bad", self.raises, 2000, limit=100, pause_max_ms=8000)
        self.run_s(60)
        self.assertTrue(7 <= self.starts <= 11, self.starts)
        self.assertTrue(self.starts - 1 <= len(self.bench.events) <= self.starts)
        self.assertEqual(self.bench.events[0], (9, ["bad", "ValueError: broken"]))
        self.assertEqual(self.bench.feeds, 120)

    def test_one_that_falls_silent_is_cancelled_and_started_again(self):
        self.bench.supervisor.add("mute", self.silent, 3000)
        self.run_s(20)
        self.assertTrue(self.starts >= 3, self.starts)
        self.assertEqual(self.bench.events[0], (9, ["mute", "silent for 3000 ms"]))
        self.assertEqual(self.bench.feeds, 40)

    def test_beyond_its_limit_the_board_is_reset_with_the_reason(self):
        self.bench.supervisor.add("bad", self.raises, 2000, limit=3)
        with self.assertRaises(Reset) as caught:
            self.run_s(60)
        self.assertEqual(caught.exception.args[0], "task bad: ValueError: broken")
        self.assertEqual(self.starts, 4)

    def test_one_that_cannot_be_stopped_is_never_run_twice_and_ends_in_a_reset(self):
        self.swallowed = False

        async def stubborn(check_in):
            self.starts += 1
            while True:
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError:
                    if self.swallowed:
                        raise  # the end of the test
                    self.swallowed = True

        self.bench.supervisor.add("stubborn", stubborn, 2000)
        with self.assertRaises(Reset) as caught:
            self.run_s(20)
        self.assertIn("cannot be stopped", caught.exception.args[0])
        # In time: the watchdog, fed until then, would have left no reason.
        self.assertTrue(12000 < self.bench.now_ms <= 2000 + 10000 + 1500, self.bench.now_ms)
        self.assertGreaterEqual(self.bench.feeds, self.bench.now_ms // 500 - 2)
        self.assertEqual((self.starts, self.swallowed), (1, True))

    def test_a_long_good_run_forgives_earlier_failures(self):
        async def fails_every_15_minutes(check_in):
            self.starts += 1
            begin = self.bench.now_ms
            while self.bench.now_ms - begin < 900000:
                check_in()
                await asyncio.sleep(0)
            raise OSError(5)

        self.bench.supervisor.add("rare", fails_every_15_minutes, 5000, limit=2)
        self.run_s(6000)
        self.assertEqual(self.starts, 7)

    def test_a_task_that_returns_is_a_failure_too(self):
        async def returns(check_in):
            check_in()

        self.bench.supervisor.add("short", returns, 2000)
        self.run_s(2)
        self.assertEqual(self.bench.events[0], (9, ["short", "returned"]))

    def test_a_start_that_finds_no_memory_is_tried_again(self):
        failures = [MemoryError, MemoryError]

        class Asyncio:
            CancelledError = asyncio.CancelledError

            @staticmethod
            def create_task(made):
                if failures:
                    made.close()
                    raise failures.pop()
                return asyncio.create_task(made)

        async def sleep_ms(ms):
            await asyncio.sleep(0)
            self.bench.now_ms += ms
            if self.bench.now_ms > 10000:
                raise Reset("the end of the test")

        async def works(check_in):
            self.starts += 1
            await self.good(check_in)

        self.addCleanup(setattr, supervisor, "asyncio", supervisor.asyncio)
        supervisor.asyncio = Asyncio
        self.bench.supervisor._sleep_ms = sleep_ms
        self.bench.supervisor.add("meters", works, 2000)
        with self.assertRaises(Reset):
            asyncio.run(self.bench.supervisor.run())
        self.assertEqual((self.starts, self.bench.events), (1, []))

    def test_reasons_are_short_and_prefer_codes(self):
        self.assertEqual(reason_of(FwError("journal-full", "text")), "journal-full")
        self.assertEqual(reason_of(ValueError("x" * 200)), "ValueError: " + "x" * 36)

    def test_pauses_double_up_to_the_most(self):
        self.assertEqual(
            [pause_ms(n, 9000) for n in (1, 2, 3, 4, 5, 99)], [1000, 2000, 4000, 8000, 9000, 9000]
        )


class BootsTest(unittest.TestCase):
    def test_first_boot(self):
        boot = boots.Boots(Store(), boots.POWER_ON)
        self.assertEqual((boot.boot, boot.coalesced), (1, 0))
        self.assertEqual(boot.events(), [(1, [1, 0])])

    def test_a_brown_out_loop_costs_one_event_and_one_write_a_boot(self):
        store = Store()
        boots.Boots(store, boots.POWER_ON).reported()
        writes = store.writes
        for _ in range(10000):
            last = boots.Boots(store, boots.BROWN_OUT)
        self.assertEqual(store.writes - writes, 10000)
        self.assertEqual((last.boot, last.coalesced), (10001, 9999))
        self.assertEqual(last.events(), [(1, [5, 9999])])
        last.reported()
        self.assertEqual(boots.Boots(store, boots.POWER_ON).coalesced, 0)

    def test_the_radio_backs_off_in_a_loop(self):
        store = Store()
        pauses = [boots.Boots(store, boots.BROWN_OUT).radio_pause_s() for _ in range(14)]
        self.assertEqual(pauses, [0, 0, 0, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900, 900])

    def test_reason_of_a_reset_is_told_once(self):
        store = Store()
        boots.Boots(store, boots.POWER_ON).keep_reset_reason("task uplink: memory")
        after = boots.Boots(store, boots.SOFTWARE)
        self.assertEqual(after.events(), [(1, [4, 1]), (10, ["task uplink: memory"])])
        after.reported()
        self.assertEqual(boots.Boots(store, boots.SOFTWARE).events(), [(1, [4, 0])])

    def test_a_damaged_record_starts_anew(self):
        store = Store()
        store.set("boots", b"xx")
        self.assertEqual(boots.Boots(store, 0).boot, 1)


if __name__ == "__main__":
    unittest.main()
