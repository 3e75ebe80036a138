"""Counts boots in the state store, so that a boot alone never has to touch the journal.

A board in a brown-out loop boots thousands of times without living long enough to read a meter.
Such boots are counted here and coalesced into the one event of the first boot that writes a
reading. A boot that ends within minutes is short, whatever it wrote: short ones in a row are a
loop, in which the radio stays off for longer and longer and the first reading waits, so that a
board that boots every few seconds journals no more than one that runs. Must never hand out the
same boot number twice: the number is durable before it is used.
"""

import struct

from agent import log
from agent.constant import const

EVENT_BOOT, EVENT_RESET = 1, 10

UNKNOWN, POWER_ON, EXTERNAL, WATCHDOG, SOFTWARE, BROWN_OUT, DEEP_SLEEP = 0, 1, 2, 3, 4, 5, 6

_NAME = const("boots")
_RESET = const("reset_reason")
_LAYOUT = const(">III")
_LOOP = const(3)  # so many short boots in a row are a loop
_FIRST_STEP_S = const(10)
_PAUSE_MAX_S = const(900)


class Boots:
    """`boot`: number of this boot; `coalesced`: boots before it that nothing was written of;
    `short`: boots before it, in a row, that did not live for minutes.

    `changes`: see changes.Changes; what else the first reading of a boot brings with it.
    """

    def __init__(self, store, reset_cause, changes=None):
        self._store = store
        self._changes = changes
        blob = store.get(_NAME)
        known = blob is not None and len(blob) == 12
        last, unreported, short = struct.unpack(_LAYOUT, blob) if known else (0, 0, 0)
        self.boot = last + 1
        self.coalesced = unreported
        self.short = short
        self.reset_cause = reset_cause
        self.reset_reason = store.get(_RESET)
        self._counts = (unreported + 1, short + 1)
        self._save(*self._counts)

    def _save(self, unreported, short):
        self._store.set(_NAME, struct.pack(_LAYOUT, self.boot, unreported, short))
        self._counts = (unreported, short)

    def events(self):
        """(kind, detail) of what the journal says of this boot before its first reading."""
        told = [(EVENT_BOOT, [self.reset_cause, self.coalesced])]
        if self.reset_reason:
            told.append((EVENT_RESET, [bytes(self.reset_reason).decode()]))
        return told + (self._changes.events() if self._changes else [])

    def reported(self):
        """The events are durable in the journal: the next boot counts from here."""
        self._save(0, self._counts[1])
        if self._changes:
            self._changes.reported()
        if self.reset_reason:
            self._store.set(_RESET, b"")
            self.reset_reason = None

    def lived(self):
        """Minutes have passed: this boot is no part of a loop."""
        if not self._counts[1]:
            return
        try:
            self._save(self._counts[0], 0)
        except OSError as error:
            log.warn("boots", "not kept", errno=error.args[0] if error.args else 0)
            self._counts = (self._counts[0], 0)  # not tried again in this boot

    def keep_reset_reason(self, reason):
        """Call before a deliberate reset: the next boot reports why."""
        keep_reset_reason(self._store, reason)

    def radio_pause_s(self):
        """Seconds to leave the radio off: it is what draws the current in a brown-out loop."""
        return self._backed_off_s(_PAUSE_MAX_S)

    def first_poll_s(self, interval_s):
        """Seconds to wait with the first reading: in a loop as long as between two others."""
        return self._backed_off_s(interval_s)

    def _backed_off_s(self, longest_s):
        if self.short < _LOOP:
            return 0
        return min(_FIRST_STEP_S << min(self.short - _LOOP, 10), longest_s)


def keep_reset_reason(store, reason):
    """The next boot reports it; a store that refuses must not prevent the reset."""
    try:
        store.set(_RESET, reason[:64].encode())
    except OSError as error:
        log.warn("boots", "reason not kept", errno=error.args[0] if error.args else 0)
