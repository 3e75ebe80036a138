"""Reads one meter: a snapshot of the chosen registers, and its identity and set-up registers.

A snapshot is what was obtained, block by block, with one status: that of the first block that
failed. What was not obtained is absent, never zero. A read over several registers that the meter
refuses, as it lacks one of them, is split: what it has must not share the fate of what it lacks.
Must never decode what is going to be sealed.
"""

from . import decode, forget
from .constant import const
from .errors import ModbusBusError, ModbusError, ModbusException, ModbusTimeout
from .modbus.settings import Line, limits
from .plausibility import RATED_POWER_W

RETRIED, IMPLAUSIBLE, PARTIAL = 1, 2, 4  # flags, WIRE_FORMAT.md section 4.4
_GAP_MS = const(50)
_LACKS_SOME = const((2, 3))


class Snapshot:
    """One reading in the making."""

    def __init__(self, size, mono_ms):
        self.words = bytearray(size)
        self.mono_ms = mono_ms  # when the first request was sent
        self.present = 0
        self.status = 0
        self.flags = 0


class MeterReader:
    """One meter behind a client. `line`: None for the profile's; `lim`: None for limits from the
    profile.
    """

    def __init__(
        self, client, unit, profile, clock, line=None, lim=None, rated_power_w=RATED_POWER_W
    ):
        self.client = client
        self.rated_power_w = rated_power_w
        self.unit = unit
        self.profile = profile
        self.clock = clock
        bus = profile.bus
        line = line or Line(bus.baud, bus.parity, bus.stop_bits)
        lim = lim or limits(
            first_byte_ms=bus.timeout_ms, gap_ms=_GAP_MS, min_interval_ms=bus.min_interval_ms
        )
        from .profile_plan import offsets, plan, spacers, total_first  # only now: see forget

        reads = plan(profile.columns, profile.listed, bus, line)
        self._planned = self.reads = total_first(reads, profile.total)
        self._spacers = spacers(profile.listed, bus)
        client.add_unit(unit, line, lim, self._spacers)
        self._offsets = offsets(profile.columns)

    def counters(self):
        """Error counters since boot, as the health section has them."""
        return self.client.unit(self.unit).counters.as_list()

    async def snapshot(self, probe=False):
        """Everything once. `probe`: the meter did not answer lately, so ask once and see.

        The block of the energy total comes first: if even that gets no answer, nothing else is
        asked; if another block gets none, the rest is asked once each.
        """
        snap = self.empty()
        retries = 0 if probe else None
        left, asked = list(self.reads), []
        while left:
            read = left.pop(0)
            try:
                await self._fill(snap, read, retries, not asked)
                retries = None if not asked else retries
            except ModbusError as error:
                if _lacks_some(error) and len(read.parts) > 1:
                    left = self._halves(read) + left
                    continue
                snap.status = snap.status or error.status
                if isinstance(error, (ModbusTimeout, ModbusBusError)):
                    retries = 0
                    if not asked:
                        return snap
            asked.append(read)
        self.reads = asked
        if snap.status and snap.present:
            snap.flags |= PARTIAL
        return snap

    def empty(self):
        """A snapshot in which nothing was obtained yet."""
        return Snapshot(self._offsets[-1], self.clock.mono_ms())

    def _halves(self, read):
        from .profile_split import halves  # few meters need it

        return halves(read, self.profile.total)

    def at(self, address):
        """Where this meter has what the profile has at `address`: see sunspec."""
        return address

    def layout(self):
        """Profile.layout() as this meter has it."""
        return self.profile.layout()

    def forget_place(self):
        """Another meter may stand there next."""

    def _place_spacers(self):
        known = self.client.unit(self.unit)
        known.spacers = tuple([(s[0], self.at(s[1]), s[2]) for s in self._spacers])
        known.spaced_in_vain = 0

    async def reread_total(self, snap):
        """Read the block of the energy total once more into `snap`; what fails leaves it as it
        was.
        """
        snap.flags |= RETRIED
        try:
            await self._fill(snap, self.reads[0], None, False)
        except ModbusError:
            pass  # the first value stays, flagged

    def total(self, snap, setup=()):
        """(total, step, span) in milliwatt-hours, None if it was not obtained or the meter has
        none now.
        """
        found = self.decoded(self.profile.total, snap, setup)
        if found is None:
            return None
        value, column, raw, exp10 = found
        step = decode.step_milli(raw, column.kind, column.order, exp10)
        integer = column.kind not in ("f32", "f64")
        return value, step, step << (16 * column.count) if integer else 0

    def decoded(self, index, snap, setup):
        """(thousandths, column, raw words, decimal exponent), None if it has no value."""
        if index is None or not snap.present >> index & 1:
            return None
        column = self.profile.columns[index]
        raw = snap.words[self._offsets[index] : self._offsets[index + 1]]
        scale = self._scale(column, setup)
        if scale is None:
            return None
        value = decode.milli(raw, column.kind, column.order, column.exp10 + scale, column.markers)
        return None if value is None else (value, column, raw, column.exp10 + scale)

    async def read_identity(self):
        """See meter_identity; raises ModbusError.

        What was found out about a unit is found out again: reads are as planned after this.
        """
        self.reads = self._planned
        self._place_spacers()
        from .meter_identity import read  # once a day

        try:
            return await read(self)
        finally:
            del read
            forget.modules("meter_identity")

    async def _fill(self, snap, read, retries, first):
        client = self.client
        try:
            words = await client.read(
                self.unit, read.function, self.at(read.address), read.count, read.longer, retries
            )
        finally:
            if client.attempts > 1:
                snap.flags |= RETRIED
            if first and client.sent_ms is not None:
                snap.mono_ms = self.clock.mono_ms() - client.timing.since_ms(client.sent_ms)
        for index, offset, length in read.parts:
            at = self._offsets[index]
            snap.words[at : at + length] = words[offset : offset + length]
            snap.present |= 1 << index

    def _scale(self, column, setup):
        """Decimal exponent from the set-up registers, None if it is not known."""
        if column.scale_factor < 0:
            return 0
        words = self.words_of(self.profile.setup[column.scale_factor], setup)
        return None if words is None else decode.scale_factor(words)

    def words_of(self, register, read):
        """The words of a register among those that were read, or None."""
        for function, address, words in read:
            if (function, address) == (register.function, self.at(register.address)):
                return words
        return None


def _lacks_some(error):
    return isinstance(error, ModbusException) and error.fields["exception"] in _LACKS_SOME
