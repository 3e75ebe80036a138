"""One connector's charging session, from its first reading to its last: a pure state machine.

| state | event | next | note |
|---|---|---|---|
| idle | trigger (contact, power held, command) and a good reading | active | begin |
| active | trigger gone and a good reading | ended | TX `E`; by command `L` or `R` |
| active | contact was open in between, or another user named | ended | TX `E` |
| active | another meter, or a register below the last | ended | TX `A`, at the last good one |
| active | no good reading for `PATIENCE_MS` | ended | TX `A`, at the last good one |
| active, restarted | trigger still there, same meter | active | a reading TX `C` is kept |
| active, restarted | trigger gone, same meter | ended | TX `P`; commanded before: `L`, `R` |
| active, restarted | no power for more than `OUTAGE_MS` | ended | TX `P`, before the cut |
| ended | its record is durable | idle | after `A`: blocked until the trigger was gone |

A hold (of power) is an unbroken row of good readings of one meter. Must never use a reading that
failed or was flagged, never let time or register run backwards, and never pass a user on to a
session that began without him.
"""

from . import ocmf
from .constant import const
from .session_gate import follows

IDLE, ACTIVE, ENDED, BLOCKED = "idle", "active", "ended", "blocked"
CONTACT, POWER, COMMAND = "contact", "power", "command"
PATIENCE_MS = const(900000)
OUTAGE_MS = const(3600000)  # who charges afterwards is somebody else, for all that is known
NAMED_MS = const(600000)  # a user who was named, or a start, without a session
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
        self.cut = None  # last reading before a power cut of which the length is not known yet
        self.tx = ""
        self.middle = []
        self.idle_mwh = -1  # since the session before; -1: not known
        self.before = None  # (meter, milliwatt-hours) at the end of the session before
        self.requested = False  # by command
        self.closed = False  # the contactor, as last seen
        self.leaving = False  # ends with the next good reading, whatever the trigger says then
        self.reason = "E"
        self.restarted = False
        self.user_next = ""
        self._named_ms = None
        self._hold = None  # [first, its time, newest] of a power that is being held
        self._good_ms = None

    # -- what the controller says

    def start(self, user, mono_ms):
        """A command, or the user of the next session; somebody else ends the present one."""
        if self.state == ACTIVE and not self.leaving:
            if user in ("", self.user):
                return
            self.leaving = True
        self.user_next, self.requested, self._named_ms = user, True, mono_ms

    def stop(self, reason):
        """A command; `reason` is `L` (local) or `R` (remote)."""
        if self._commanded() and self.state == ACTIVE and not self.leaving:
            self.leaving, self.reason = True, reason
        self._forget_next()

    def expire(self, mono_ms):
        """The pseudonym of who was named too long ago; None if that was nobody."""
        if self._named_ms is None or mono_ms - self._named_ms < NAMED_MS:
            return None
        user = self.user_next
        self._forget_next()
        return user

    def contact(self, closed):
        """The contactor moved; True if that has to be kept."""
        self.closed = closed
        if closed or self.state not in (ACTIVE, BLOCKED):
            return False
        if self.state == BLOCKED:
            self.state = IDLE
        self.leaving = self.state == ACTIVE
        return True

    # -- what the meter says

    def take(self, seen):
        """One reading; True if something changed that has to be kept."""
        if self.state == ACTIVE:
            return self._take_active(seen)
        if self.state == BLOCKED and seen.mark and not self._wanted(seen):
            self.state = IDLE
            return True
        return self.state == IDLE and self._take_idle(seen)

    def _take_idle(self, seen):
        first = self._first(seen)
        if first is None:
            return False
        self.state, self.begin, self.last = ACTIVE, first, seen.mark
        self.end, self.tx, self.middle, self.cut = None, "", [], None
        self.serial, self.model = seen.serial, seen.model
        self.user, self.user_next, self._named_ms = self.user_next, "", None
        self.idle_mwh = -1
        if self.before and self.before[0] == first.meter:
            self.idle_mwh = max(-1, first.mwh - self.before[1])
        self.restarted = self.leaving = False
        self.reason, self._hold = "E", None
        self._good_ms = seen.mono_ms
        return True

    def _first(self, seen):
        """The reading with which a session begins, or None."""
        if seen.mark is None or not self._wanted(seen):
            self._hold = None
            return None
        if self.settings["trigger"] != POWER:
            return seen.mark
        if not self._hold or not follows(self._hold[2], seen.mark):
            self._hold = [seen.mark, seen.mono_ms, None]
        self._hold[2] = seen.mark
        if seen.mono_ms - self._hold[1] < 1000 * self.settings["start_hold_s"]:
            return None
        return self._hold[0]

    def _take_active(self, seen):
        if seen.mark is None:
            return self._missed(seen)
        self._good_ms = seen.mono_ms
        mark = self._forward(seen.mark)
        if not follows(self.last, mark):
            return self._finish(self.last, "A")
        if self.restarted and (not self.cut or self.cut.letter == ocmf.UNKNOWN):
            self.cut = self.last  # else an older one is still to be judged
        if self._too_long(seen):
            self.middle = [one for one in self.middle if one.sequence <= self.cut.sequence]
            return self._finish(self.cut, "P")
        if self.leaving:
            return self._finish(mark, self.reason)
        if self.restarted:
            return self._resume(mark, seen)
        if self._wanted(seen):
            self.last, self._hold = mark, None
            return False
        return self._release(mark, seen.mono_ms)

    def _resume(self, mark, seen):
        """First good reading after a power cut."""
        self.restarted = False
        if not self._wanted(seen):
            return self._finish(mark, "P")
        self.middle = (self.middle + [mark])[-_MOST_MIDDLE:]
        self.last = mark
        return True

    def _too_long(self, seen):
        """Whether the power was away too long; judged as soon as the time is known."""
        if not self.cut or ocmf.UNKNOWN in (self.cut.letter, seen.mark.letter):
            return False
        away_ms = seen.mark.t_unix_ms - seen.mono_ms - self.cut.t_unix_ms
        if away_ms > OUTAGE_MS:
            return True
        self.cut = None
        return False

    def _release(self, mark, mono_ms):
        """The trigger is gone; a low power has to stay low for a while."""
        self.last = mark
        if self.settings["trigger"] != POWER:
            return self._finish(mark, "E")
        self._hold = self._hold or [mark, mono_ms, mark]
        if mono_ms - self._hold[1] < 1000 * self.settings["stop_hold_s"]:
            return False
        return self._finish(self._hold[0], "E")

    def _missed(self, seen):
        self._hold = None
        if self._good_ms is None:
            self._good_ms = seen.mono_ms
        if seen.mono_ms - self._good_ms < PATIENCE_MS:
            return False
        return self._finish(self.last, "A")

    def _finish(self, mark, tx):
        self.state, self.end, self.tx, self._hold = ENDED, mark, tx, None
        if self._commanded() and not self.leaving:
            self._forget_next()
        self.restarted = self.leaving = False
        self.cut = None
        return True

    def abandon(self):
        """Nothing will be heard of this connector any more."""
        if self.state == ACTIVE:
            self._finish(self.last, "A")

    def issued(self, refused=False):
        """The record is durable, or will never be: ready for the next session."""
        if not refused:
            self.before = (self.end.meter, self.end.mwh)
        aborted = self.tx == "A" and not self._commanded()
        self.state = BLOCKED if aborted else IDLE
        self.begin = self.last = self.end = None
        self.user, self.middle = "", []

    def _forget_next(self):
        self.requested, self.user_next, self._named_ms = False, "", None

    def _forward(self, mark):
        """A time that went back is not known: the last one, and letter U."""
        if mark.t_unix_ms >= self.last.t_unix_ms:
            return mark
        sequence, _, _, mwh, decimals, meter = mark
        return ocmf.Mark(sequence, self.last.t_unix_ms, ocmf.UNKNOWN, mwh, decimals, meter)

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
