"""Polls every meter on a fixed grid of time and hands each reading over before the next poll.

Keeps the table of meter epochs that the readings refer to; within one boot it only grows. Buses
are polled in parallel, the meters of one bus one after the other. Must never touch the journal,
and never let one meter's silence stop the others.
"""

import asyncio

from .constant import const
from .errors import MeterError
from .meter_watch import MeterWatch
from .modbus.timing import Timing
from .reading import Meter, Reading

_MOST_EPOCHS = const(32)
_SLICE_MS = const(2000)


class MeterTask:
    """`readers`: MeterReader in the order of the configuration.

    `on_reading(reading)`; `on_meters(table)`, called before the first reading that needs it;
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
    ):
        self.clock = clock
        self.interval_ms = 1000 * interval_s
        self.next_sequence = next_sequence
        self.meters = []
        self.missed = 0
        self._due_ms = None  # of the next poll; None while meters are being asked
        self._soon = False
        _check_told_apart(readers)
        self._owners = []  # the watch of each entry of `meters`
        self.watches = [
            MeterWatch(reader, clock, self._epoch, on_event, lost_after) for reader in readers
        ]
        self._buses = _by_client(self.watches)
        self._on_reading = on_reading
        self._on_meters = on_meters
        self._timing = timing or Timing()
        self.check_in = check_in or (lambda: None)

    def set_interval_s(self, interval_s):
        """From the next poll on, counted from the last one."""
        self.interval_ms = 1000 * interval_s

    async def run(self):
        """Poll for ever, on the grid that begins now. A long poll leaves slots out."""
        slot_ms = self.clock.mono_ms()
        while True:
            self._due_ms = None
            await self.poll_once()
            slot_ms = await self._next_slot(slot_ms)

    def idle_ms(self):
        """Milliseconds until the next poll begins; 0 while meters are being asked."""
        if self._due_ms is None:
            return 0
        return max(0, self._due_ms - self.clock.mono_ms())

    def watch_of(self, index):
        """The watch of an entry of the table of meters."""
        return self._owners[index]

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
        return [owner.reader.counters() for owner in self._owners]

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
            snap = await watch.poll()
            self._hand_over(watch.index, snap)

    def _hand_over(self, index, snap):
        self._on_reading(
            Reading(
                self.next_sequence,
                self.clock.boot,
                snap.mono_ms // 100,
                index,
                snap.status,
                snap.flags,
                snap.present,
                bytes(snap.words),
            )
        )
        self.next_sequence += 1

    def _epoch(self, watch):
        """Index of the meter as it is now; an entry that was there before is taken again."""
        profile = watch.reader.profile
        meter = Meter(
            profile.id,
            profile.hash_16,
            watch.reader.unit,
            watch.identity,
            watch.setup,
            profile.layout(),
        )
        for index, known in enumerate(self.meters):
            if known == meter:
                return index
        if len(self.meters) >= _MOST_EPOCHS:
            raise MeterError(
                "meter-epochs",
                "expected at most %d meters and changes in one boot; check unit ids and wiring"
                % _MOST_EPOCHS,
            )
        self.meters.append(meter)
        self._owners.append(watch)
        self._on_meters(tuple(self.meters))
        return len(self.meters) - 1


def _by_client(watches):
    """Watches grouped by their client, in order."""
    buses = []
    for watch in watches:
        for bus in buses:
            if bus[0].reader.client is watch.reader.client:
                bus.append(watch)
                break
        else:
            buses.append([watch])
    return buses


def _check_told_apart(readers):
    """What is sealed must say which meter it is: two alike need serial numbers or different unit
    ids.
    """
    seen = []
    for reader in readers:
        name = (reader.profile.id, reader.unit)
        if name in seen and not reader.profile.identity:
            raise MeterError(
                "meter-alike",
                "expected meters that can be told apart, found two %s with unit id %d: change one"
                % name,
            )
        seen.append(name)
