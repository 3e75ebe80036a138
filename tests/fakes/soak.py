"""Many transactions over a faulty line or stream, with an oracle that knows every wrong value.

Each register holds a number made from its address and from how many requests its meter has heard,
so that an answer to any other read, earlier or elsewhere, shows. An accepted value must have been
the register's during this very read. No RTU master can tell a forged CRC, nor an old answer to a
read of the same unit, function and length that comes just after the request: the faults do not
forge the one, and the client avoids the other.
"""

from agent.errors import ModbusError
from agent.modbus.bounds import longest_read_ms
from agent.modbus.client import Line, RtuClient, RtuOverTcpClient, TcpClient, limits
from fakes.fake_meter import FAULTS, Dice, FaultyMeter
from fakes.fake_stream import FakePeer, TcpGateway
from fakes.fake_uart import FakeUart
from fakes.virtual_time import VirtualTiming

FAULT_PERMILLE = 50
HELD_US = 500000  # how long another task holds the loop
LIMITS = limits(first_byte_ms=300, gap_ms=50, retries=2, late_ms=1000)
# (function, address, count, longer). The two of function 3 are alike and cannot be varied.
# A spacer parts them where those between got no answer.
SPACERS = ((3, 0x08, 1), (4, 0x08, 3))
READS = ((4, 0x00, 12, 14), (3, 0x10, 2, 0), (4, 0x48, 2, 4), (4, 0x34, 2, 22), (3, 0x20, 2, 0))


def held(address, tick):
    """What register `address` holds after `tick` requests."""
    return (address * 40503 + tick * 30241 + 7) & 0xFFFF


class _Ticking:
    """Mixin: registers that change with every request."""

    tick = 0

    def answer_pdu(self, pdu):
        self.tick += 1
        count = pdu[3] << 8 | pdu[4]
        first = pdu[1] << 8 | pdu[2]
        words = [held((pdu[0] << 8) + first + i, self.tick) for i in range(count)]
        return bytes((pdu[0], 2 * count)) + b"".join([bytes((w >> 8, w & 0xFF)) for w in words])


class TickingMeter(_Ticking, FaultyMeter):
    """On a serial line."""


class TickingGateway(_Ticking, TcpGateway):
    """On TCP."""


class Soak:
    """`kind`: rtu, tcp or rtu_over_tcp. After `run`: `accepted`, `refused` (by code), `wrong`,
    `longest_ms`, `faults`.
    """

    def __init__(self, kind, seed=1, permille=FAULT_PERMILLE):
        self.kind = kind
        self.dice = Dice(seed)
        self.permille = permille
        self.timing = VirtualTiming()
        self.accepted = self.wrong = self.longest_ms = self.too_long = 0
        self.refused = {}
        self.turns = {}
        self.meters = []
        self.client = getattr(self, "_" + kind)()

    def fault(self):
        """A fault for `permille` of the answers."""
        if self.dice.below(1000) >= self.permille:
            return None
        names = TcpGateway.FAULTS if self.kind == "tcp" else FAULTS
        name = names[self.dice.below(len(names))]
        if name == "busy_loop":
            self.timing.hold_us = HELD_US
        return name

    async def run(self, transactions):
        """So many requests, retries included."""
        while sum(meter.tick for meter in self.meters) < transactions:
            await self._read(self.meters[self.dice.below(len(self.meters))])

    async def _read(self, meter):
        turn = self.turns.get(meter.unit, 0)
        self.turns[meter.unit] = turn + 1
        function, address, count, longer = READS[turn % len(READS)]
        first_tick = meter.tick + 1
        start_us = self.timing.now_us
        try:
            words = await self.client.read(meter.unit, function, address, count, longer)
        except ModbusError as error:
            self.refused[error.code] = self.refused.get(error.code, 0) + 1
        else:
            self.accepted += 1
            self.wrong += not self._true(words, function, address, count, first_tick, meter.tick)
        taken_ms = (self.timing.now_us - start_us) // 1000
        self.longest_ms = max(self.longest_ms, taken_ms)
        self.too_long += taken_ms > self._limit_ms(meter, READS[turn % len(READS)])
        self.timing.now_us += 1000 * self.dice.below(3) * self.dice.below(200)

    def _true(self, words, function, address, count, first_tick, last_tick):
        for tick in range(first_tick, last_tick + 1):
            expected = [held((function << 8) + address + i, tick) for i in range(count)]
            if words == b"".join([bytes((w >> 8, w & 0xFF)) for w in expected]):
                return True
        return False

    def _limit_ms(self, meter, read):
        line = meter.line or Line(9600)
        held_ms = HELD_US // 1000 * (LIMITS.retries + 1)
        return longest_read_ms(line, LIMITS, read[2], read[3]) + held_ms

    def _rtu(self):
        lines = (Line(9600), Line(2400, "E"), Line(19200, "N", 2))
        uart = FakeUart(self.timing)
        client = RtuClient(uart, timing=self.timing, lim=LIMITS)
        for unit, line in enumerate(lines, 1):
            meter = TickingMeter(unit, {}, line, self.dice, self.fault, late_us=400000)
            self.meters.append(meter)
            client.add_unit(unit, line, LIMITS, SPACERS)
        uart.devices = list(self.meters)
        return client

    def _tcp(self):
        meter = TickingGateway(1, {}, self.dice, self.fault, late_us=400000)
        self.meters.append(meter)
        peer = FakePeer(self.timing, meter.respond)
        return TcpClient("meter", 502, self.timing, LIMITS, peer.connect)

    def _rtu_over_tcp(self):
        line = Line(9600)
        meter = TickingMeter(1, {}, line, self.dice, self.fault, late_us=400000)
        self.meters.append(meter)
        peer = FakePeer(self.timing, lambda request: meter.hear(request, line))
        client = RtuOverTcpClient("meter", 502, self.timing, line, LIMITS, peer.connect)
        client.add_unit(1, line, LIMITS, SPACERS)
        return client

    def faults(self):
        """Number of answers by fault, over all meters."""
        total = {}
        for meter in self.meters:
            for name in meter.counts:
                total[name] = total.get(name, 0) + meter.counts[name]
        return total
