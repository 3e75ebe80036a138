"""A station as far as sealing goes: real journal on simulated NOR flash, real keystore and signer.

What leaves the station is what `may_send` lets out; it is remembered for ever, so that a test can
see whether anything was ever said twice differently. `Power` cuts at any durable operation.
"""

import hashlib

from agent import keystore_create, log
from agent.clock import Clock, Floor
from agent.journal import EVENT, READING, Journal
from agent.keystore import Keystore
from agent.reading import ALL_PRESENT, Context, Meter, Reading, pack
from agent.sealer import Sealer, Settings
from agent.sealer_lost import LostReadings
from agent.sealer_payload import Identity
from agent.signer import KEY_CLASS_SIM
from fakes.board import Rtc, Store, Ticks
from fakes.nor_faults import Random as NoiseSource
from fakes.nor_flash import NorFlash, PowerCut

from support import minicbor

ENERGY = (4, 0x48, 2, 0)
POWER = (4, 0x0C, 2, 0)
BUILD_UNIX_S = 1790000000
NOON_MS = 1790040000000


def meter(unit=1, serial=b"\x00\x00\x00\x01", columns=(ENERGY, POWER)):
    """A meter epoch."""
    return Meter("sdm120", b"p" * 16, unit, ((3, 0xFC00, serial),), (), columns)


class Power:
    """Counts durable operations; cuts at one of them: nothing, a part or all of it is done."""

    def __init__(self):
        self.done = 0
        self.cut_at = None
        self.fraction = 0.0  # None: the operation completes, then the power goes

    def spend(self):
        """True if this operation is the one that is cut."""
        self.done += 1
        return self.cut_at is not None and self.done > self.cut_at


class PoweredStore(Store):
    """State store whose `set` is atomic: a cut leaves the old blob or the new one."""

    def __init__(self, power):
        super().__init__()
        self.power = power

    def set(self, name, blob):
        if not self.power.spend():
            super().set(name, blob)
            return
        if self.power.fraction is None:
            super().set(name, blob)
        raise PowerCut()


class Random:
    """Different bytes at every call, the same in every run."""

    def __init__(self):
        self.count = 0

    def __call__(self, length):
        self.count += 1
        return hashlib.sha256(b"random %d" % self.count).digest()[:length]


class Station:
    """Starts by `boot()`; a cut is survived by another `boot()`."""

    def __init__(self, sectors=32, max_readings=5, policy="drop_oldest", totals=()):
        self.power = Power()
        self.random = Random()
        self.store = PoweredStore(self.power)
        self.flash = NorFlash(sectors)
        self.policy = policy
        self.settings = Settings(3600000, max_readings, 12288, {"sdm120": totals})
        self.boots = 0
        self.meters = (meter(),)
        self.others = {16: {}}
        self.provisioning_hash = b"r" * 32
        self.left = {}  # (chain, number) -> bytes that left
        self.journaled = {}  # sequence -> words, of readings that were durable
        keystore_create.create(self.store, self.random, bytes(32), KEY_CLASS_SIM)

    def boot(self):
        """Power on: mount, recover, as main.py does."""
        log.configure(log.OFF)
        self.flash = self.flash.after_cut()
        self.flash.before = self._spend_flash
        self.boots += 1
        self.ticks = Ticks()
        self.clock = Clock(self.boots, self.ticks, Rtc(), Floor(self.store, BUILD_UNIX_S))
        self.journal = Journal(self.flash, {"policy": self.policy})
        self.keystore = Keystore.load(self.store)
        parts = (
            self.journal,
            self.keystore,
            self.keystore.signer(),
            self.clock,
            LostReadings(self.store),
        )
        identity = Identity("0.1.0", b"c" * 8, self.provisioning_hash)
        self.sealer = Sealer(parts, identity, self.random, lambda: self.others, self.settings)
        self.sealer.recover(self.journal.mount())
        self.next_sequence = self.sealer.next_sequence
        self.set_meters(self.meters)
        return self

    def _spend_flash(self, kind, sector, offset, data):
        if self.power.spend():
            self.flash.cut_at = self.flash.count.operations
            self.flash.cut_fraction = self.power.fraction

    def set_meters(self, meters):
        """What the readings from now on are of."""
        self.meters = meters
        self.journal.set_context(Context(self.boots, meters).pack())

    def read(self, count=1, index=0, status=0, present=ALL_PRESENT, words=None):
        """Take and journal readings, a minute apart."""
        for _ in range(count):
            self.ticks.advance(60000)
            sequence = self.next_sequence
            if words is None:
                value = (1000 * sequence).to_bytes(4, "big") + bytes((0, 0, 0, self.boots))
            else:
                value = words
            t_100ms = self.clock.mono_ms() // 100
            reading = Reading(sequence, self.boots, t_100ms, index, status, 0, present, value)
            self.journal.append(READING, pack(reading))
            self.sealer.noted()
            self.next_sequence += 1
            self.journaled[sequence] = value

    def event(self, encoded):
        """Journal an event that is CBOR already."""
        self.journal.append(EVENT, encoded)

    def seal(self):
        """Seal what is due and let out what may leave."""
        while self.sealer.due():
            self.sealer.seal_once()
        self.upload()

    def upload(self):
        """Everything that may leave does; a batch that left before must be the same."""
        for number, hash_32, read in self.journal.batches():
            if self.sealer.may_send(hash_32):
                data = bytes(read())
                chain = minicbor.decode(minicbor.decode(data).value[2])[1]
                known = self.left.setdefault((chain, number), data)
                if known != data:
                    raise AssertionError("a batch left twice with different content", number)

    def sealed(self):
        """Seal once, whatever is due, and the payload of that batch (None: nothing waited)."""
        done = self.sealer.seal_once()
        self.upload()
        if done is None:
            return None
        return self.payload(done[0])

    def payload(self, number, chain=None):
        """Decoded payload of a batch that left."""
        data = self.left[(chain or self.keystore.chain_16, number)]
        return minicbor.decode(minicbor.decode(data).value[2])


def batch_hash(data):
    """SHA-256 of the Sig_structure of a batch."""
    protected, _, payload, _ = minicbor.decode(data).value
    head = b"\x84\x6aSignature1\x51" + protected + b"\x40"
    length = len(payload)
    if length < 24:
        size = bytes((0x40 | length,))
    elif length < 256:
        size = bytes((0x58, length))
    else:
        size = b"\x59" + length.to_bytes(2, "big")
    return hashlib.sha256(head + size + payload).digest()


def sequences(payload):
    """Sequence numbers that a payload's groups hold, ascending."""
    found = []
    for group in payload[13]:
        if not group[3]:
            found.extend(range(payload[6], payload[6] + payload[7]))
            continue
        first, base, width, packed = group[3][:4]
        patches = group[3][4] if len(group[3]) > 4 else ()
        if width or packed or patches:
            found.extend(_unpacked(first, base, width, packed, patches, group[2]))
        else:
            found.extend(first + base * i for i in range(group[2]))
    return sorted(found)


def _unpacked(first, base, width, packed, patches, count):
    stream = int.from_bytes(packed, "big") >> (len(packed) * 8 - (count - 1) * width)
    large = {patches[i]: patches[i + 1] for i in range(0, len(patches), 2)}
    values = [first]
    for i in range(1, count):
        residual = (stream >> (width * (count - 1 - i))) & ((1 << width) - 1)
        values.append(values[-1] + base + large.get(i, residual))
    return values


def wide_station(sectors, max_readings, policy="drop_oldest"):
    """A station whose readings are 240 bytes of noise."""
    station = Station(sectors, max_readings, policy).boot()
    station.set_meters((meter(columns=tuple((4, 16 * i, 4, 0) for i in range(30))),))
    return station


def wide_readings(station, count):
    """Take readings of such a station."""
    noise = NoiseSource(station.next_sequence)
    for _ in range(count):
        station.read(1, words=noise.bytes(240))
