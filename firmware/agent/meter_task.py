"""Polls every meter on a fixed grid of time and hands each reading over before the next poll.

Keeps the table of meter epochs that the readings refer to. It only grows until it is full; then a
new one begins with the meters as they are, which the readings behind it refer to. Buses are polled
in parallel, the meters of one bus one after the other. Must never touch the journal, and never let
one meter's silence stop the others.
"""

import asyncio

from . import forget, log
from .constant import const
from .errors import MeterError
from .meter_watch import MeterWatch
from .modbus.timing import Timing
from .reading import Reading

_SLICE_MS = const(2000)


class MeterTask:
    """`readers`: MeterReader in the order of the configuration.

    `on_reading(reading)`; `on_meters(table)`, called before the first reading that needs it, may
    refuse a table that is too large with JournalError; `recalled`: see meter_recall;
    `on_event(kind, detail)`; `check_in()` tells the supervisor that the task is alive. Keep the
    object when the task is restarted.
    """

    def __init__(
        self,
        readers,
        clock,
        on_reading,
        on_meters,
        on_event,
        interval_s=60,
        next_sequence=1,
        lost_after=3,
        timing=None,
        check_in=None,
        recalled=None,
    ):
        self.clock = clock
        self.interval_ms = 1000 * interval_s
        self.next_sequence = next_sequence
        self.meters = []
        self.missed = 0
        self._due_ms = None  # of the next poll; None while meters are being asked
        self._soon = False
        self.first_after_ms = 0  # of the first poll; see Boots.first_poll_s
        self.between = lambda: None  # called when a poll is over and the next has not begun
        self.owners = []  # the watch of each entry of `meters`
        from .station_meters import by_client  # only now: see forget

        self.watches = [
            MeterWatch(reader, clock, self._epoch, on_event, self._recall, lost_after)
            for reader in readers
        ]
        self._recalled = recalled
        self._to_recall = len(readers)
        self._buses = by_client(self.watches)
        self._on_reading = on_reading
        self.on_meters = on_meters
        self._timing = timing or Timing()
        self.check_in = check_in or (lambda: None)

    def set_interval_s(self, interval_s):
        """From the next poll on, counted from the last one."""
        self.interval_ms = 1000 * interval_s

    async def run(self):
        """Poll for ever, on the grid that begins now. A long poll leaves slots out."""
        slot_ms = self.clock.mono_ms()
        if self.first_after_ms > slot_ms:
            slot_ms = await self._next_slot(self.first_after_ms - self.interval_ms)
        while True:
            self._due_ms = None
            await self.poll_once()
            self.between()
            slot_ms = await self._next_slot(slot_ms)

    def idle_ms(self):
        """Milliseconds until the next poll begins; 0 while meters are being asked."""
        if self._due_ms is None:
            return 0
        return max(0, self._due_ms - self.clock.mono_ms())

    def watch_of(self, index):
        """The watch of an entry of the table of meters."""
        return self.owners[index]

    def poll_soon(self):
        """One reading of every meter as soon as may be; the grid stays as it is."""
        self._soon = True

    async def poll_once(self):
        """One reading of every meter."""
        if len(self._buses) == 1:
            await self._poll_bus(self._buses[0])
        else:
            await asyncio.gather(*[self._poll_bus(bus) for bus in self._buses])

    def health(self):
        """Error counters for each entry of the table of meters."""
        return [owner.reader.counters() for owner in self.owners]

    async def _next_slot(self, slot_ms):
        """Sleep until the next slot after `slot_ms`, in slices: the watchdog must hear of us."""
        late = (self.clock.mono_ms() - slot_ms) // self.interval_ms
        self.missed += late
        while True:
            self.check_in()
            due_ms = self._due_ms = slot_ms + (late + 1) * self.interval_ms
            left_ms = due_ms - self.clock.mono_ms()
            if left_ms <= 0:
                return due_ms
            if self._soon:
                self._soon = False
                return due_ms - self.interval_ms
            await self._timing.sleep_ms(min(left_ms, _SLICE_MS))

    async def _poll_bus(self, watches):
        for watch in watches:
            self.check_in()
            try:
                snap = await watch.poll()
            except MeterError as error:  # no room in the table: the others are read all the same
                log.error("meter", "left out", unit=watch.reader.unit, code=error.code)
                continue
            self._hand_over(watch.index, snap)

    def _hand_over(self, index, snap):
        reading = Reading(
            self.next_sequence,
            self.clock.boot,
            snap.mono_ms // 100,
            index,
            snap.status,
            snap.flags,
            snap.present,
            bytes(snap.words),
        )
        self.next_sequence += 1  # before anything can fail: no number is ever given twice
        self._on_reading(reading)

    def _epoch(self, watch, identity, setup):
        """See meter_table; raises what the journal raises, and nothing has changed then."""
        from .meter_table import enter  # seldom

        try:
            return enter(self, watch, identity, setup)
        finally:
            del enter
            forget.modules("meter_table")

    def _recall(self, watch):
        """Once for each meter: see meter_recall."""
        if self._recalled:
            from .meter_recall import resume

            resume(self._recalled, watch, self.meters[watch.index], self.clock)
            del resume
            forget.modules("meter_recall")
        self._to_recall -= 1
        if self._to_recall <= 0:
            self._recalled = None
