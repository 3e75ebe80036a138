"""One meter under watch: is it there, is it still the same meter, can its total be true?

| state | event | next | note |
|---|---|---|---|
| present | `lost_after` polls in a row without any answer | lost | event meter_lost |
| lost | an answer | present | event meter_found; identity is read before the reading goes on |
| present | identity or set-up registers differ | present | new epoch, event meter_changed |
| present | total went elsewhere and stayed there | present | event meter_changed, same epoch |

While a meter is lost it is asked once a poll. The first total of a boot is judged by the last one
before it. Must never let a flagged total become a baseline by itself, nor a reading go on under an
identity that is no longer the meter's.
"""

from . import log
from .constant import const
from .errors import ModbusError
from .meter_reader import IMPLAUSIBLE
from .plausibility import Baseline

METER_LOST, METER_FOUND, METER_CHANGED = 3, 4, 5  # event kinds, WIRE_FORMAT.md section 6
PRESENT, LOST = "present", "lost"
_DAY_MS = const(86400000)
_RETRY_MS = const(600000)  # after identity could not be read
_SOON = const(3)  # attempts, one a poll, before that


class MeterWatch:
    """`on_epoch(watch, identity, setup) -> index` enters the meter with these registers into the
    table, or raises; `on_event(kind, detail)`; `recall(watch)` makes the last total before
    this boot its baseline.
    """

    def __init__(self, reader, clock, on_epoch, on_event, recall, lost_after=3):
        self.reader = reader
        self.state = PRESENT
        self.index = None  # newest epoch in the table of meters
        self.identity = ()
        self.setup = ()
        self._clock = clock
        self._on_epoch = on_epoch
        self._on_event = on_event
        self._recall = recall
        self._lost_after = lost_after
        self.baseline = Baseline(reader.rated_power_w)
        self._failures = 0
        self._unexpected = False
        self._known = False  # identity was read at least once
        self._unread = 0  # failed attempts to find out who it is; None: it is known
        self._identity_due_ms = 0

    @property
    def identified(self):
        """Whether identity is what it is: read, or not to be had."""
        return self._unread is None or self._unread >= _SOON

    async def poll(self):
        """One snapshot, judged; `index` names the epoch that it belongs to."""
        snap = await self.reader.snapshot(self.state == LOST)
        if snap.present:
            await self._answered()
            await self._judge(snap)
        else:
            self._silent()
        if self.index is None:
            self.index = self._on_epoch(self, (), ())
        if self._unexpected:
            snap.flags |= IMPLAUSIBLE
        return snap

    async def _answered(self):
        self._failures = 0
        found = self.state == LOST
        if found:
            self.state, self._unread = PRESENT, 0
            log.info("meter", "found", unit=self.reader.unit)
            self._on_event(METER_FOUND, [self.index])
        if found or self._clock.mono_ms() >= self._identity_due_ms:
            await self._identify()

    def _silent(self):
        self._failures += 1
        if self._failures < self._lost_after or self.state == LOST:
            return
        self.reader.forget_place()
        if self.index is None:
            self.index = self._on_epoch(self, (), ())
        self.state = LOST
        log.warn("meter", "lost", unit=self.reader.unit, polls=self._failures)
        self._on_event(METER_LOST, [self.index])

    async def _judge(self, snap):
        """Read an implausible total once more; what stays implausible is flagged."""
        if not self._doubted(snap):
            return
        await self.reader.reread_total(snap)
        reason = self._doubted(snap)
        if reason and await self._identify():
            reason = self._doubted(snap)
        if not reason:
            return
        snap.flags |= IMPLAUSIBLE
        log.warn("meter", "implausible", unit=self.reader.unit, reason=reason)
        total_mwh, step_mwh, _ = self.reader.total(snap, self.setup)
        if self.baseline.doubt(total_mwh, snap.mono_ms, step_mwh):
            self._on_event(METER_CHANGED, [self.index, self.index])

    def _doubted(self, snap):
        """Why the total cannot be true; None, and the new baseline, if it can."""
        total = self.reader.total(snap, self.setup)
        if total is None:
            return None
        reason = self.baseline.judge(total[0], snap.mono_ms, total[1], total[2])
        if reason is None:
            self.baseline.believe(total[0], snap.mono_ms)
        return reason

    async def _identify(self):
        """Read identity and set-up registers; True if this is another meter than before."""
        try:
            found = await self.reader.read_identity()
        except ModbusError as error:
            log.warn("meter", "no-identity", unit=self.reader.unit, code=error.code)
            if self._unread is not None:
                self._unread += 1
            if self.identified:
                self._identity_due_ms = self._clock.mono_ms() + _RETRY_MS
            return False
        if found.unexpected:
            log.error("meter", "unexpected", unit=self.reader.unit, registers=found.unexpected)
            self.reader.forget_place()
        self._unexpected = bool(found.unexpected)
        self._identity_due_ms = 0  # again, should the table refuse what was found
        changed = self._take(found.identity, found.setup)
        self._unread = None
        self._identity_due_ms = self._clock.mono_ms() + _DAY_MS
        return changed

    def _take(self, identity, setup):
        """Nothing is believed of these registers before the table has taken them."""
        if self._known and (self.identity, self.setup) == (identity, setup):
            return False
        index = self._on_epoch(self, identity, setup)  # which may move the other entries
        before, self.index = self.index, index
        self.identity, self.setup = identity, setup
        changed, self._known = self._known, True
        if changed:
            self.baseline.reset()
            log.warn("meter", "changed", unit=self.reader.unit)
            self._on_event(METER_CHANGED, [index if before is None else before, index])
        else:
            self._recall(self)
        return changed
