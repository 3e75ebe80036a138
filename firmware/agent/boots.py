"""Counts boots in the state store, so that a boot alone never has to touch the journal.

A board in a brown-out loop boots thousands of times without living long enough to read a meter.
Such boots are counted here and coalesced into the one event of the first boot that writes a
reading. Must never hand out the same boot number twice: the number is durable before it is used.
"""

import struct

from agent.constant import const

EVENT_BOOT, EVENT_RESET = 1, 10

UNKNOWN, POWER_ON, EXTERNAL, WATCHDOG, SOFTWARE, BROWN_OUT, DEEP_SLEEP = 0, 1, 2, 3, 4, 5, 6

_NAME = const("boots")
_RESET = const("reset_reason")
_LAYOUT = const(">III")
_LOOP = const(3)  # so many boots in a row without a reading are a loop
_PAUSE_MAX_S = const(900)


class Boots:
    """`boot`: number of this boot; `coalesced`: boots before it that nothing was written of.

    `changes`: see changes.Changes; what else the first reading of a boot brings with it.
    """

    def __init__(self, store, reset_cause, changes=None):
        self._store = store
        self._changes = changes
        blob = store.get(_NAME)
        known = blob is not None and len(blob) == 12
        last, unreported, _ = struct.unpack(_LAYOUT, blob) if known else (0, 0, 0)
        self.boot = last + 1
        self.coalesced = unreported
        self.reset_cause = reset_cause
        self.reset_reason = store.get(_RESET)
        self._save(unreported + 1)

    def _save(self, unreported):
        packed = struct.pack(_LAYOUT, self.boot, min(unreported, 0xFFFFFFFF), self.reset_cause)
        self._store.set(_NAME, packed)

    def events(self):
        """(kind, detail) of what the journal says of this boot before its first reading."""
        told = [(EVENT_BOOT, [self.reset_cause, self.coalesced])]
        if self.reset_reason:
            told.append((EVENT_RESET, [bytes(self.reset_reason).decode()]))
        return told + (self._changes.events() if self._changes else [])

    def reported(self):
        """The events are durable in the journal: the next boot counts from here."""
        self._save(0)
        if self._changes:
            self._changes.reported()
        if self.reset_reason:
            self._store.set(_RESET, b"")
            self.reset_reason = None

    def keep_reset_reason(self, reason):
        """Call before a deliberate reset: the next boot reports why."""
        self._store.set(_RESET, reason[:64].encode())

    def radio_pause_s(self):
        """Seconds to leave the radio off: it is what draws the current in a brown-out loop."""
        if self.coalesced < _LOOP:
            return 0
        return min(10 << min(self.coalesced - _LOOP, 10), _PAUSE_MAX_S)
