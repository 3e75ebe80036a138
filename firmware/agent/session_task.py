"""Charging sessions of the station: watches triggers, follows readings, issues OCMF records.

Loaded only where the configuration has `sessions` or `fiscal_interval_s`. A reading is in the
journal before it gets here. Signing waits until the bus is idle. A driver is named by a keyed
pseudonym (HMAC-SHA256) from the first moment on: must never keep, log or write an identifier, and
never let a session, its store or its key stop the sampling.
"""

import binascii

from . import log, session_meter, session_record
from .constant import const
from .errors import FwError, JournalFull, SessionError
from .session import ACTIVE, CONTACT, ENDED, Session
from .session_book import Book
from .session_fiscal import Fiscal
from .session_user import pseudonym_hex

_EVENT = const(16)
_TASK_RESTARTED = const(9)
_LOOK_MS = const(250)
_LOOKS = const(2)  # a contact that is found moved so often in a row has moved
_RETRY_MS = const(10000)  # after the key did not sign, or the store did not keep
_SIGN_MS = const(700)
_KEEP_MS = const(900000)  # how old the kept reading of an open session may be
# What may go wrong here without anybody else being told; a fault is reported, sampling goes on.
_FAULTS = (FwError, OSError, ValueError, LookupError, TypeError, MemoryError)
_STEPS = {"E": "end", "L": "end", "R": "end", "P": "power", "A": "abort"}


class Sessions:
    """`parts`: (journal, meters, clock, signer, recorder); `key`: see session_user."""

    def __init__(self, config, board, parts, key, sleep_ms):
        self._journal, self._meters, self._clock, self._signer, self._recorder = parts
        self._config = config
        self._key = key
        self._sleep_ms = sleep_ms
        self.sessions = [Session(section) for section in config["sessions"]]
        self._contacts = [self._contact(board, session) for session in self.sessions]
        self._moved = [0] * len(self.sessions)  # looks at which a contact was found moved
        self._kept_ms = 0
        self._told = ""  # code of the fault that was reported last
        self._pause_until_ms = 0
        self._broken = None  # why there are no sessions in this boot
        for session, is_closed in zip(self.sessions, self._contacts):
            session.closed = bool(is_closed and is_closed())
        self._open_book(board.store)

    def _open_book(self, store):
        """What cannot be read is left as it is: pages might be given out twice."""
        named = {number + 1: session for number, session in enumerate(self.sessions)}
        try:
            self.book = Book(store, self._journal, named)
        except _FAULTS as error:
            self._broken = error
            self._report(error)
            return
        self._fiscal = Fiscal(self._config["fiscal_interval_s"], self.book.fiscal, self._clock)
        for number, user in self.book.dropped:
            self._tell(number, user, "expired")
        for number in self.book.sessions:
            if number > len(self.sessions):
                self._tell(number, self.book.sessions[number].user, "abort")
        self._safely(self.book.recover)

    def _contact(self, board, session):
        settings = session.settings
        if settings["trigger"] != CONTACT:
            return None
        return board.contactor(settings["contact_pin"])

    async def run(self, check_in):
        """For ever."""
        while True:
            check_in()
            self.look()
            self.step()
            await self._sleep_ms(_LOOK_MS)

    def look(self):
        """The contactors; a change asks for a reading at once. Who was named too long ago."""
        if not self._broken:
            self._safely(self._look)

    def _look(self):
        changed = False
        for number, (session, is_closed) in enumerate(zip(self.sessions, self._contacts)):
            closed = bool(is_closed and is_closed())
            self._moved[number] = self._moved[number] + 1 if closed != session.closed else 0
            if self._moved[number] >= _LOOKS:
                self._moved[number] = 0
                changed = session.contact(closed) or changed
                self._meters.poll_soon()
            expired = session.expire(self._clock.mono_ms())
            if expired is not None:
                self._tell(number + 1, expired, "expired")
                changed = True
        if changed:
            self.book.save()

    def step(self):
        """Issue one record if there is one and the bus is idle; True if one was issued."""
        if self._broken or self._clock.mono_ms() < self._pause_until_ms:
            return False
        if self._meters.idle_ms() < min(_SIGN_MS, self._meters.interval_ms // 2):
            return False
        return bool(self._safely(self._issue))

    def _issue(self):
        if self.book.pending:
            self.book.recover()
            return True
        self.book.recover()
        sessions = self.book.sessions
        ended = [number for number in sorted(sessions) if sessions[number].state == ENDED]
        fiscal = not ended and self._fiscal.waits()
        if ended:
            self._issue_session(ended[0], sessions[ended[0]])
        elif fiscal:
            self.book.issue("F", lambda page: self._fiscal.record(page, self._signer))
        self._told = ""
        return bool(ended or fiscal)

    def _issue_session(self, number, session):
        point = "%s %d" % (self._config["station_id"], number)
        user = session.user
        try:
            self.book.issue(
                "T",
                lambda page: session_record.transaction(session, point, page, self._signer),
                session,
            )
        except SessionError as error:
            log.error("sessions", "refused", code=error.code, text=str(error))
            session.issued(refused=True)
            self.book.save()
            self._tell(number, user, "refused")
        if session.closed or session.requested:
            self._meters.poll_soon()  # the next one has begun already
        if number > len(self.sessions) and session.state != ENDED:
            del self.book.sessions[number]

    # -- faults

    def _safely(self, act):
        """`act()`, or None after a fault, which is reported once."""
        try:
            return act()
        except JournalFull:
            return None  # ended sessions wait in the book
        except _FAULTS as error:
            self._report(error)
            self._pause_until_ms = self._clock.mono_ms() + _RETRY_MS
            return None

    def _report(self, error):
        code = getattr(error, "code", None)
        code = code if isinstance(code, str) else type(error).__name__
        if code != self._told:
            self._told = code
            log.error("sessions", "fault", code=code, text=str(error))
            self._recorder.event(_TASK_RESTARTED, ["sessions", code])

    # -- readings

    def on_reading(self, reading):
        """A reading that is durable."""
        if not self._broken:
            self._safely(lambda: self._follow(reading))

    def _follow(self, reading):
        watch = self._meters.watch_of(reading.meter)
        meter = self._meters.watches.index(watch)
        seen = session_meter.seen(watch, reading, self._clock)
        self._fiscal.note(meter, watch, reading, seen, self._meters.interval_ms // 2)
        steps, judged = [], False
        for number, session in enumerate(self.sessions):
            if session.settings["meter"] == meter:
                before, cut = session.state, session.cut
                if session.take(seen):
                    steps.append((number + 1, session.user, _step(before, session)))
                judged = judged or session.cut is not cut  # not once more after the next cut
        active = any([session.state == ACTIVE for session in self.sessions])
        if steps or judged or (active and seen.mono_ms - self._kept_ms >= _KEEP_MS):
            self._kept_ms = seen.mono_ms
            self.book.save()  # before it is told: what was told has a record
        for step in steps:
            if step[2]:
                self._tell(*step)

    def _tell(self, number, user, step):
        self._recorder.event(_EVENT, [number, step, binascii.unhexlify(user)])

    # -- commands

    def command(self, connector, verb, user=""):
        """`start`, `stop` or `stop-remote` from the controller; the session's pseudonym in hex."""
        if self._broken:
            raise SessionError("session-book", "expected kept sessions, found: %s" % self._broken)
        if not 1 <= connector <= len(self.sessions):
            raise SessionError(
                "session-connector",
                "expected a connector from 1 to %d, found %d" % (len(self.sessions), connector),
            )
        session = self.sessions[connector - 1]
        if verb == "start":
            named = pseudonym_hex(self._key, user)
            session.start(named, self._clock.mono_ms())
        elif verb in ("stop", "stop-remote"):
            named = session.user
            session.stop("R" if verb == "stop-remote" else "L")
        else:
            raise SessionError(
                "session-verb", "expected start, stop or stop-remote, found %r" % verb[:20]
            )
        self.book.save()
        self._meters.poll_soon()
        return named


def _step(before, session):
    """What an event says of a session that changed."""
    if session.state == ACTIVE:
        return "begin" if before != ACTIVE else "resume"
    return _STEPS[session.tx] if session.state == ENDED else None
