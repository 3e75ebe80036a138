"""What every Modbus master has in common: one read at a time, retries with limits, counters, late
replies.

A subclass knows how to carry one request: `_exchange`. Must never return words that are not the
answer to this very request, and never take longer than `settings.longest_read_ms`.
"""

import asyncio

from ..constant import const
from ..errors import ModbusBusError, ModbusError, ModbusException, ModbusRequestError
from .counters import Counters
from .frame import SERIAL_UNITS, check_request
from .late import LateReplies
from .settings import Line, limits
from .timing import Timing

# A meter that says so may answer later; the other exceptions are final (V1.1b3, section 7).
_TRANSIENT_EXCEPTIONS = const((4, 5, 6, 8, 10, 11))
_TOO_LONG_EXCEPTIONS = const((2, 3))  # no such address, too many registers
_MOST_REFUSALS = const(2)


class Unit:
    """One unit id on this bus: its line, its limits, its counters."""

    def __init__(self, unit, line, lim):
        self.id = unit
        self.line = line
        self.limits = lim
        self.counters = Counters()
        self.last_shape = None
        self.last_ms = None
        self.refusals = {}  # (function, address): how often in a row the longer read was refused


class Client:
    """`await read(...)`; `sent_ms`, `reply_ms` (ticks) and `attempts` tell about the last read."""

    # True where a reply names its request (TCP): then no late one can be mistaken.
    replies_are_numbered = False
    units = SERIAL_UNITS

    def __init__(self, timing=None, line=None, lim=None):
        self.timing = timing or Timing()
        self._default_line = line or Line()
        self._default_limits = lim or limits()
        self._units = {}
        self._lock = asyncio.Lock()
        self._late = LateReplies(self.timing)
        self.sent_ms = None
        self.reply_ms = None
        self.attempts = 0

    def add_unit(self, unit, line=None, lim=None):
        """Give a unit a line or limits of its own; units never added use the defaults."""
        self._units[unit] = Unit(unit, line or self._default_line, lim or self._default_limits)

    def unit(self, unit):
        """The Unit with this id."""
        if unit not in self._units:
            self.add_unit(unit)
        return self._units[unit]

    async def read(self, unit, function, address, count, longer=0, retries=None):
        """The words (2 * count bytes, as sent) of `count` registers; raises ModbusError.

        `longer`: a larger count that this meter also answers from `address`, 0 if none. Asking for
        it in turn keeps a late reply from being taken for this one. `retries`: instead of those of
        the limits.
        """
        check_request(unit, function, address, max(count, longer), self.units)
        async with self._lock:
            known = self.unit(unit)
            if known.refusals.get((function, address), 0) >= _MOST_REFUSALS:
                longer = 0
            asked = await self._tellable(known, function, address, count, longer)
            if asked > count:
                words = await self._longer(known, function, address, count, asked, retries)
            else:
                words = await self._try(known, function, address, count, retries)
            return words[: 2 * count]

    async def _longer(self, known, function, address, count, asked, retries):
        """Ask for more than is needed; a meter that refuses is asked for `count` instead."""
        place = (function, address)
        try:
            words = await self._try(known, function, address, asked, retries)
            known.refusals[place] = 0
            return words
        except ModbusException as error:
            if error.fields["exception"] not in _TOO_LONG_EXCEPTIONS:
                raise
        known.refusals[place] = known.refusals.get(place, 0) + 1
        await self._tellable(known, function, address, count, 0)
        return await self._try(known, function, address, count, retries)

    async def _tellable(self, known, function, address, count, longer):
        """A register count whose reply cannot be taken for another; waits for late ones if need
        be.
        """
        counts = [count] + ([longer] if longer > count else [])
        if len(counts) > 1:
            counts = [c for c in counts if (known.id, function, c) != known.last_shape]
        if self.replies_are_numbered:
            return counts[0]
        while True:
            waits = [self._late.blocked_ms((known.id, function, c), address) for c in counts]
            if min(waits) == 0:
                return counts[waits.index(0)]
            await self.timing.sleep_ms(min(waits))

    async def _try(self, known, function, address, count, retries):
        most = known.limits.retries if retries is None else retries
        self.attempts = 0
        self.sent_ms = None
        while True:
            self.attempts += 1
            try:
                return await self._attempt(known, function, address, count)
            except ModbusRequestError:
                raise
            except ModbusError as error:
                if self.attempts > most or not _worth_retrying(error):
                    raise
            known.counters.retries += 1
            await self.timing.sleep_ms(known.limits.pause_ms)

    async def _attempt(self, known, function, address, count):
        await self._keep_interval(known)
        shape = (known.id, function, count)
        known.last_shape = shape
        try:
            words = await self._exchange(known, function, address, count)
        except ModbusBusError:
            known.counters.bus += 1
            raise
        except ModbusError as error:
            known.counters.failed(error)
            raise
        self.reply_ms = self.timing.ms()
        known.counters.ok += 1
        if not self.replies_are_numbered:
            self._late.answered(shape, address, known.limits.repeat_ms)
        return words

    def _sent(self, known):
        """To be called by `_exchange` when the request is on its way."""
        now = self.timing.ms()
        known.counters.requests += 1
        known.last_ms = now
        if self.sent_ms is None:
            self.sent_ms = now

    async def _keep_interval(self, known):
        """Some meters restart when asked too often."""
        least = known.limits.min_interval_ms
        if not least or known.last_ms is None:
            return
        left = least - self.timing.since_ms(known.last_ms)
        if 0 < left <= least:
            await self.timing.sleep_ms(left)

    async def _exchange(self, known, function, address, count):
        raise NotImplementedError


def _worth_retrying(error):
    return (
        not isinstance(error, ModbusException)
        or error.fields["exception"] in _TRANSIENT_EXCEPTIONS
    )
