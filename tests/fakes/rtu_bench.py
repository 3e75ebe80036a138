"""A Modbus RTU client, a simulated line and one meter whose answers suffer the given faults."""

from agent.modbus.client import Line, RtuClient, limits
from fakes.fake_meter import Dice, FaultyMeter
from fakes.fake_uart import FakeUart
from fakes.virtual_time import VirtualTiming, run

LINE = Line(9600, "N", 1)
LIMITS = limits(first_byte_ms=300, gap_ms=20, retries=2)


def registers(function, first, values):
    return {(function, first + i): value for i, value in enumerate(values)}


class Bench:
    """A client, a line and a meter with unit id 1 that holds 0x1000 + address."""

    def __init__(self, faults=(), lim=LIMITS, line=LINE, **options):
        self.timing = VirtualTiming()
        held = registers(4, 0, [0x1000 + i for i in range(100)])
        held.update(registers(3, 0, [0x2000 + i for i in range(100)]))
        queue = list(faults)
        self.meter = FaultyMeter(1, held, line, Dice(7), lambda: queue.pop(0) if queue else None)
        self.uart = FakeUart(self.timing, [self.meter])
        self.client = RtuClient(self.uart, timing=self.timing, line=line, lim=lim, **options)

    def read(self, address=0, count=2, unit=1, function=4, **options):
        return run(self.client.read(unit, function, address, count, **options))

    @property
    def counters(self):
        return self.client.unit(1).counters


def words(*values):
    return b"".join([bytes((v >> 8, v & 0xFF)) for v in values])
