"""Gathers unsealed journal records until a batch is full.

A batch ends before a jump of the sequence numbers, at `max_readings`, at about `max_len` bytes and
when the table of meters is full; what follows stays in the journal for the next one. A record that
cannot be what it claims is never allowed to block those behind it: it is counted, passed over, and
the jump that it leaves is stated as lost. Nothing here writes anything.
"""

from agent import cbor
from agent.batch_table import MeterTable
from agent.constant import const
from agent.errors import ReadingError
from agent.reading import Context, unpack, words_len
from agent.rows import Rows

CONTEXT = 1
READING = 2
ANCHOR = 3
EVENT = 4
OCMF = 5

_ROW_OVERHEAD = const(20)  # at most: sequence, time, quality and patches of one reading
_ANCHOR_HEAD = const(0x85)  # array of five
_EVENT_HEAD = const(0x84)  # array of four
_METER_EVENTS = const((3, 4, 5))  # their detail names meters, section 6


class Gathered:
    """What one batch will hold, and `mark`: the place in the journal behind it."""

    def __init__(self, last_sequence, max_readings, max_len):
        self.contexts = []
        self.rows = Rows(self.contexts)
        self.anchors = []
        self.events = []
        self.ocmf = []
        self.malformed = 0
        self.mark = None
        self.complete = True  # nothing was left for the next batch
        self.records = 0  # readings, anchors and events behind which `mark` stands
        self._table = MeterTable()
        self._indices = None  # table index of each meter of the newest context, once it is used
        self._context = None  # the newest context and its packed form
        self._packed = None
        self._last = last_sequence
        self._max_readings = max_readings
        self._room = max_len

    def take(self, kind, payload):
        """Take one record; False if the batch has to end before it."""
        if kind == CONTEXT:
            return self._take_context(payload)
        if self.records and self._room < len(payload) + _ROW_OVERHEAD:
            return False
        try:
            if kind == READING:
                return self._take_reading(payload)
            if kind == ANCHOR:
                self._take_anchor(payload)
            elif kind == EVENT:
                self._take_event(payload)
            elif kind == OCMF:
                self._take_ocmf(payload)
        except (ReadingError, ValueError, IndexError):
            self.malformed += 1
        return True

    def _take_context(self, payload):
        payload = bytes(payload)
        if payload == self._packed:
            return True
        try:
            context = Context.unpack(payload)
        except ReadingError:
            self.malformed += 1
            context = None
        if context and not self._table.would_hold(context):
            return False
        if context and self._context and context.meters == self._context.meters:
            context.meters = self._context.meters  # of many short boots one table is kept
        self._packed, self._context, self._indices = payload, context, None
        return True

    def use_context(self):
        """Enter the newest context into the batch; one that nothing refers to stays out."""
        if self._context is None:
            raise ReadingError("reading-context", "expected a context before the record")
        if self._indices is None:
            self._indices = self._table.add(self._context)
            self.contexts.append(self._context)
            self._room -= len(self._packed)
        return self._indices

    def _take_reading(self, payload):
        if len(self.rows) >= self._max_readings:
            return False
        if self._context is None:
            raise ReadingError("reading-context", "expected a context before the reading")
        reading = unpack(payload, self._context.boot, self._last)
        _check_fits(reading, self._context)
        if self.rows and reading.sequence != self._last + 1:
            return False
        self.use_context()
        self._last = reading.sequence
        self._room -= len(payload) + _ROW_OVERHEAD
        self.rows.append(len(self.contexts) - 1, reading.sequence, payload)
        self.records += 1
        return True

    def _take_anchor(self, payload):
        if payload[0] != _ANCHOR_HEAD:
            raise ValueError("anchor: expected an array of five")
        boot, offset = cbor.read_uint(payload, 1)
        mono_ms, _ = cbor.read_uint(payload, offset)
        self.add_anchor(boot, mono_ms, bytes(payload))
        self.records += 1

    def add_anchor(self, boot, mono_ms, encoded):
        """Add an anchor unless it is there."""
        if (boot, mono_ms) not in [anchor[:2] for anchor in self.anchors]:
            self.anchors.append((boot, mono_ms, encoded))
            self._room -= len(encoded)

    def _take_event(self, payload):
        if payload[0] != _EVENT_HEAD:
            raise ValueError("event: expected an array of four")
        kind, _ = cbor.read_uint(payload, 1)
        encoded = self._renumbered(payload) if kind in _METER_EVENTS else bytes(payload)
        self.events.append(cbor.Raw(encoded))
        self._room -= len(encoded)
        self.records += 1

    def _take_ocmf(self, payload):
        self.ocmf.append(bytes(payload).decode())
        self._room -= len(payload) + 3
        self.records += 1

    def _renumbered(self, payload):
        """The event with the context's meter indices replaced by those of the batch's table."""
        offset = 1
        for _ in range(3):
            _, offset = cbor.read_uint(payload, offset)
        out = bytearray(payload[:offset])
        count, offset = cbor.read_uint(payload, offset)
        cbor.append_array_head(out, count)
        indices = self.use_context()
        for _ in range(count):
            meter, offset = cbor.read_uint(payload, offset)
            cbor.append(out, indices[meter])
        return bytes(out)

    def meter_indices(self, boot):
        """Table index of each meter of `boot`, or None if the batch ends before that boot."""
        if self._context is None or self._context.boot != boot:
            return None
        return self.use_context()

    def meter_count(self):
        """Meter epochs in the table so far."""
        return len(self._table.epochs)

    def wire_anchors(self):
        """Anchors ordered by (boot, mono_ms)."""
        return [cbor.Raw(anchor[2]) for anchor in sorted(self.anchors)]


def _check_fits(reading, context):
    if reading.meter >= len(context.meters):
        raise ReadingError("reading-meter", "expected a meter of the context")
    if len(reading.words) != words_len(context.meters[reading.meter].columns):
        raise ReadingError("reading-words", "expected the words of all columns")


def gather(journal, last_sequence, max_readings, max_len):
    """Gather from the journal what one batch can hold."""
    gathered = Gathered(last_sequence, max_readings, max_len)
    for kind, payload in journal.unsealed():
        if not gathered.take(kind, payload):
            gathered.complete = False
            break
        gathered.mark = journal.mark()
    return gathered
