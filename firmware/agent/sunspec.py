"""Where a SunSpec meter keeps its model block: the marker, then along the list of models.

SunSpec Information Model Specification, sections 6.3 (discovery) and 7 (common model). A meter's
common block may have 65 or 66 registers, other blocks may stand before the meter's, and the chain
begins at one of three addresses. Must never take a block of another model, nor walk for ever.
"""

from .constant import const
from .errors import ModbusError, ModbusException, ModbusMalformed
from .meter_reader import MeterReader

_SUNS = b"SunS"
_HOLDING = const(3)
_HEADER = const(2)  # registers: model id, length
_MOST_BLOCKS = const(32)
_END = const(0xFFFF)


class Locator:
    """Some meters stay silent where they have nothing: then each search begins with the next
    base.
    """

    def __init__(self, sunspec, client, unit):
        self._sunspec = sunspec
        self._client = client
        self._unit = unit
        self._retries = None
        self._turn = 0

    async def find(self, retries=None):
        """(base of the chain, address of the block); raises ModbusError."""
        self._retries = retries
        bases = self._sunspec.bases
        turn, self._turn = self._turn, (self._turn + 1) % len(bases)
        for base in bases[turn:] + bases[:turn]:
            if await self._words(base) == _SUNS:
                at = await self._walk(base)
                if at is not None:
                    self._turn = turn
                    return base, at
        raise ModbusMalformed(
            "sunspec-missing",
            "expected SunSpec model %d behind SunS at %s, found none; check profile and unit id"
            % (self._sunspec.model, ", ".join(["0x%04X" % base for base in bases])),
        )

    async def _walk(self, base):
        """Address of the block, None if the chain ends without it."""
        address = base + _HEADER
        for _ in range(_MOST_BLOCKS):
            words = await self._words(address) if address <= 0x10000 - _HEADER else None
            model = _END if words is None else words[0] << 8 | words[1]
            if model == self._sunspec.model:
                return address
            if model == _END:
                return None
            address += _HEADER + (words[2] << 8 | words[3])
        return None

    async def _words(self, address):
        """Two registers, None where the meter has none. Three in turn, to tell the replies."""
        longer = _HEADER + 1 if address < 0x10000 - _HEADER else 0
        try:
            return await self._client.read(
                self._unit, _HOLDING, address, _HEADER, longer, self._retries
            )
        except ModbusException as error:
            if error.fields["exception"] not in (1, 2, 3):
                raise
            return None


class SunSpecReader(MeterReader):
    """A reader that finds out where its meter has its block, before anything is sealed of it."""

    def __init__(self, client, unit, profile, *more):
        super().__init__(client, unit, profile, *more)
        self._locator = Locator(profile.sunspec, client, unit)
        self._located = False
        self._shifts = (0, 0)

    async def snapshot(self, probe=False):
        """As that of a MeterReader; nothing is read before the block is found."""
        if not self._located:
            try:
                await self._locate(0 if probe else None)
            except ModbusError as error:
                snap = self.empty()
                snap.status = error.status
                return snap
        return await super().snapshot(probe)

    async def _locate(self, retries):
        base, at = await self._locator.find(retries)
        sunspec = self.profile.sunspec
        self._shifts = (base - sunspec.bases[0], at - sunspec.at)
        self._located = True
        self._place_spacers()

    def forget_place(self):
        """Find the block again before the next snapshot."""
        self._located = False

    def at(self, address):
        """Where this meter has what the profile has at `address`."""
        return address + self._shifts[address >= self.profile.sunspec.at]

    def layout(self):
        """Profile.layout() as this meter has it."""
        return tuple([(c[0], self.at(c[1]), c[2], c[3]) for c in self.profile.layout()])
