"""A whole board on simulated time, for the application: meter, flash, store, clock, watchdog.

What stops a real board's event loop can be made to take its time here: signatures (`sign_ms`),
erases (`erase_ms`), name look-ups (`look_up_ms`).
"""

import json

from agent import config
from agent.app import App
from agent.enrol import enrol
from agent.modbus.client import Line
from agent.resolver import Resolver
from agent.station_profiles import load_profiles
from fakes.board import Rtc, Store
from fakes.fake_collector import Collector
from fakes.fake_meter import FakeMeter
from fakes.fake_uart import FakeUart
from fakes.nor_flash import NorFlash
from fakes.sample_profiles import INTEGER, sample
from fakes.virtual_time import VirtualTiming
from support.sealing_station import Random

CONFIG = {
    "schema": 1,
    "station_id": "bench",
    "read_interval_s": 10,
    "seal_interval_s": 60,
    "meters": [{"profile": "test-meter"}],
    "buses": [{"kind": "rtu", "uart": 1}],
    "uplink": {"url": "https://collector.example", "retry_min_s": 5, "poll_interval_s": 60},
    "clock": {"ntp_host": ""},
    "log_level": "error",
}
ENERGY = 0x34


class Reset(SystemExit):
    """The board was reset; ends the event loop on both interpreters."""


class _Ticks:
    """time.ticks_* of a 32-bit board on simulated time."""

    _MASK = (1 << 30) - 1

    def __init__(self, timing):
        self.ticks_ms = timing.ms
        self.ticks_us = timing.us

    def ticks_add(self, a, b):
        return (a + b) & self._MASK


class _Watchdog:
    """Notes the longest time without food."""

    def __init__(self, timing):
        self._timing = timing
        self._fed_us = timing.now_us
        self.longest_ms = 0

    def feed(self):
        self.longest_ms = max(self.longest_ms, (self._timing.now_us - self._fed_us) // 1000)
        self._fed_us = self._timing.now_us


class WholeBoard:
    """The board; `power_on()` gives a running application, again and again on the same flash."""

    key_class = 0
    link = console = None

    def __init__(self, sectors=64, **changes):
        self.store = Store()
        self.flash = NorFlash(sectors)
        self.random = self.key_entropy = Random()
        self.files = {
            "config.json": json.dumps(dict(CONFIG, **changes)).encode(),
            "profiles/test-meter.json": json.dumps(INTEGER).encode(),
            "ca.der": b"0",
        }
        self.reset_cause = 1
        self.door_open = False
        self.contactor_closed = False
        self.resets = []
        self.sign_ms = self.erase_ms = self.look_up_ms = 0
        self.look_ups = 0
        enrol(self, bytes(32))

    def power_on(self):
        """A new boot: RAM, ticks and the internal clock begin anew."""
        self.timing = VirtualTiming()
        self.ticks = _Ticks(self.timing)
        self.watchdog = _Watchdog(self.timing)
        self.rtc = Rtc()
        self.flash = self.flash.after_cut()
        self.flash.before = self._before_flash
        self.uart = FakeUart(self.timing)
        settings = config.load(self.read_file)
        profiles = load_profiles(settings, self.read_file)
        app = App(self, settings, profiles, self.timing)
        self._slow_down(app)
        self.meter = self._meter(app)
        self.uart.devices = [self.meter]
        return app

    def _meter(self, app):
        profile = sample(INTEGER)
        held = {(4, a): 0 for a in range(0x60)}
        for function, first, count in profile.listed:
            held.update({(function, first + i): 0 for i in range(count)})
        held[(4, ENERGY)] = 12345  # low word first
        return FakeMeter(1, held, Line(profile.bus.baud, profile.bus.parity))

    def _slow_down(self, app):
        sign = app.signer.sign1

        def slow_sign(content_type, payload):
            self.timing.advance_us(self.sign_ms * 1000)
            return sign(content_type, payload)

        app.signer.sign1 = slow_sign
        if app.uplink:
            app.resolver = Resolver(app.bus_idle, self._look_up)
            app.uplink._connection = Far(app, app.resolver)

    def _before_flash(self, kind, sector, offset, data):
        if kind == "erase":
            self.timing.advance_us(self.erase_ms * 1000)

    def _look_up(self, host, port):
        self.look_ups += 1
        self.timing.advance_us(self.look_up_ms * 1000)
        return "192.0.2.1"

    # -- what the application asks of a board

    def read_file(self, name):
        if name not in self.files:
            raise OSError(2)
        return self.files[name]

    def open_uart(self, bus):
        return self.uart, None

    def tls_context(self, ca_der):
        return ca_der

    def contact(self, pin):
        return lambda: self.door_open

    def contactor(self, pin):
        return lambda: self.contactor_closed

    def health(self):
        return {1: 4096, 4: -61}

    def reset(self, reason):
        self.resets.append(reason)
        raise Reset(reason)


class Far(Collector):
    """The collector, behind a name that has to be looked up for every connection."""

    def __init__(self, app, resolver):
        super().__init__(app.clock, app.signer.kid_8)
        self.resolver = resolver
        self.base_ms = app.clock.floor.t_unix_ms + 86400000

    async def open(self):
        self.resolver.forget("collector.example")
        await self.resolver.address("collector.example", 443)
        await super().open()

    def answer(self):
        self.time_unix_ms = self.base_ms + self.clock.mono_ms()
        return super().answer()
