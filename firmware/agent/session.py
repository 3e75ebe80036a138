"""One connector's charging session, from its first reading to its last: a pure state machine.

| state | event | next | note |
|---|---|---|---|
| idle | trigger (contact, power held, command) and a good reading | active | begin |
| active | trigger gone and a good reading | ended | TX `E`; by command `L` or `R` |
| active | another meter, or a register below the last | ended | TX `A`, at the last good one |
| active | no good reading for `PATIENCE_MS` | ended | TX `A`, at the last good one |
| active, restarted | trigger still there, same meter | active | a reading TX `C` is kept |
| active, restarted | trigger gone, same meter | ended | TX `P` |
| ended | its record is durable | idle | after `A`: blocked until the trigger was gone |

Must never use a reading that failed or was flagged, and never let time or register run backwards.
"""

from . import ocmf
from .constant import const

IDLE, ACTIVE, ENDED, BLOCKED = "idle", "active", "ended", "blocked"
CONTACT, POWER, COMMAND = "contact", "power", "command"
PATIENCE_MS = const(900000)
_MOST_MIDDLE = const(2)


class Seen:
    """What a reading says about one connector's meter; `mark` is None if it was not good."""

    def __init__(self, mark, mono_ms, power_mw=None, serial="", model=""):
        self.mark = mark
        self.mono_ms = mono_ms
        self.power_mw = power_mw
        self.serial = serial
        self.model = model


class Session:
    """`settings`: a section `sessions[]` of the configuration. Public fields are what is kept."""

    def __init__(self, settings):
        self.settings = settings
        self.state = IDLE
        self.user = ""  # pseudonym in hexadecimal, or empty
        self.serial = self.model = ""
        self.begin = self.last = self.end = None
        self.tx = ""
        self.middle = []
        self.idle_mwh = -1  # since the session before; -1: not known
        self.before = None  # (serial, milliwatt-hours) at the end of the session before
        self.requested = False  # by command
        self.closed = False  # the contactor, as last seen
        self.restarted = False
        self.user_next = ""
        self._reason = "E"
        self._held = None  # first reading of a power that is being held
        self._good_ms = None

    # -- what the controller says

    def start(self, user):
        """A command, or the user of the next session that the contact or the power begins."""
        self.user_next = user
        self.requested = True

    def stop(self, reason):
        """A command; `reason` is `L` (local) or `R` (remote)."""
        self.requested = False
        self._reason = reason

    # -- what the meter says

    def take(self, seen):
        """One reading; True if something changed that has to be kept."""
        if self.state == ACTIVE:
            return self._take_active(seen)
        if seen.mark is None:
            return False
        if self.state == BLOCKED:
            if not self._wanted(seen):
                self.state = IDLE
                return True
            return False
        return self.state == IDLE and self._take_idle(seen)

    def _take_idle(self, seen):
        first = self._first(seen)
        if first is None:
            return False
        self.state, self.begin, self.last = ACTIVE, first, seen.mark
        self.end, self.tx, self.middle = None, "", []
        self.serial, self.model = seen.serial, seen.model
        self.user, self.user_next = self.user_next, ""
        self.idle_mwh = self._idle(first)
        self.restarted, self._reason, self._held = False, "E", None
        self._good_ms = seen.mono_ms
        return True

    def _idle(self, first):
        """Energy between two sessions of one meter, which belongs to neither."""
        if self.before is None or self.before[0] != self.serial:
            return -1
        return max(-1, first.mwh - self.before[1])

    def _first(self, seen):
        """The reading with which a session begins, or None."""
        if not self._wanted(seen):
            self._held = None
            return None
        if self.settings["trigger"] != POWER:
            return seen.mark
        self._held = self._held or (seen.mark, seen.mono_ms)
        if seen.mono_ms - self._held[1] < 1000 * self.settings["start_hold_s"]:
            return None
        return self._held[0]

    def _take_active(self, seen):
        if seen.mark is None:
            return self._missed(seen)
        self._good_ms = seen.mono_ms
        mark = self._forward(seen.mark)
        if seen.serial != self.serial or mark.mwh < self.last.mwh:
            return self._finish(self.last, "A")
        wanted = self._wanted(seen)
        if self.restarted:
            self.restarted = False
            if not wanted:
                return self._finish(mark, "P")
            self.middle = (self.middle + [mark])[-_MOST_MIDDLE:]
            self.last = mark
            return True
        if wanted:
            self.last, self._held = mark, None
            return False
        return self._release(mark, seen.mono_ms)

    def _release(self, mark, mono_ms):
        """The trigger is gone; a low power has to stay low for a while."""
        held = self._held or (mark, mono_ms)
        self.last = mark
        if self.settings["trigger"] == POWER:
            self._held = held
            if mono_ms - held[1] < 1000 * self.settings["stop_hold_s"]:
                return False
        return self._finish(held[0], self._reason if self._commanded() else "E")

    def _missed(self, seen):
        if self._good_ms is None:
            self._good_ms = seen.mono_ms
        if seen.mono_ms - self._good_ms < PATIENCE_MS:
            return False
        return self._finish(self.last, "A")

    def _finish(self, mark, tx):
        self.state, self.end, self.tx, self._held = ENDED, mark, tx, None
        self.requested = False
        return True

    def issued(self):
        """The record is durable: ready for the next session."""
        self.before = (self.serial, self.end.mwh)
        aborted = self.tx == "A" and not self._commanded()
        self.state = BLOCKED if aborted else IDLE
        self.begin = self.last = self.end = None
        self.user, self.middle, self.restarted = "", [], False

    def _forward(self, mark):
        """A time that went back is not known: the last one, and letter U."""
        if mark.t_unix_ms >= self.last.t_unix_ms:
            return mark
        return ocmf.Mark(mark.sequence, self.last.t_unix_ms, ocmf.UNKNOWN, mark.mwh, mark.decimals)

    def _commanded(self):
        return self.settings["trigger"] == COMMAND

    def _wanted(self, seen):
        trigger = self.settings["trigger"]
        if trigger == CONTACT:
            return self.closed
        if trigger == COMMAND:
            return self.requested
        if seen.power_mw is None:
            return self.state == ACTIVE
        key = "stop_power_w" if self.state == ACTIVE else "start_power_w"
        return seen.power_mw >= 1000 * self.settings[key]
