"""Where a SunSpec meter keeps its model block: the marker, then along the list of models.

SunSpec Information Model Specification, sections 6.3 (discovery) and 7 (common model). A meter's
common block may have 65 or 66 registers, other blocks may stand before the meter's, and the chain
begins at one of three addresses. Must never take a block of another model, nor walk for ever.
"""

from .constant import const
from .errors import ModbusException, ModbusMalformed

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
