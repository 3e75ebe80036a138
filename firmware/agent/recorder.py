"""Puts what happens into the journal, in the order in which it happened.

What comes before the first reading of a boot waits in RAM and is written with it: a board in a
brown-out loop, which never gets as far as a reading, writes nothing. Must never raise for want of
room, of memory or of a flash that can be written: what the journal refuses is counted, logged, and
stated by the sealer as a jump of the sequence.
"""

from . import cbor, log
from .constant import const
from .errors import JournalError, JournalFull
from .journal import ANCHOR, EVENT, READING
from .reading import Context, pack

_MOST_WAITING = const(24)
_STOPPED = const(13)  # event sampling_stopped
_JOURNAL_FULL = const(1)
_REFUSALS = (JournalError, OSError, MemoryError)


class Recorder:
    """`on_written(reading)` is called when a reading is durable."""

    def __init__(self, journal, clock, boots, on_written):
        self._journal = journal
        self._clock = clock
        self._boots = boots
        self._on_written = on_written
        self._waiting = []
        self._started = False  # the boot's own events wait too
        self._reported = False  # everything that waited is written
        self._stopped = False
        self.broken = False  # the flash refused: the journal is to be mounted again
        self.dropped = 0

    @property
    def is_open(self):
        """Whether a reading of this boot is durable: events go into the journal at once."""
        return self._reported

    def meters(self, table):
        """The table of meters that the following readings refer to; none yet: an empty one."""
        if table:
            self._journal.set_context(Context(self._clock.boot, table).pack())

    def reading(self, reading):
        """Make a reading durable; behind what was waiting for the first one."""
        try:
            self._write_waiting()
            self._journal.append(READING, pack(reading))
        except _REFUSALS as error:
            self._refused(error)
            return
        self._stopped = False
        self._on_written(reading)

    def event(self, kind, detail):
        """An event of WIRE_FORMAT section 6, with boot and time."""
        try:
            entry = [kind, self._clock.boot, self._clock.mono_ms(), detail]
            self._record(EVENT, cbor.encode(entry))
        except MemoryError as error:
            self._refused(error)

    def anchor(self, anchor):
        """A time anchor of WIRE_FORMAT section 5."""
        self._record(ANCHOR, cbor.encode(anchor))

    def clock_set(self, source, step_ms, anchor):
        """The clock was set: the anchor, and the event that says by how much."""
        self.anchor(anchor)
        self.event(2, [source, step_ms])

    def _record(self, kind, payload):
        if not self._reported:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append((kind, payload))
            else:
                self.dropped += 1
            return
        try:
            self._journal.append(kind, payload)
        except _REFUSALS as error:
            self._refused(error)

    def _write_waiting(self):
        """What happened before the first reading: the boot itself first. Goes on where a full
        journal stopped it.
        """
        if self._reported:
            return
        if not self._started:
            events = [(kind, self._clock.boot, 0, detail) for kind, detail in self._boots.events()]
            self._waiting = [(EVENT, cbor.encode(event)) for event in events] + self._waiting
            self._started = True
        while self._waiting:
            self._journal.append(*self._waiting[0])
            self._waiting.pop(0)
        self._reported = True
        self._boots.reported()

    def _refused(self, error):
        self.dropped += 1
        full = isinstance(error, JournalFull)
        self.broken = self.broken or not (full or isinstance(error, MemoryError))
        if not self._stopped:
            log.error("journal", "refused", code=getattr(error, "code", type(error).__name__))
        self._stopped = self._stopped or full

    def resumed(self):
        """Room again after `stop`: state that sampling had stopped."""
        if self._stopped:
            self._stopped = False
            self.event(_STOPPED, [_JOURNAL_FULL])
