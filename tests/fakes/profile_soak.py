"""Snapshots by the plan of a shipped profile over a faulty bus, with an oracle that knows every
wrong value.

The meter takes the turnaround and the limits of its profile. Faults are those of `fake_meter`,
and besides: noise at any moment, requests that noise kept from the meter, glitches before the echo
of our own transmission, registers that the meter lacks for a while. What is accepted must have
been the register's during this very snapshot: an older answer, even of the same register, shows.
"""

from agent import profile
from agent.errors import ModbusError
from agent.modbus.bounds import longest_read_ms
from agent.modbus.client import Line, RtuClient, RtuOverTcpClient, limits
from agent.station_meters import reader_class
from fakes.fake_meter import FAULTS, Dice, FaultyMeter
from fakes.fake_stream import FakePeer
from fakes.fake_uart import FakeUart
from fakes.soak import HELD_US, held
from fakes.virtual_time import VirtualClock, VirtualTiming

QUANTITIES = ("energy_import_wh", "power_w", "voltage_l1_v", "current_l1_a")
ALL_FAULTS = FAULTS + ("noise_anywhere", "not_heard")
_MOST_PAUSE_MS = 400
_SUNS = (0x5375, 0x6E53)


class RoughMeter(FaultyMeter):
    """Registers that change with every request; `missing` are refused."""

    tick = 0
    missing = ()
    fixed = ()  # (function, address, value)

    def answer_pdu(self, pdu):
        self.tick += 1
        count, first = pdu[3] << 8 | pdu[4], pdu[1] << 8 | pdu[2]
        places = [(pdu[0], first + i) for i in range(count)]
        if any(place in self.missing for place in places):
            return bytes((pdu[0] | 0x80, 2))
        words = [self.word(place, self.tick) for place in places]
        return bytes((pdu[0], 2 * count)) + b"".join([bytes((w >> 8, w & 0xFF)) for w in words])

    def word(self, place, tick):
        """What a register holds after so many requests."""
        for function, address, value in self.fixed:
            if (function, address) == place:
                return value
        return held((place[0] << 8) + place[1], tick)

    def _noise_anywhere(self, frame, line):
        """Before the answer, in it or behind it."""
        end_us = self.turnaround_us + len(frame) * line.char_us
        noise = self.dice.bytes(1 + self.dice.below(12))
        return [(self.dice.below(end_us), noise), (self.turnaround_us, frame)]

    def _not_heard(self, frame, line):
        """Only noise; and what was sent before is still the newest that this meter sent."""
        self.keep = self.previous
        return [(self.dice.below(2 * self.turnaround_us), self.dice.bytes(self.dice.below(9)))]

    keep = None

    def hear(self, request, line):
        out = super().hear(request, line)
        if self.keep is not None:
            self.previous, self.keep = self.keep, None
        return out


class ProfileSoak:
    """`kind`: rtu or rtu_over_tcp. After `run`: `accepted` and `absent` columns, `wrong`,
    `too_long`, `longest_ms`, `counts` by fault.
    """

    def __init__(self, file_bytes, kind, seed=1, permille=50, quantities=QUANTITIES):
        self.profile = profile.load(file_bytes, quantities)
        self.dice = Dice(seed)
        self.permille = permille
        self.timing = VirtualTiming()
        self.accepted = self.absent = self.wrong = self.too_long = self.longest_ms = 0
        bus = self.profile.bus
        self.line = Line(bus.baud, bus.parity, bus.stop_bits)
        self.lim = limits(first_byte_ms=bus.timeout_ms, min_interval_ms=bus.min_interval_ms)
        late_us = 1000 * (bus.timeout_ms + 100)
        self.meter = RoughMeter(
            1, {}, self.line, self.dice, self._fault, 1000 * bus.turnaround_ms, late_us
        )
        self.counts = self.meter.counts
        client = getattr(self, "_" + kind)()
        self._read, client.read = client.read, self._timed
        clock = VirtualClock(self.timing)
        reader = reader_class(self.profile)
        self.reader = reader(client, 1, self.profile, clock, self.line, self.lim)
        sunspec = self.profile.sunspec
        if sunspec:
            base = sunspec.bases[0]
            common = _SUNS + (1, sunspec.at - base - 4)
            self.meter.fixed = tuple([(3, base + i, common[i]) for i in range(4)])
            self.meter.fixed += ((3, sunspec.at, sunspec.model),)

    def _rtu(self):
        uart = FakeUart(self.timing, [self.meter])
        uart.echo = True
        uart.glitch = lambda: self.dice.bytes(self.dice.below(3))
        return RtuClient(uart, timing=self.timing)

    def _rtu_over_tcp(self):
        peer = FakePeer(self.timing, self._through_gateway)
        return RtuOverTcpClient("meter", 502, self.timing, self.line, self.lim, peer.connect)

    def _through_gateway(self, request):
        """A gateway passes on what has wholly arrived."""
        heard = self.meter.hear(request, self.line)
        return [(delay_us + len(data) * self.line.char_us, data) for delay_us, data in heard]

    def _fault(self):
        if self.dice.below(1000) >= self.permille:
            return None
        name = ALL_FAULTS[self.dice.below(len(ALL_FAULTS))]
        if name == "busy_loop":
            self.timing.hold_us = HELD_US
        return name

    async def _timed(self, unit, function, address, count, longer=0, retries=None):
        start_us = self.timing.now_us
        try:
            return await self._read(unit, function, address, count, longer, retries)
        finally:
            taken_ms = (self.timing.now_us - start_us) // 1000
            most_ms = longest_read_ms(self.line, self.lim, count, longer)
            self.longest_ms = max(self.longest_ms, taken_ms)
            self.too_long += taken_ms > most_ms + HELD_US // 1000 * 2 * (self.lim.retries + 2)

    async def run(self, transactions):
        """So many requests, spacers and retries included."""
        while self.meter.tick < transactions:
            if not self.dice.below(20):
                await self._identify()
            if not self.dice.below(20):
                self._lose_a_register()
            await self._snapshot()
            self.timing.now_us += 1000 * self.dice.below(_MOST_PAUSE_MS)

    async def _snapshot(self):
        first = self.meter.tick + 1
        snap = await self.reader.snapshot()
        offset = 0
        for index, column in enumerate(self.profile.columns):
            end = offset + 2 * column.count
            if snap.present >> index & 1:
                address = self.reader.at(column.address)
                self._judge(column.function, address, snap.words[offset:end], first)
            else:
                self.absent += 1
            offset = end

    async def _identify(self):
        first = self.meter.tick + 1
        try:
            found = await self.reader.read_identity()
        except ModbusError:
            return
        for function, address, words in found.identity + found.setup:
            self._judge(function, address, words, first)

    def _judge(self, function, address, words, first):
        self.accepted += 1
        for tick in range(first, self.meter.tick + 1):
            held_now = b""
            for i in range(len(words) // 2):
                word = self.meter.word((function, address + i), tick)
                held_now += bytes((word >> 8, word & 0xFF))
            if held_now == bytes(words):
                return
        self.wrong += 1

    def _lose_a_register(self):
        """One column that is not the total, or none."""
        columns = [c for i, c in enumerate(self.profile.columns) if i != self.profile.total]
        lost = self.dice.below(2 * len(columns))
        self.meter.missing = ()
        if lost < len(columns):
            self.meter.missing = ((columns[lost].function, columns[lost].address),)
