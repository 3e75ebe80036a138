"""The meter task with meters of one profile on one simulated line, in simulated time."""

from agent.meter_task import MeterTask
from agent.modbus.client import Line, RtuClient
from agent.station_meters import reader_class
from fakes.fake_meter import FakeMeter
from fakes.fake_uart import FakeUart
from fakes.sample_profiles import INTEGER, sample
from fakes.virtual_time import VirtualClock, VirtualTiming, run

LOST, FOUND, CHANGED = 3, 4, 5
ENERGY, POWER = 0x34, 0x28
ENERGY_64, SERIAL, MODEL = 0x0C83, 0x81, 0x31


class Station:
    """Meters of one profile on one simulated line."""

    def __init__(self, description=INTEGER, units=(1,), **options):
        self.timing = VirtualTiming()
        self.clock = VirtualClock(self.timing)
        self.profile = sample(description)
        self.uart = FakeUart(self.timing)
        self.client = RtuClient(self.uart, timing=self.timing)
        line = Line(self.profile.bus.baud, self.profile.bus.parity)
        self.meters = []
        for unit in units:
            held = {(4, a): 0 for a in range(0x60)}
            for function, first, count in self.profile.listed:
                held.update({(function, first + i): 0 for i in range(count)})
            self.meters.append(FakeMeter(unit, held, line))
        self.uart.devices = list(self.meters)
        self.readings, self.tables, self.events = [], [], []
        reader = reader_class(self.profile)
        self.task = MeterTask(
            [reader(self.client, unit, self.profile, self.clock) for unit in units],
            self.clock,
            self.readings.append,
            self.tables.append,
            lambda kind, detail: self.events.append((kind, detail)),
            timing=self.timing,
            **options,
        )

    def set_words(self, address, value, count=2, function=4, meter=0):
        """Put an integer into registers: low word first with function 4, high word with 3."""
        parts = [value >> (16 * i) & 0xFFFF for i in range(count)]
        if function == 3:
            parts.reverse()
        for i, part in enumerate(parts):
            self.meters[meter].registers[(function, address + i)] = part

    def poll(self, after_s=60):
        """One poll; then time goes on."""
        start = self.timing.now_us
        run(self.task.poll_once())
        self.timing.now_us = max(self.timing.now_us, start + after_s * 1000000)
        return self.readings[-1]

    def unplug(self):
        self.uart.devices = []

    def plug(self):
        self.uart.devices = list(self.meters)
