"""What every Modbus master has in common: one read at a time, retries with limits, counters, late
replies.

A subclass knows how to carry one request: `_exchange`. Must never return words that are not the
answer to this very request, and never take longer than `bounds.longest_read_ms`.
"""

import asyncio

from ..constant import const
from ..errors import (
    ModbusBusError,
    ModbusError,
    ModbusException,
    ModbusTimeout,
)
from .counters import Counters
from .frame import SERIAL_UNITS, check_request
from .late import LateReplies
from .settings import Line, limits
from .timing import Timing

# A meter that says so may answer later; the other exceptions are final (V1.1b3, section 7).
_TRANSIENT_EXCEPTIONS = const((4, 5, 6, 8, 10, 11))
_TOO_LONG_EXCEPTIONS = const((2, 3))  # no such address, too many registers
_MOST_REFUSALS = const(2)
_MOST_IN_VAIN = const(6)  # spacers; then the meter is gone, or silent where it lacks a register


class Unit:
    """One unit id on this bus: its line, its limits, its counters."""

    def __init__(self, unit, line, lim, spacers):
        self.id = unit
        self.line = line
        self.limits = lim
        self.spacers = spacers
        self.spaced_in_vain = 0  # spacers in a row without an answer
        self.counters = Counters()
        self.last_ms = None
        self.recent = ()  # (function, count) that its last answer may have had
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

    def add_unit(self, unit, line=None, lim=None, spacers=()):
        """Give a unit a line or limits of its own; units never added use the defaults.

        `spacers`: (function, address, count) of two short reads of different shapes. One goes in
        between where two reads that must follow each other could not be told apart.
        """
        line, lim = line or self._default_line, lim or self._default_limits
        self._units[unit] = Unit(unit, line, lim, spacers)

    def unit(self, unit):
        """The Unit with this id."""
        if unit not in self._units:
            self.add_unit(unit)
        return self._units[unit]

    async def read(self, unit, function, address, count, longer=0, retries=None):
        """The words (2 * count bytes, as sent) of `count` registers; raises ModbusError.

        `longer`: a larger count that this meter also answers from `address`, 0 if none. Asking for
        it in turn keeps an older reply from being taken for this one. `retries`: instead of those
        of the limits.
        """
        check_request(unit, function, address, max(count, longer), self.units)
        async with self._lock:
            known = self.unit(unit)
            place = (function, address)
            refused = known.refusals.get(place, 0)
            counts = (count, longer) if longer and refused < _MOST_REFUSALS else (count,)
            asked = self._choose(known, function, counts)
            try:
                words = await self._try(known, function, address, asked, retries)
                known.refusals[place] = 0 if asked > count else refused
            except ModbusException as error:
                if asked == count or error.fields["exception"] not in _TOO_LONG_EXCEPTIONS:
                    raise
                known.refusals[place] = refused + 1
                words = await self._try(known, function, address, count, retries)
            return words[: 2 * count]

    def _choose(self, known, function, counts):
        """The count whose reply can best be told from any that was asked for before."""
        if self.replies_are_numbered:
            return counts[0]
        fresh = [c for c in counts if (function, c) not in known.recent] or counts
        waits = [self._late.blocked_ms((known.id, function, c)) for c in fresh]
        return fresh[waits.index(min(waits))]

    async def _try(self, known, function, address, count, retries):
        most = known.limits.retries if retries is None else retries
        self.attempts = 0
        self.sent_ms = None
        told = self.replies_are_numbered  # from here on only this read's own answers fit
        spare = 1 if most else 0  # a spacer on a bad line may fail as well
        while True:
            self.attempts += 1
            try:
                if not told:
                    await self._set_apart(known, function, count)
                    told = True
                return await self._attempt(known, function, address, count)
            except ModbusError as error:
                if not told and not isinstance(error, ModbusTimeout):
                    most += spare
                    spare = 0
                if self.attempts > most or not _worth_retrying(error):
                    raise
            known.counters.retries += 1
            await self.timing.sleep_ms(known.limits.pause_ms)

    async def _set_apart(self, known, function, count):
        """Make sure that no answer to an earlier read can be taken for that to the coming one.

        The last answer may come again, at any time, from a gateway or a meter that stumbles: so
        the meter must have answered something of another shape since. Late ones are waited for.
        """
        if (function, count) in known.recent and known.spaced_in_vain < _MOST_IN_VAIN:
            spacers = [s for s in known.spacers if (s[0], s[2]) != (function, count)]
            if spacers:
                await self._space(known, spacers[known.spaced_in_vain % len(spacers)])
        while True:
            wait_ms = self._late.blocked_ms((known.id, function, count))
            if not wait_ms:
                return
            await self.timing.sleep_ms(wait_ms)

    async def _space(self, known, spacer):
        """Ask for the spacer; what the answer says does not matter, only that there is one."""
        known.spaced_in_vain += 1
        try:
            await self._attempt(known, *spacer)
        except ModbusException:
            pass
        known.spaced_in_vain = 0
        self.sent_ms = None

    async def _attempt(self, known, function, address, count):
        await self._keep_interval(known)
        shape = (known.id, function, count)
        if shape[1:] not in known.recent:
            known.recent += (shape[1:],)
        try:
            words = await self._exchange(known, function, address, count)
        except ModbusBusError:
            known.counters.bus += 1
            raise
        except ModbusError as error:
            known.counters.failed(error)
            if isinstance(error, ModbusException):
                known.recent = (shape[1:],)
                self._late.refused(shape, self._repeat_ms(known, count))
            raise
        self.reply_ms = self.timing.ms()
        known.counters.ok += 1
        known.recent = (shape[1:],)
        self._late.answered(shape, self._repeat_ms(known, count))
        return words

    def _repeat_ms(self, known, count):
        """How long after an answer a second copy of it may still come."""
        return known.limits.repeat_ms

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
