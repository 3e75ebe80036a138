"""The records ring: what was measured and is not yet sealed.

A record is one small program of flash. Every sector begins with the context in force, so that it
can be read alone. A sector is free again once the mark of a durable batch has passed it; the mark
is an address in this ring. Payloads are opaque. This module must never erase what lies behind the
mark.
"""

import struct

from agent.errors import JournalError
from agent.journal_flash import SECTOR
from agent.journal_record import ANCHOR, CONTEXT, EVENT, HEADER, READING

MAX_CONTEXT_LEN = 3072
MAX_RECORD_LEN = 900
_KINDS = (READING, ANCHOR, EVENT)


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
            context, before = self._new_context, self._context
            self._context = context
            if self._ring.append(CONTEXT, context) is None:
                self._open(give_up, before)
            self._new_context = None
        while self._ring.append(kind, payload) is None:
            self._open(give_up, self._context)

    def _check(self, kind, payload):
        if kind not in _KINDS:
            raise JournalError("journal-kind", "expected kind 2, 3 or 4, found %d" % kind)
        if len(payload) > MAX_RECORD_LEN:
            raise _too_large("record", MAX_RECORD_LEN, len(payload))
        if kind == READING and not (self._context or self._new_context):
            raise JournalError(
                "journal-context", "expected a context before the first reading; call set_context"
            )

    def _open(self, give_up, context_if_refused):
        """Begin the next sector with the context in force."""
        ring = self._ring
        while True:
            epoch = ring.following(ring.head)
            try:
                while epoch - ring.count >= self._state.mark // SECTOR:
                    give_up()
            except JournalError:
                self._context = context_if_refused
                raise
            own = struct.pack(">IHI", *divmod(self._state.mark, SECTOR), 0)
            if ring.start(epoch, own, CONTEXT, self._context):
                return

    def unsealed(self):
        """Yield (kind, payload) from the mark on; contexts only where they change."""
        ring = self._ring
        epoch, start = divmod(max(self._state.mark, ring.oldest * SECTOR), SECTOR)
        self.yielded = self._state.mark
        context = b""
        due = None  # the context in force that was not yielded yet
        while epoch <= ring.head:
            for offset, kind, payload, end in ring.walk(epoch):
                if kind == CONTEXT:
                    due = None if payload == context else bytes(payload)
                elif offset >= start:
                    if due:
                        yield CONTEXT, due
                        context = due
                    due = None
                    self.yielded = epoch * SECTOR + end
                    yield kind, bytes(payload)
            epoch += 1
            start = 0

    def recover(self):
        """Read the newest sector: the context in force and where to go on; True if torn."""
        ring = self._ring
        end = HEADER
        for _, kind, payload, after in ring.walk(ring.head):
            end = after
            if kind == CONTEXT:
                self._context = bytes(payload)
        return ring.settle(end)

    def mark_in_header(self):
        """The mark when the newest sector was begun, in case the batches ring is gone."""
        own = self._ring.own_bytes(self._ring.head)
        epoch, offset = struct.unpack(">IH", own[:6]) if own else (0, 0)
        return epoch * SECTOR + offset


def _too_large(what, limit, found):
    return JournalError(
        "journal-too-large",
        "%s: expected at most %d bytes, found %d; use fewer meters or registers"
        % (what, limit, found),
    )
