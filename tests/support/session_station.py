"""A station with sessions: real sessions, book, journal, sealer; power that goes at any operation.

The meter is a register that counts; a reading goes into the journal and then to the sessions, as
the application does it.
"""

from agent import cbor
from agent.clock import COLLECTOR, RTC
from agent.decode import ORDERS
from agent.journal import EVENT, READING
from agent.meter_reader import MeterReader
from agent.profile_model import Bus, Column, Profile, Register
from agent.reading import ALL_PRESENT, Meter, Reading, pack
from agent.session_task import Sessions

from support.sealing_station import NOON_MS, Station

SESSION = {
    "meter": 0,
    "trigger": "contact",
    "contact_pin": 4,
    "start_power_w": 100,
    "stop_power_w": 50,
    "start_hold_s": 0,
    "stop_hold_s": 120,
}
OCMF = 5
ENERGY = (4, 0x48, 2, 0)
POWER = (4, 0x4C, 2, 0)
KEY = b"k" * 32


def profile(power_sf=None):
    """Energy in Wh as u32, power in W as s32, a serial number; `power_sf`: power has a factor."""
    made = Profile("sdm120", b"p" * 16, Bus(9600, "N", 1, 50, 16, 20, 300, 20))
    order = ORDERS["ABCD"]
    made.columns = (
        Column("energy_import_wh", 4, 0x48, 2, order, "u32", 3, -1, ()),
        Column("power_w", 4, 0x4C, 2, order, "s32", 3, -1 if power_sf is None else 0, ()),
    )
    if power_sf is not None:
        made.setup = (Register("power_sf", 3, 0x50, 1, order, ()),)
    made.total = 0
    made.identity = (Register("serial", 3, 0xFC00, 2, order, ()),)
    made.listed = tuple((c.function, c.address, c.count) for c in made.columns)
    return made


class _Client:
    def add_unit(self, unit, line, lim, spacers):
        """Nothing is on this bus."""


class _Watch:
    def __init__(self, reader, serial, power_sf=None):
        self.reader = reader
        self.setup = ()
        if power_sf is not None:
            self.setup = ((3, 0x50, power_sf.to_bytes(2, "big")),)
        self.identified = True
        self.identity = ((3, 0xFC00, serial.to_bytes(4, "big")),)


class _Meters:
    """The part of MeterTask that sessions use; always idle."""

    interval_ms = 60000

    def __init__(self, watches):
        self.watches = watches
        self.soon = 0

    def watch_of(self, index):
        return self.watches[index]

    def idle_ms(self):
        return 50000

    def poll_soon(self):
        self.soon += 1


class _Board:
    def __init__(self, world):
        self.store = world.store
        self.random = world.random
        self._world = world

    def contactor(self, pin):
        return lambda: self._world.closed


class _Recorder:
    def __init__(self, world):
        self._world = world

    def event(self, kind, detail):
        world = self._world
        entry = [kind, world.boots, world.clock.mono_ms(), detail]
        world.journal.append(EVENT, cbor.encode(entry))


class SessionWorld(Station):
    """`step()` is one round of everything; `closed`, `watts`, `serial` are the world outside."""

    def __init__(self, sectors=64, fiscal_interval_s=0, power_sf=None, **changes):
        super().__init__(sectors=sectors, max_readings=20)
        self.settings_of_session = dict(SESSION, **changes)
        self.connectors = [self.settings_of_session]
        self.fiscal_interval_s = fiscal_interval_s
        self.power_sf = power_sf
        self.closed = False
        self.watts = 0
        self.serial = 1001
        self.energy_mwh = 100000000
        self.register_mwh = []  # (sequence, register) of every durable reading
        self.clock_source = COLLECTOR

    def boot(self):
        """Power on."""
        super().boot()
        if self.clock_source:
            error_ms = 20 if self.clock_source != RTC else 5000
            self.now_ms = max(getattr(self, "now_ms", NOON_MS) + 5000, NOON_MS)
            self.clock.set_utc(self.now_ms, self.clock_source, error_ms)
        self.change_meter(self.serial)
        self.sessions = self._sessions()
        return self

    def _sessions(self):
        config = dict(
            sessions=self.connectors,
            fiscal_interval_s=self.fiscal_interval_s,
            station_id="bench|ขอนแก่น",
        )
        parts = (self.journal, self.task, self.clock, self.keystore.signer(), _Recorder(self))
        return Sessions(config, _Board(self), parts, KEY, None)

    def change_meter(self, serial):
        """The meter on the bus, with its identity read."""
        self.serial = serial
        reader = MeterReader(_Client(), 1, profile(self.power_sf), self.clock)
        watch = _Watch(reader, serial, self.power_sf)
        if hasattr(self, "sessions") and self.task.watches and self.boots == self._task_boot:
            self.task.watches[0].identity = watch.identity
        else:
            self.task, self._task_boot = _Meters([watch]), self.boots
        meter = Meter("sdm120", b"p" * 16, 1, watch.identity, (), (ENERGY, POWER))
        self.set_meters((meter,))

    def set_identity(self, identity):
        """What the meter answers for its identity; a serial number is text if it is long."""
        self.task.watches[0].identity = identity

    def journal_has_record(self):
        """Whether an OCMF record waits in the journal."""
        return any([kind == OCMF for kind, _ in self.journal.unsealed()])

    def pass_time(self, seconds):
        """The meter counts on."""
        self.ticks.advance(1000 * seconds)
        self.now_ms = getattr(self, "now_ms", NOON_MS) + 1000 * seconds
        self.energy_mwh += self.watts * 1000 * seconds // 3600

    def take(self, status=0, flags=0):
        """One reading, journaled, then told to the sessions."""
        wh = (self.energy_mwh // 1000).to_bytes(4, "big")
        words = wh + int(self.watts).to_bytes(4, "big") if not status else bytes(8)
        present = ALL_PRESENT if not status else 0
        sequence, self.next_sequence = self.next_sequence, self.next_sequence + 1
        t_100ms = self.clock.mono_ms() // 100
        reading = Reading(sequence, self.boots, t_100ms, 0, status, flags, present, words)
        self.journal.append(READING, pack(reading))
        self.sealer.noted()
        self.register_mwh.append((sequence, self.energy_mwh // 1000 * 1000))
        self.sessions.on_reading(reading)

    def step(self, seconds=60, status=0, flags=0):
        """Time, contacts, a reading, a record, a batch: one round of everything."""
        self.pass_time(seconds)
        self.look()
        self.take(status, flags)
        while self.sessions.step():
            pass
        self.seal()

    def look(self):
        """So often that a contact that moved is believed."""
        for _ in range(2):
            self.sessions.look()

    def finish(self):
        """Everything that waits is sealed and has left."""
        while self.sessions.step():
            pass
        while self.sealed():
            pass

    def charge(self, minutes=3, watts=7400, who=""):
        """A whole session by the contact."""
        if who:
            self.sessions.command(1, "start", who)
        self.closed, self.watts = True, watts
        for _ in range(minutes + 1):
            self.step()
        self.closed, self.watts = False, 0
        self.step()

    def records(self):
        """Every OCMF record that left, in the order of the batches."""
        found = []
        for key in sorted(self.left, key=lambda k: (self.order_of(k[0]), k[1])):
            found += self.payload_of(key).get(18, [])
        return found

    def order_of(self, chain):
        """Chains in the order in which they left."""
        return [one for one, _ in self.left].index(chain)

    def payload_of(self, key):
        """Decoded payload of a batch that left."""
        return self.payload(key[1], key[0])
