"""An inspector at the console of a whole board on simulated time: nothing stops meanwhile."""

import asyncio
import binascii
import unittest

from agent import led, log
from agent.console import Console
from agent.inspect import answer
from agent.ports.link import Lan, Link
from agent.ports.wifi import Wifi
from fakes.whole_board import WholeBoard
from support import minicbor
from support.sealing_station import sequences

NONCE = bytes(range(16))


class Keyboard:
    """What somebody types."""

    closed = False

    def __init__(self):
        self.typed = b""

    def read(self):
        typed, self.typed = self.typed, b""
        return typed


def decoded(line):
    """The value of a line of an answer; checks its check sum."""
    mark, crc, text = line.split(" ")
    data = binascii.a2b_base64(text)
    assert mark == "@I" and int(crc, 16) == binascii.crc32(data) & 0xFFFFFFFF
    return minicbor.decode(data)


class ConsoleTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(log.configure, log.INFO)
        self.board = WholeBoard(uplink={"url": ""})
        self.app = self.board.power_on()
        self.keyboard = Keyboard()
        self.lines = []
        sleep_ms = self.board.timing.sleep_ms
        self.console = Console(self.keyboard, self.app, sleep_ms, self.lines.append)
        self.app.supervisor.add("console", self.console.run, 120000)

    def ask(self, *questions, before_s=95):
        """Ask after so long; all values of the answers."""
        asyncio.run(self._ask(questions, before_s))
        return [decoded(line) for line in self.lines]

    async def _ask(self, questions, before_s):
        station = asyncio.create_task(self.app.run())
        await self._pass(before_s)
        for question in questions:
            self.keyboard.typed += question + b"\r\n"
            await self._pass(35)
        station.cancel()
        for task in self.app.supervisor.tasks:
            if task.handle:
                task.handle.cancel()
        for _ in range(5):
            await asyncio.sleep(0)

    async def _pass(self, seconds):
        end_us = self.board.timing.now_us + seconds * 1000000
        while self.board.timing.now_us < end_us:
            await self.board.timing.sleep_ms(1000)

    def batches(self):
        return {number: read() for number, _, read in self.app.journal.batches(1)}

    def pulled(self, values):
        """Batches that an answer holds, put together."""
        found = {}
        for value in values:
            if value[0] == "batch":
                number, found[value[1]] = value[1], b""
            elif value[0] == "part":
                self.assertEqual(value[1], len(found[number]))
                found[number] += value[2]
        return found

    def test_state(self):
        state, meter, end = self.ask(b"?state")
        self.assertEqual((state[0], meter[0], end), ("state", "meter", {0: "end"}))
        self.assertEqual(state[2], self.app.signer.public_65)
        self.assertEqual(state[3], 0)
        self.assertEqual(state[4][0], 1)
        self.assertEqual(state[7][0], 1)  # one batch is sealed after a minute
        self.assertEqual(state[8], 11)  # of the next reading; one each ten seconds
        self.assertEqual([task[0] for task in state[12]], ["console", "meters", "seal"])
        self.assertEqual((meter[1], meter[2], meter[3]), ("test-meter", 1, "present"))

    def test_self_test_and_log(self):
        values = self.ask(b"?check")
        found = {value[1]: value[2] for value in values if value[0] == "check"}
        self.assertEqual(
            sorted(name for name in found if found[name]),
            ["bus", "flash", "journal", "meters", "signing table"],
        )
        self.assertEqual(
            sorted(set(found) - set(name for name in found if found[name])),
            ["acknowledged", "clock", "collector", "network", "tls"],
        )

    def test_the_way_begins_with_the_link_of_a_board(self):
        class Driver:
            up = False

            def isconnected(self):
                return self.up

        class Uplink:
            trouble = ""

        for kind, *rest in ((Lan, None), (Wifi, "", "", "", None)):
            driver = Driver()
            self.app.uplink, self.app.board.link = Uplink(), Link(None, None)
            self.assertEqual(self.way(), [0, 0, 0])  # not even made
            self.app.board.link._interface = kind(driver, *rest)
            self.assertEqual(self.way(), [0, 0, 0])
            driver.up = True
            self.assertEqual(self.way(), [1, 1, 1])

    def way(self):
        """Whether network, TLS and collector are right, by the self-test."""
        found = {}

        class Out:
            async def send(self, value):
                if value[0] == "check":
                    found[value[1]] = value[2]

        asyncio.run(answer(self.app, "check", Out()))
        return [found[name] for name in ("network", "tls", "collector")]

    def test_last_errors(self):
        log.error("meter", "timeout", unit=1)
        values = self.ask(b"?log")
        self.assertIn("error meter timeout unit=1", [v[1] for v in values if v[0] == "line"])

    def test_pull_gives_the_journaled_batches_byte_for_byte(self):
        found = self.pulled(self.ask(b"?pull 1", before_s=200))
        self.assertEqual(sorted(found), [1, 2, 3])
        for number, data in found.items():
            self.assertEqual(data, self.batches()[number])
        self.lines.clear()

    def test_a_challenge_is_sealed_together_with_the_live_register(self):
        values = self.ask(b"?challenge " + binascii.hexlify(NONCE), before_s=95)
        ((number, data),) = self.pulled(values).items()
        self.assertEqual(data, self.batches()[number])
        payload = minicbor.decode(minicbor.decode(data).value[2])
        (nonce,) = payload[21]
        self.assertEqual((bytes(nonce[0]), nonce[1]), (NONCE, 1))
        self.assertEqual(len(sequences(payload)), 1)  # the reading that was taken for it
        time_ms = 100 * payload[13][0][4][0]
        self.assertTrue(nonce[2] <= time_ms <= nonce[2] + 30000)
        others = [
            minicbor.decode(minicbor.decode(b).value[2])
            for n, b in self.batches().items()
            if n != number
        ]
        self.assertEqual([p for p in others if 21 in p], [])

    def test_sampling_goes_on_and_stays_on_its_grid(self):
        hexadecimal = binascii.hexlify(NONCE)
        self.ask(b"?state", b"?challenge " + hexadecimal, b"?pull 1", b"?check", b"?log")
        self.app.sealer.seal_once()
        numbers, times = [], []
        for data in self.batches().values():
            payload = minicbor.decode(minicbor.decode(data).value[2])
            numbers += sequences(payload)
            for group in payload[13]:
                first, step = group[4][0], group[4][1]
                times += [100 * (first + step * i) for i in range(group[2])]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        extra = [t for t in times if t % 10000 > 3000]
        self.assertLessEqual(len(extra), 1)  # the reading for the challenge
        self.assertEqual((self.app.meters.missed, self.board.resets), (0, []))
        self.assertLess(self.board.watchdog.longest_ms, 2000)

    def test_what_cannot_be_answered_is_refused_by_name(self):
        values = self.ask(b"?", b"?reset", b"?challenge 0102", b"?challenge zz", b"no question")
        codes = [value[1] for value in values]
        self.assertEqual(
            codes, ["inspect-question", "inspect-question", "inspect-nonce", "inspect-failed"]
        )

    def test_noise_does_not_fill_the_memory(self):
        self.keyboard.typed = b"x" * 5000
        self.assertEqual(self.console._questions(), [])
        self.assertEqual(self.console._line, b"")

    def test_questions_are_answered_by_name_only(self):
        class Out:
            async def send(self, value):
                raise AssertionError(value)

        with self.assertRaises(Exception) as caught:
            asyncio.run(answer(self.app, "eval 1", Out()))
        self.assertEqual(caught.exception.code, "inspect-question")


class LedTest(unittest.TestCase):
    def setUp(self):
        self.app = WholeBoard(uplink={"url": "https://collector.example"}).power_on()

    def test_the_gravest_is_shown(self):
        app = self.app
        self.assertEqual(led.code(app), led.NO_CLOCK)
        app.clock.set_utc(self.app.clock.floor.t_unix_ms + 86400000, 5, 40)
        self.assertEqual(led.code(app), led.OK)
        app.meters.watches[0].state = "lost"
        self.assertEqual(led.code(app), led.METER_LOST)
        app.recorder.dropped = 1
        self.assertEqual(led.code(app), led.JOURNAL_FULL)

    def test_blinks(self):
        seen, waits = [], []

        class Stop(Exception):
            pass

        async def sleep_ms(ms):
            waits.append(ms)
            if sum(waits) >= 5000:
                raise Stop

        self.app.clock.set_utc(self.app.clock.floor.t_unix_ms + 86400000, 5, 40)
        self.app.meters.watches[0].state = "lost"
        light = led.Led(seen.append, self.app, sleep_ms)
        with self.assertRaises(Stop):
            asyncio.run(light.run(lambda: None))
        self.assertEqual(seen, [True, False] * 3)
        self.assertEqual(sum(waits), 5000)


if __name__ == "__main__":
    unittest.main()
