"""Months of one station on simulated time: power cuts, outages, lost clocks, faults, old backups.

The application is the real one; the harness moves its time from poll to poll and does what its
event loop would do then. `Life` remembers every reading: what was sealed is held against that.
Deterministic by its seed.
"""

import gc
import hashlib
import random

from agent.app import App
from agent.columns import register_value
from agent.errors import FwError
from agent.journal import READING
from agent.sealer_edges import edge_words
from agent.signer import SoftwareSigner
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from fakes.nor_flash import PowerCut
from fakes.whole_board import ENERGY, WholeBoard

from support import minicbor

START_UNIX_MS = 1_790_000_000_000
DAY_S = 86_400
INTERVAL_S = 600
SECTORS = 128  # 512 KiB: more than three weeks of batches
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_PREHASHED = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
_MOST_STEPS = 8


def fast_signer(signer: SoftwareSigner, private_32: bytes) -> None:
    """Let the host's library make the signature; everything around it stays the device's."""
    key = ec.derive_private_key(int.from_bytes(private_32, "big"), ec.SECP256R1())

    def sign_digest(_: bytes, digest_32: bytes) -> bytes:
        r, s = utils.decode_dss_signature(key.sign(digest_32, _PREHASHED))
        return r.to_bytes(32, "big") + min(s, _ORDER - s).to_bytes(32, "big")

    signer.__class__ = type("FastSigner", (SoftwareSigner,), {"sign1": _sign1(sign_digest)})


def _sign1(sign_digest):
    """`SoftwareSigner.sign1` with another arithmetic."""
    from agent import signer as module

    def sign1(self, content_type, payload):
        protected = module.protected_header(content_type, self.kid_8)
        digest = module.structure_hash(protected, payload)
        return module.assemble(protected, payload, sign_digest(b"", digest)), digest

    return sign1


class Life:
    """One station. After `await live(days)`: `sent`, `truth`, `maybe`, `counts`."""

    def __init__(self, seed: int, flash_faults: bool) -> None:
        self.random = random.Random(seed)
        self.flash_faults = flash_faults
        uplink = {"url": "https://collector.example", "retry_min_s": 5, "poll_interval_s": 3600}
        self.board = WholeBoard(
            SECTORS, read_interval_s=INTERVAL_S, seal_interval_s=3600, uplink=uplink
        )
        self.wall_ms = 0
        self.energy = 12_345
        self.held: dict[bytes, dict[int, bytes]] = {}  # what the collector holds now
        self.stated: dict[bytes, set[int]] = {}
        self.sent: dict[bytes, dict[int, bytes]] = {}  # what any collector ever held
        self.truth: dict[int, tuple[int, int]] = {}  # sequence -> time, energy: durable
        self.maybe: dict[int, tuple[int, ...]] = {}  # energies read
        self.counts = dict.fromkeys(("boots", "cuts", "outages", "restores", "faults"), 0)
        self.objects: list[int] = []  # alive, day by day
        self.longest_outage_s = 0
        self.down_until_ms = 0
        self.silent_until_ms = 0
        self.app: App

    # -- power

    def power_on(self) -> None:
        """A boot: nothing but flash, store and the collector remember anything."""
        self.app = self.board.power_on()
        app = self.app
        self.counts["boots"] += 1
        fast_signer(app.signer, app.keystore._private_32)
        self._zero_ms = self.wall_ms - self.board.timing.now_us // 1000
        app.uplink._connection.chains = self.held
        app.uplink._connection.stated = self.stated
        app.uplink._connection.base_ms = START_UNIX_MS + self.wall_ms - app.clock.mono_ms()
        app.clock.on_set = app.recorder.clock_set
        app.clock.start()
        self._remember(app)
        self._show()

    def _remember(self, app: App) -> None:
        write = app.meters._on_reading

        def on_reading(reading: object) -> None:
            columns = app.meters.meters[reading.meter].columns
            words = edge_words(columns, reading, 4, ENERGY)
            energy = register_value(words, 1) if words else None
            if reading.status == 0:
                self.maybe[reading.sequence] = (*self.maybe.get(reading.sequence, ()), energy)
            write(reading)
            if reading.status == 0:
                self.truth[reading.sequence] = (self.wall_ms, energy)

        app.meters._on_reading = on_reading

    def _power_off(self) -> None:
        self.counts["cuts"] += 1
        away_ms = self.random.choice((2_000, 60_000, 3_600_000, 8 * 3_600_000))
        self.wall_ms += away_ms
        if away_ms >= 3_600_000:  # 20 kWh in two seconds would be no charging station
            self.energy += self.random.choice((0, 5, 200))
        self.power_on()

    # -- what happens

    def _consume(self) -> None:
        self.energy += self.random.choice((0, 0, 1, 7, 30))
        self._show()

    def _show(self) -> None:
        """The meter is a thing of its own: power cuts of the board do not concern it."""
        for offset, part in enumerate((self.energy & 0xFFFF, self.energy >> 16)):
            self.board.meter.registers[(4, ENERGY + offset)] = part

    def _happen(self) -> None:
        """Once a poll: what a station may meet."""
        dice = self.random.random()
        if dice < 0.004:
            flash = self.board.flash
            flash.cut_at = flash.count.operations + self.random.randrange(12)
            flash.cut_fraction = self.random.choice((None, self.random.random()))
            flash.erase_left = self.random.choice(("kept", "blank", "mixed"))
        elif dice < 0.008 and self.wall_ms > self.down_until_ms:
            self._lose_network(self.random.choice((5, 600, 7_200, 2 * DAY_S)))
        elif dice < 0.010:
            self.silent_until_ms = self.wall_ms + self.random.choice((1, 4, 20)) * 600_000
        elif dice < 0.0103 and self.held and not self.flash_faults:
            self._restore_backup()
        elif dice < 0.0106 and self.flash_faults:
            self._break_flash()

    def _lose_network(self, seconds: int) -> None:
        self.counts["outages"] += 1
        self.longest_outage_s = max(self.longest_outage_s, seconds)
        self.down_until_ms = self.wall_ms + 1000 * seconds

    def _restore_backup(self) -> None:
        self.counts["restores"] += 1
        kept = self.held[self.app.keystore.chain_16]
        last = max(kept, default=0) - self.random.randrange(1, 150)
        for number in [number for number in kept if number > last]:
            del kept[number]

    def _break_flash(self) -> None:
        self.counts["faults"] += 1
        flash = self.board.flash
        sector = self.random.randrange(SECTORS)
        if self.random.random() < 0.5:
            flash.flip(sector, self.random.randrange(4096), self.random.randrange(8))
        elif len(flash.refuse_program) < 3:
            flash.refuse_program.add(sector)

    # -- the loop

    async def live(self, days: int, long_outage_day: int) -> None:
        """Until so many days are over, then until everything is delivered."""
        self.power_on()
        while self.wall_ms < days * DAY_S * 1000:
            day = self.wall_ms // (DAY_S * 1000)
            if day >= len(self.objects):
                gc.collect()
                self.objects.append(len(gc.get_objects()))
            if day >= long_outage_day and self.longest_outage_s < 21 * DAY_S:
                self._lose_network(21 * DAY_S)
            self._happen()
            await self._step_or_cut()
        self.down_until_ms = self.silent_until_ms = 0
        self.board.flash.cut_at = None
        for _ in range(20):
            await self._step_or_cut()

    async def _step_or_cut(self) -> None:
        try:
            await self._step()
        except PowerCut:
            self._power_off()

    async def _step(self) -> None:
        """One interval: read, seal and look after the flash, send."""
        app, timing = self.app, self.board.timing
        silent = self.wall_ms < self.silent_until_ms
        self.board.uart.devices = [] if silent else [self.board.meter]
        await app.meters.poll_once()
        due_ms = app.meters._due_ms = app.clock.mono_ms() + app.meters.interval_ms
        for _ in range(_MOST_STEPS):
            if not app.seal_task.step():
                break
        await self._send()
        app.meters._due_ms = None
        timing.advance_us(1000 * max(0, due_ms - app.clock.mono_ms()))
        app.clock.mono_ms()  # as every task of the loop does: the ticks wrap
        self.wall_ms = self._zero_ms + timing.now_us // 1000
        self._consume()

    async def _send(self) -> None:
        app = self.app
        connection = app.uplink._connection
        connection.failures = []
        if self.wall_ms < self.down_until_ms:
            if self.random.random() < 0.95:
                return  # the pause between tries has grown
            connection.is_open = False
            connection.failures = [OSError(113)]
        connection.resend = self._wanted()
        try:
            await app.uplink._call()
        except (FwError, OSError) as error:
            del error  # the uplink task would pause; the next interval is the next try
        for chain, kept in self.held.items():
            self.sent.setdefault(chain, {}).update(kept)

    def _wanted(self) -> tuple[bytes, int] | None:
        """What a collector with an older backup asks for."""
        chain = self.app.keystore.chain_16
        if chain not in self.held:
            return None
        number = self.app.uplink._connection.held_up_to(chain)
        return (chain, number + 1) if number < self.app.journal.acknowledged else None

    def lost_sequences(self) -> list[tuple[int, int]]:
        """(first, last) sequence numbers that batches state as lost."""
        found = []
        for batches in self.sent.values():
            for raw in batches.values():
                payload = minicbor.decode(minicbor.decode(raw).value[2])
                found += [(lost[5], lost[6]) for lost in payload.get(15, ())]
        return found

    def unsealed(self) -> int:
        """Readings that wait in the journal for their batch."""
        return sum(kind == READING for kind, _ in self.app.journal.unsealed())

    def digest(self) -> str:
        """Of everything that was sent: the same for the same seed."""
        whole = hashlib.sha256()
        for chain in sorted(self.sent):
            for number in sorted(self.sent[chain]):
                whole.update(self.sent[chain][number])
        return whole.hexdigest()
