"""Charging sessions of the station: watches triggers, follows readings, issues OCMF records.

Loaded only where the configuration has `sessions` or `fiscal_interval_s`. A reading is in the
journal before it gets here. Signing waits until the bus is idle. A driver is named by a keyed
pseudonym (HMAC-SHA256) from the first moment on: must never keep, log or write an identifier, and
never let a session stop the sampling.
"""

import binascii
import hashlib

from . import ocmf, session_meter
from .constant import const
from .errors import JournalFull, SessionError
from .session import ACTIVE, CONTACT, ENDED, Session
from .session_book import Book
from .version import VERSION

_EVENT = const(16)
_LOOK_MS = const(250)
_SIGN_MS = const(700)
_KEEP_MS = const(900000)  # how old the kept reading of an open session may be
_PSEUDONYM_LEN = const(16)
_MOST_USER = const(64)
_MOST_NAME = const(80)
_KEY_NAME = const("pseudonym_key")
_STEPS = {"E": "end", "L": "end", "R": "end", "P": "power", "A": "abort"}


def pseudonym(key, user):
    """First 16 bytes of HMAC-SHA256 (RFC 2104) of the UTF-8 of `user`."""
    block = key if len(key) <= 64 else hashlib.sha256(key).digest()
    block = block + bytes(64 - len(block))
    inner = hashlib.sha256(bytes([b ^ 0x36 for b in block]) + user.encode()).digest()
    outer = hashlib.sha256(bytes([b ^ 0x5C for b in block]) + inner)
    return outer.digest()[:_PSEUDONYM_LEN]


def pseudonym_key(board, secret):
    """The operator's key if there is one, or one made here, once."""
    if secret:
        return secret.encode()
    key = board.store.get(_KEY_NAME)
    if not key:
        key = board.random(32)
        board.store.set(_KEY_NAME, key)
    return key


class Sessions:
    """`parts`: (journal, meters, clock, signer, recorder); `key`: see `pseudonym_key`."""

    def __init__(self, config, board, parts, key, sleep_ms):
        self._journal, self._meters, self._clock, self._signer, self._recorder = parts
        self._config = config
        self._key = key
        self._sleep_ms = sleep_ms
        self.sessions = [Session(section) for section in config["sessions"]]
        self._contacts = [self._contact(board, session) for session in self.sessions]
        self.book = Book(board.store, self._journal, self.sessions)
        self._fiscal_ms = {}  # meter -> monotonic time of its last fiscal reading
        self._fiscal = {}  # meter -> what its fiscal record says
        self._kept_ms = 0
        for session, is_closed in zip(self.sessions, self._contacts):
            session.closed = bool(is_closed and is_closed())
        try:
            self.book.recover()
        except JournalFull:
            pass  # stays in the book until there is room

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
        """The contactors; a change asks for a reading at once."""
        for session, is_closed in zip(self.sessions, self._contacts):
            closed = bool(is_closed and is_closed())
            if closed != session.closed:
                session.closed = closed
                self._meters.poll_soon()

    def step(self):
        """Issue one record if there is one and the bus is idle; True if one was issued."""
        if self._meters.idle_ms() < min(_SIGN_MS, self._meters.interval_ms // 2):
            return False
        try:
            return self._issue()
        except JournalFull:
            return False  # ended sessions wait in the book

    def _issue(self):
        if self.book.pending:
            self.book.recover()
            return True
        ended = [n for n, session in enumerate(self.sessions) if session.state == ENDED]
        if ended:
            number = ended[0]
            self.book.issue(
                "T", lambda page: self._transaction(number, page), self.sessions[number]
            )
        elif self._fiscal:
            head, item = self._fiscal.pop(min(self._fiscal))
            self.book.issue("F", lambda page: self._record(page, head, [item]))
        else:
            return False
        return True

    # -- readings

    def on_reading(self, reading):
        """A reading that is durable."""
        watch = self._meters.watch_of(reading.meter)
        meter = self._meters.watches.index(watch)
        seen = session_meter.seen(watch, reading, self._clock)
        changed = False
        for number, session in enumerate(self.sessions):
            if session.settings["meter"] == meter:
                changed = self._take(number, session, seen) or changed
        active = any(session.state == ACTIVE for session in self.sessions)
        if changed or (active and seen.mono_ms - self._kept_ms >= _KEEP_MS):
            self._kept_ms = seen.mono_ms
            self.book.save()
        self._note_fiscal(meter, watch, reading, seen)

    def _take(self, number, session, seen):
        before = session.state
        if not session.take(seen):
            return False
        if session.state == ACTIVE:
            self._tell(number, session, "begin" if before != ACTIVE else "resume")
        elif session.state == ENDED:
            self._tell(number, session, _STEPS[session.tx])
        return True

    def _tell(self, number, session, step):
        self._recorder.event(_EVENT, [number + 1, step, binascii.unhexlify(session.user)])

    def _note_fiscal(self, meter, watch, reading, seen):
        interval_ms = 1000 * self._config["fiscal_interval_s"]
        due_ms = self._fiscal_ms.get(meter, -interval_ms) + interval_ms
        if not interval_ms or seen.mono_ms < due_ms:
            return
        self._fiscal_ms[meter] = seen.mono_ms
        serial = seen.serial or "%s/%d" % (seen.model, watch.reader.unit)
        state = session_meter.state_letter(reading, bool(seen.serial))
        if seen.mark:
            item = ocmf.reading(seen.mark)
        else:
            sync = ocmf.letter(self._clock.anchor(), self._clock.error_ms())
            t_unix_ms = session_meter.time_ms(self._clock, seen.mono_ms)
            item = ocmf.failed(t_unix_ms, sync, "E" if state == "G" else state)
        user = [("IS", "false"), ("IT", '"NONE"')]  # strict verifiers want them in every record
        sequence = [("US", '"%d"' % reading.sequence)]
        self._fiscal[meter] = (self._meter(serial, seen.model) + user + sequence, item)

    # -- commands

    def command(self, connector, verb, user=""):
        """`start`, `stop` or `stop-remote` from the controller; the session's pseudonym in hex."""
        if not 1 <= connector <= len(self.sessions):
            raise SessionError(
                "session-connector",
                "expected a connector from 1 to %d, found %d" % (len(self.sessions), connector),
            )
        session = self.sessions[connector - 1]
        if verb == "start":
            session.start(self._pseudonym(user))
        elif verb in ("stop", "stop-remote"):
            session.stop("R" if verb == "stop-remote" else "L")
        else:
            raise SessionError(
                "session-verb", "expected start, stop or stop-remote, found %r" % verb[:20]
            )
        self.book.save()
        self._meters.poll_soon()
        return session.user_next if verb == "start" else session.user

    def _pseudonym(self, user):
        if len(user.encode()) > _MOST_USER:
            raise SessionError(
                "session-user",
                "expected an identifier of at most %d bytes, found %d; nothing was begun"
                % (_MOST_USER, len(user.encode())),
            )
        if not user:
            return ""
        return binascii.hexlify(pseudonym(self._key, user)).decode()

    # -- records

    def _transaction(self, number, page):
        session = self.sessions[number]
        middle = session.middle
        while True:
            marks = [session.begin] + middle + [session.end]
            places = ["B"] + ["C"] * len(middle) + [session.tx]
            items = [ocmf.reading(mark, tx) for mark, tx in zip(marks, places)]
            record = self._record(page, self._head(number, session, marks), items)
            if len(record) <= ocmf.MAX_LEN or not middle:
                return record
            middle = middle[1:]

    def _head(self, number, session, marks):
        fields = self._meter(session.serial, session.model)
        if session.user:
            fields += [("IS", "true"), ("IL", '"HEARSAY"'), ("IT", '"UNDEFINED"')]
            fields.append(("ID", ocmf.quoted(session.user)))
        else:
            fields += [("IS", "false"), ("IL", '"NONE"'), ("IT", '"NONE"')]
        point = ocmf.quoted("%s %d" % (self._config["station_id"], number + 1))
        if len(point) <= _MOST_NAME:
            fields += [("CT", '"CBIDC"'), ("CI", point)]
        fields.append(("US", '"%s"' % " ".join([str(mark.sequence) for mark in marks])))
        if session.idle_mwh >= 0:
            fields.append(("UI", '"%s"' % ocmf.kwh(session.idle_mwh, 6)))
        return fields

    def _meter(self, serial, model):
        return [("MM", ocmf.quoted(model)), ("MS", ocmf.quoted(serial))]

    def _record(self, page, head, items):
        kid = binascii.hexlify(self._signer.kid_8).decode()
        fields = [("FV", '"1.3"'), ("GI", '"Meterseal"'), ("GS", ocmf.quoted(kid))]
        fields += [("GV", ocmf.quoted(VERSION)), ("PG", '"%s"' % page)]
        return ocmf.signed(ocmf.payload(fields + head, items), self._signer)
