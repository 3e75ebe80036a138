"""A TCP peer on simulated time: what asyncio.open_connection gives, with a gateway or meter behind
it.

`wait_for_ms` of the simulated time sets the limit; a read that has nothing until then moves time
to the limit and raises asyncio.TimeoutError, as the real one does.
"""

import asyncio

from fakes.fake_meter import FakeMeter


class FakePeer:
    """`answer(request) -> [(delay_us, bytes), ...]`; bytes None: the peer closes. Use `connect` as
    open_connection.
    """

    def __init__(self, timing, answer):
        self.timing = timing
        self.answer = answer
        self.connections = 0
        self.refuse = False
        self.write_errors = []  # numbers with which the next writes fail, as on MicroPython
        self._streams = []

    async def connect(self, host, port):
        if self.refuse:
            raise OSError(111)
        self.connections += 1
        stream = _FakeStream(self)
        self._streams = [stream]
        return stream, stream


class _FakeStream:
    """Reader and writer in one, as on MicroPython."""

    def __init__(self, peer):
        self._peer = peer
        self._timing = peer.timing
        self._out = b""
        self._incoming = []  # (arrival_us, bytes or None)

    def write(self, data):
        if self._peer.write_errors:
            raise OSError(self._peer.write_errors.pop(0))
        self._out += bytes(data)

    async def drain(self):
        request, self._out = self._out, b""
        now = self._timing.now_us
        for delay_us, piece in self._peer.answer(request):
            if piece != b"":
                self._incoming.append((now + delay_us, piece))
        self._incoming.sort(key=lambda item: item[0])

    async def read(self, n):
        await asyncio.sleep(0)
        limit_us = self._timing.deadline_us
        if not self._incoming or self._incoming[0][0] > limit_us:
            self._timing.now_us = max(self._timing.now_us, limit_us)
            raise asyncio.TimeoutError
        when, piece = self._incoming.pop(0)
        self._timing.now_us = max(self._timing.now_us, when)
        if piece is None:
            self._incoming = [(when, None)]  # the end stays the end
            return b""
        if len(piece) > n:
            self._incoming.insert(0, (when, piece[n:]))
        return piece[:n]

    def close(self):
        self._incoming = []

    async def wait_closed(self):
        await asyncio.sleep(0)


class TcpGateway(FakeMeter):
    """A meter with Modbus TCP whose answers suffer faults."""

    FAULTS = (
        "silence",
        "late",
        "truncated",
        "wrong_transaction",
        "wrong_unit",
        "wrong_length",
        "length_field",
        "garbage",
        "exception",
        "previous",
        "twice",
        "in_pieces",
        "closes",
    )

    def __init__(self, unit, registers, dice, next_fault, turnaround_us=5000, late_us=1200000):
        super().__init__(unit, registers, None, turnaround_us)
        self.dice = dice
        self.next_fault = next_fault
        self.late_us = late_us
        self.counts = {}
        self.transactions = []

    def respond(self, request):
        """[(delay_us, bytes)] for one request with MBAP header."""
        assert request[2:6] == b"\x00\x00\x00\x06" and len(request) == 12
        self.transactions.append(request[0] << 8 | request[1])
        self.transactions = self.transactions[-8:]
        fault = self.next_fault()
        self.counts[fault] = self.counts.get(fault, 0) + 1
        frame = self.mbap(request[:2], self.answer_pdu(request[7:]))
        out = [(self.turnaround_us, frame)]
        if fault is not None:
            out = getattr(self, "_" + fault)(frame)
        self.previous = frame
        return out

    def mbap(self, transaction, pdu, unit=None, length=None):
        """Frame around `pdu`."""
        length = len(pdu) + 1 if length is None else length
        unit = self.unit if unit is None else unit
        return bytes(transaction) + bytes((0, 0, length >> 8, length & 0xFF, unit)) + pdu

    def _at(self, frame):
        return [(self.turnaround_us, frame)]

    def _silence(self, frame):
        return []

    def _late(self, frame):
        return [(self.late_us + 1000 * self.dice.below(700), frame)]

    def _truncated(self, frame):
        return self._at(frame[: 1 + self.dice.below(len(frame) - 1)])

    def _wrong_transaction(self, frame):
        return self._at(bytes((frame[0] ^ 0x40, frame[1])) + frame[2:])

    def _wrong_unit(self, frame):
        return self._at(frame[:6] + bytes((self.unit % 247 + 1,)) + frame[7:])

    def _wrong_length(self, frame):
        """One register too few, header consistent."""
        pdu = bytes((frame[7], frame[8] - 2)) + frame[9:-2]
        return self._at(self.mbap(frame[:2], pdu))

    def _length_field(self, frame):
        """The header promises another length than what follows."""
        length = self.dice.below(300)
        return self._at(frame[:4] + bytes((length >> 8, length & 0xFF)) + frame[6:])

    def _garbage(self, frame):
        return self._at(self.dice.bytes(1 + self.dice.below(40)))

    def _exception(self, frame):
        return self._at(self.mbap(frame[:2], bytes((frame[7] | 0x80, 1 + self.dice.below(11)))))

    def _previous(self, frame):
        return self._at(self.previous or frame)

    def _twice(self, frame):
        return [
            (self.turnaround_us, frame),
            (self.turnaround_us + 1000 * self.dice.below(900), frame),
        ]

    def _in_pieces(self, frame):
        cut = 1 + self.dice.below(len(frame) - 1)
        pause_us = 1000 * self.dice.below(200)
        return [(self.turnaround_us, frame[:cut]), (self.turnaround_us + pause_us, frame[cut:])]

    def _closes(self, frame):
        cut = self.dice.below(len(frame))
        return (
            [(self.turnaround_us, frame[:cut]), (self.turnaround_us + 1, None)]
            if cut
            else [(self.turnaround_us, None)]
        )
