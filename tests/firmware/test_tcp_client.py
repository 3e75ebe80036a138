"""Modbus TCP and RTU over TCP on a simulated stream: transaction ids, lengths, broken and late
frames.
"""

import asyncio
import time
import unittest

from agent.errors import ModbusBusError, ModbusException, ModbusMalformed, ModbusTimeout
from agent.modbus.client import Line, RtuOverTcpClient, TcpClient, limits
from agent.modbus.stream import Stream
from agent.modbus.timing import Timing
from fakes.fake_meter import Dice, FakeMeter
from fakes.fake_stream import FakePeer, TcpGateway
from fakes.virtual_time import VirtualTiming, run

LIMITS = limits(first_byte_ms=300, retries=2)
HELD = {(4, i): 0x1000 + i for i in range(50)}
WORDS = b"\x10\x00\x10\x01"


class Tcp:
    """A client and a gateway whose answers suffer the given faults in turn."""

    def __init__(self, faults=(), unit=1, lim=LIMITS):
        queue = list(faults)
        self.timing = VirtualTiming()
        self.meter = TcpGateway(
            unit, HELD, Dice(3), lambda: queue.pop(0) if queue else None, late_us=400000
        )
        self.peer = FakePeer(self.timing, self.meter.respond)
        self.client = TcpClient("meter", 502, self.timing, lim, self.peer.connect)

    def read(self, address=0, count=2, unit=1, **options):
        return run(self.client.read(unit, 4, address, count, **options))

    @property
    def counters(self):
        return self.client.unit(1).counters


class Good(unittest.TestCase):
    def test_words_and_one_connection(self):
        bench = Tcp()
        for _ in range(5):
            self.assertEqual(bench.read(), WORDS)
        self.assertEqual(bench.peer.connections, 1)
        self.assertEqual(bench.counters.as_list(), [5, 0, 0, 0, 0, 0])

    def test_unit_ids_of_meters_with_a_port_of_their_own(self):
        for unit in (0, 255):
            self.assertEqual(Tcp(unit=unit).read(unit=unit), WORDS)

    def test_transaction_ids_wrap(self):
        bench = Tcp()
        bench.client._transaction = 0xFFFD
        for _ in range(4):
            self.assertEqual(bench.read(), WORDS)
        self.assertEqual(bench.meter.transactions, [0xFFFE, 0xFFFF, 0, 1])

    def test_reply_in_pieces(self):
        for seed in range(10):
            bench = Tcp(["in_pieces"])
            bench.meter.dice = Dice(seed)
            self.assertEqual(bench.read(), WORDS)
            self.assertEqual(bench.counters.retries, 0)


class Faults(unittest.TestCase):
    def test_each_is_survived_by_a_retry(self):
        for fault in (
            "silence",
            "late",
            "truncated",
            "wrong_transaction",
            "wrong_unit",
            "wrong_length",
            "length_field",
            "garbage",
            "previous",
            "closes",
        ):
            for seed in range(5):
                bench = Tcp([None, fault])
                bench.meter.dice = Dice(seed)
                bench.read(10, 2)
                self.assertEqual(bench.read(), WORDS, fault)

    def test_error_types(self):
        for fault, error, status in (
            ("silence", ModbusTimeout, 1),
            ("wrong_transaction", ModbusTimeout, 1),
            ("truncated", ModbusTimeout, 1),
            ("wrong_unit", ModbusMalformed, 3),
            ("wrong_length", ModbusMalformed, 3),
            ("closes", ModbusBusError, 4),
        ):
            with self.assertRaises(error) as caught:
                Tcp([fault] * 3).read()
            self.assertEqual(caught.exception.status, status, fault)

    def test_exception_is_told_from_silence(self):
        with self.assertRaises(ModbusException) as caught:
            Tcp().read(49, 2)
        self.assertEqual(caught.exception.status, 130)

    def test_connection_refused(self):
        bench = Tcp()
        bench.peer.refuse = True
        with self.assertRaises(ModbusBusError):
            bench.read()
        bench.peer.refuse = False
        self.assertEqual(bench.read(), WORDS)

    def test_what_fails_in_the_write_is_a_failed_connection(self):
        """Where connecting does not wait, refusals and resets come with the first write."""
        for number in (104, 111, 32):
            bench = Tcp()
            bench.peer.write_errors = [number] * 3
            with self.assertRaises(ModbusBusError):
                bench.read()
            self.assertEqual(bench.read(), WORDS)
            self.assertEqual((bench.peer.connections, bench.counters.bus), (4, 3))

    def test_silent_twice_is_connected_anew(self):
        bench = Tcp(["silence", "silence"])
        self.assertEqual(bench.read(), WORDS)
        self.assertEqual(bench.peer.connections, 2)

    def test_half_a_frame_does_not_stay_in_use(self):
        for seed in range(10):
            bench = Tcp(["truncated"])
            bench.meter.dice = Dice(seed)
            self.assertEqual(bench.read(), WORDS)
            self.assertEqual(bench.peer.connections, 2)
            self.assertEqual(bench.counters.retries, 1)

    def test_half_a_frame_is_never_filled_up_with_the_next(self):
        """A stream that loses bytes is broken; its remains must not become a value."""
        for cut in range(1, 13):
            bench = Tcp(lim=limits(first_byte_ms=300, retries=0))
            respond = bench.meter.respond

            def lossy(request, respond=respond, cut=cut):
                frame = respond(request)[0][1]
                return [(5000, frame[:cut] + frame)]

            bench.peer.answer = lossy
            with self.assertRaises((ModbusMalformed, ModbusTimeout)):
                bench.read()


class OtherFrames(unittest.TestCase):
    """A gateway that sends frames which answer nothing that was asked."""

    def bench(self, answers):
        """Such a one; the answer comes behind as many of them, one each half millisecond."""
        bench = Tcp(lim=limits(first_byte_ms=300, retries=0))
        respond = bench.meter.respond

        def flood(request):
            frame = respond(request)[0][1]
            other = bytes((frame[0] ^ 0x40,)) + frame[1:]
            frames = [(500 * number, other) for number in range(1, answers + 1)]
            return frames + [(500 * answers + 500, frame)]

        bench.peer.answer = flood
        return bench

    def test_does_not_hold_a_read_past_its_limit(self):
        bench = self.bench(3000)
        start_us = bench.timing.now_us
        with self.assertRaises(ModbusTimeout):
            bench.read()
        self.assertTrue(bench.timing.now_us - start_us < 320000)
        self.assertEqual((bench.counters.timeouts, bench.counters.late > 500), (1, True))

    def test_an_answer_that_waits_behind_them_is_kept_where_another_task_held_the_loop(self):
        bench = self.bench(3)
        receive = bench.client._stream.receive

        async def held(buf, wait_ms):
            got = await receive(buf, wait_ms)
            bench.timing.advance_us(400000)
            return got

        bench.client._stream.receive = held
        self.assertEqual(bench.read(), WORDS)


class SlowReader:
    """Gives what has come only when the limit has passed: another task was due before."""

    def __init__(self):
        self._left = [b"answer"]

    async def read(self, _):
        await Timing().sleep_ms(5)
        time.sleep(0.06)
        return self._left.pop(0) if self._left else await Timing().sleep_ms(1000)


class ReadAsTheLimitPasses(unittest.TestCase):
    def test_is_not_thrown_away(self):
        """On the real event loop: MicroPython's `wait_for_ms` drops the result of such a read."""

        async def connect(host, port):
            return SlowReader(), None

        async def receive(buf):
            stream = Stream("meter", 502, Timing(), connect)
            await stream.open()
            return await stream.receive(buf, 20)

        buf = bytearray()
        self.assertTrue(asyncio.run(receive(buf)))
        self.assertEqual(bytes(buf), b"answer")


class RtuOverTcp(unittest.TestCase):
    def bench(self, answers=()):
        self.timing = VirtualTiming()
        line = Line(9600)
        meter = FakeMeter(1, HELD, line, 30000)
        meter.answers = list(answers)
        self.peer = FakePeer(self.timing, lambda request: meter.hear(request, line))
        self.client = RtuOverTcpClient("gw", 4196, self.timing, line, LIMITS, self.peer.connect)
        return meter

    def test_words(self):
        self.bench()
        self.assertEqual(run(self.client.read(1, 4, 0, 2)), WORDS)

    def test_damage_is_retried(self):
        meter = self.bench()
        whole = meter.frame(b"\x04\x04" + WORDS)
        meter.answers = [whole[:-1] + b"\x00", whole[:4]]
        self.assertEqual(run(self.client.read(1, 4, 0, 2)), WORDS)
        self.assertEqual(self.client.unit(1).counters.as_list(), [1, 0, 1, 1, 0, 2])

    def test_what_fails_in_the_write_is_a_failed_connection(self):
        self.bench()
        self.peer.write_errors = [111] * 3
        with self.assertRaises(ModbusBusError):
            run(self.client.read(1, 4, 0, 2))
        self.assertEqual(run(self.client.read(1, 4, 0, 2)), WORDS)

    def test_silence_reconnects(self):
        self.bench([b"", b""])
        self.assertEqual(run(self.client.read(1, 4, 0, 2)), WORDS)
        self.assertEqual(self.peer.connections, 2)


if __name__ == "__main__":
    unittest.main()
