"""The records ring: what was measured and is not yet sealed.

A record is one small program of flash. Every sector begins with the context in force, so that it
can be read alone. A sector is free again once the mark of a durable batch has passed it; the mark
is an address in this ring. Payloads are opaque. This module must never erase what lies behind the
mark.
"""

import struct

from agent.constant import const
from agent.errors import JournalError
from agent.journal_flash import SECTOR
from agent.journal_record import ANCHOR, CONTEXT, EVENT, HEADER, OCMF, READING, binding
from agent.reading import MAX_CONTEXT_LEN

MAX_RECORD_LEN = 900
_KINDS = (READING, ANCHOR, EVENT, OCMF)
_OWN = const(">IHH")  # in the sector header: mark (epoch, offset), binding of the first context


class RecordRing:
    """Appends to `ring` and reads back what lies behind the mark in `state`."""

    def __init__(self, ring, state):
        self._ring = ring
        self._state = state
        self._context = b""  # in force at the end of the ring
        self._new_context = None  # to be written before the next record
        self.yielded = 0  # address behind the record that unsealed() yielded last

    def set_context(self, context):
        """Write this context before the next record, unless it is in force already."""
        if len(context) > MAX_CONTEXT_LEN:
            raise _too_large("context", MAX_CONTEXT_LEN, len(context))
        context = bytes(context)
        self._new_context = None if context == self._context else context

    def append(self, kind, payload, give_up):
        """Durable on return. `give_up` frees the oldest sector or raises JournalFull."""
        self._check(kind, payload)
        if self._new_context is not None:
            context = self._new_context
            if self._ring.append(CONTEXT, context) is None:
                self._open(give_up, context)
            self._put_in_force(context)
            self._new_context = None
        while self._ring.append(kind, payload) is None:
            self._open(give_up, self._context)

    def _put_in_force(self, context):
        self._context = context
        self._ring.bind = binding(context)

    def _check(self, kind, payload):
        if kind not in _KINDS:
            raise JournalError("journal-kind", "expected kind 2 to 5, found %d" % kind)
        if len(payload) > MAX_RECORD_LEN:
            raise _too_large("record", MAX_RECORD_LEN, len(payload))
        if kind == READING and not (self._context or self._new_context):
            raise JournalError(
                "journal-context", "expected a context before the first reading; call set_context"
            )

    def _open(self, give_up, context):
        """Begin the next sector with a context."""
        ring = self._ring
        while True:
            epoch = ring.following(ring.head)
            while epoch - ring.count >= self._state.mark // SECTOR:
                give_up()
            own = struct.pack(_OWN, *divmod(self._state.mark, SECTOR), binding(context))
            if ring.start(epoch, own, CONTEXT, context):
                return

    def unsealed(self):
        """Yield (kind, payload) from the mark on; contexts only where they change.

        An empty one says that the context of the records behind it is damaged and found nowhere.
        """
        ring = self._ring
        epoch, start = divmod(max(self._state.mark, ring.oldest * SECTOR), SECTOR)
        self.yielded = self._state.mark
        context = yielded = b""
        while epoch <= ring.head:
            context, bind = self.context_at(epoch, context)
            for offset, kind, payload, end in ring.walk(epoch, bind):
                if kind == CONTEXT:
                    context = bytes(payload)
                elif offset >= start:
                    if context != yielded:
                        yield CONTEXT, context or b""
                        yielded = context
                    self.yielded = epoch * SECTOR + end
                    yield kind, bytes(payload)
            epoch += 1
            start = 0

    def context_at(self, epoch, before):
        """(context with which a sector begins or None, its binding), if need be from nearby."""
        ring = self._ring
        record = ring.load(epoch, HEADER)
        if record and record[0] == CONTEXT:
            return bytes(record[1]), binding(record[1])
        own = ring.own_bytes(epoch)
        bind = struct.unpack(_OWN, own)[2] if own else 0
        if before is not None and binding(before) == bind:
            return before, bind
        for near in (epoch - 1, epoch + 1):
            for _, kind, payload, _ in ring.walk(near):
                if kind == CONTEXT and binding(payload) == bind:
                    return bytes(payload), bind
        return None, bind

    def recover(self):
        """Read the newest sector: the context in force and where to go on; True if torn."""
        ring = self._ring
        context, bind = self.context_at(ring.head, b"")
        end = HEADER
        for _, kind, payload, after in ring.walk(ring.head, bind):
            end = after
            if kind == CONTEXT:
                context, bind = bytes(payload), binding(payload)
        self._context, ring.bind = context or b"", bind
        return ring.settle(end)

    def mark_in_header(self):
        """The mark when the newest sector was begun, in case the batches ring is gone."""
        own = self._ring.own_bytes(self._ring.head)
        epoch, offset, _ = struct.unpack(_OWN, own) if own else (0, 0, 0)
        return epoch * SECTOR + offset


def _too_large(what, limit, found):
    return JournalError(
        "journal-too-large",
        "%s: expected at most %d bytes, found %d; use fewer meters or registers"
        % (what, limit, found),
    )
