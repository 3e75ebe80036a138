"""What sessions must not forget over a power cut: one blob in the state store.

It holds both page numbers, a line for each connector, the time of each meter's last fiscal
reading, and the record that is being issued. Issuing takes three durable steps: the blob with the
new page number and the record in it; the record in the journal; the blob without it. A cut behind
the first or the second is repaired at the next start by looking whether the journal has that
record. So a page number is never used twice, and a session has one record. Must never hold
anything that identifies a driver in plain form.
"""

import binascii

from .constant import const
from .errors import SessionError
from .ocmf import Mark
from .session import ACTIVE, ENDED, Session
from .session_gate import check_record

NAME = "sessions"
_VERSION = const("2")
_OCMF = const(5)  # kind of journal record
_OPEN = (b" active ", b" ended ", b"\nP ")
_LEFT = {"trigger": "command", "meter": -1}  # of a connector that the configuration has no more


def is_open(store):
    """Whether a session or a record waits in the store."""
    blob = bytes(store.get(NAME) or b"")
    return any([mark in blob for mark in _OPEN])


def settle(store, journal):
    """Without the station: the record that is being issued goes from the blob to the journal."""
    lines = bytes(store.get(NAME) or b"").split(b"\n")
    kept = [line for line in lines if line[:2] != b"P "]
    for line in lines:
        if line[:2] == b"P ":
            _append_once(journal, line[2:])
    if len(kept) < len(lines):
        store.set(NAME, b"\n".join(kept))


def _append_once(journal, record):
    if record not in [payload for kind, payload in journal.unsealed() if kind == _OCMF]:
        journal.append(_OCMF, record)  # JournalFull: it stays pending


class Book:
    """`pages`: the last page number of each of the contexts T and F; 0: none yet.

    `sessions`: connector -> Session; those that the configuration has no more are added while they
    are open. `fiscal`: meter -> Unix time of its last fiscal reading. `dropped`: (connector, user)
    who was named before the power went.
    """

    def __init__(self, store, journal, sessions):
        self._store = store
        self._journal = journal
        self._durable = True  # what is in RAM is in the store
        self.sessions = sessions
        self.pages = {"T": 0, "F": 0}
        self.fiscal = {}
        self.dropped = []
        self.pending = ""  # record of which it is not known whether the journal has it
        blob = store.get(NAME)
        if blob:
            try:
                self._load(bytes(blob).decode().split("\n"))
            except (ValueError, LookupError):
                raise SessionError(
                    "session-book",
                    "expected kept sessions of version %s, found %r; was the firmware downgraded?"
                    % (_VERSION, bytes(blob)[:20]),
                )

    def recover(self):
        """Complete what a power cut, a full journal or a failing store left half done."""
        if not self._durable:
            self.save()
        if not self.pending:
            return
        _append_once(self._journal, self.pending.encode())
        self.pending = ""
        self.save()

    def issue(self, context, make, session=None):
        """Give out the next page: `make(page)` gives the record, `session` is the one it ends."""
        self.recover()
        page = self.pages[context] + 1
        record = make(context + str(page))
        check_record(record)
        self.pages[context] = page
        self.pending = record
        if session:
            session.issued()
        self._durable = False
        self.recover()

    def save(self):
        """Everything, durably and as one."""
        self._durable = False
        lines = [" ".join((_VERSION, str(self.pages["T"]), str(self.pages["F"])))]
        lines += [_line(number, self.sessions[number]) for number in sorted(self.sessions)]
        lines += ["F %d %d" % (meter, self.fiscal[meter]) for meter in sorted(self.fiscal)]
        if self.pending:
            lines.append("P " + self.pending)
        self._store.set(NAME, "\n".join(lines).encode())
        self._durable = True

    def _load(self, lines):
        version, t_page, f_page = lines[0].split(" ")
        if version != _VERSION:
            raise ValueError
        self.pages = {"T": int(t_page), "F": int(f_page)}
        for line in lines[1:]:
            kind, line = line[0], line[2:]
            if kind == "P":
                self.pending = line
            elif kind == "F":
                meter, t_unix_ms = line.split(" ")
                self.fiscal[int(meter)] = int(t_unix_ms)
            else:
                self._load_session(line.split(" "))

    def _load_session(self, parts):
        number = int(parts[0])
        if number in self.sessions:
            session = self.sessions[number]
            _restore(session, parts)
            if session.user_next and (session.state != ACTIVE or session.leaving):
                self.dropped.append((number, session.user_next))
                self._durable = False  # told once
            if session.state != ACTIVE or session.leaving:
                session.requested, session.user_next = False, ""
            return
        session = Session(_LEFT)
        _restore(session, parts)
        session.abandon()
        if session.state == ENDED:
            self.sessions[number] = session


def _line(number, session):
    before = session.before or (0, -1)
    flags = int(session.requested) + 2 * int(session.leaving)
    parts = ["S", str(number), session.state, session.user or "-", session.user_next or "-"]
    parts += [_word(session.serial), _word(session.model), session.tx or "-", session.reason]
    parts += [str(flags), str(session.idle_mwh), str(before[0]), str(before[1])]
    marks = [session.begin, session.last, session.end, session.cut] + session.middle
    parts += [_mark(mark) for mark in marks]
    return " ".join(parts)


def _restore(session, parts):
    session.state, session.user, session.user_next = parts[1], _text(parts[2]), _text(parts[3])
    session.serial, session.model, session.tx = _text(parts[4]), _text(parts[5]), _text(parts[6])
    session.reason, session.idle_mwh = parts[7], int(parts[9])
    session.requested, session.leaving = bool(int(parts[8]) & 1), bool(int(parts[8]) & 2)
    before = int(parts[10]), int(parts[11])
    session.before = before if before[1] >= 0 else None
    marks = [_read_mark(part) for part in parts[12:]]
    session.begin, session.last, session.end, session.cut = marks[:4]
    session.middle = marks[4:]
    session.restarted = session.state == ACTIVE


def _mark(mark):
    return ",".join([str(part) for part in mark]) if mark else "-"


def _read_mark(text):
    if text == "-":
        return None
    sequence, t_unix_ms, letter, mwh, decimals, meter = text.split(",")
    return Mark(int(sequence), int(t_unix_ms), letter, int(mwh), int(decimals), int(meter))


def _word(text):
    """One word of a line; what would be none goes in hexadecimal."""
    if text and text[0] not in "-%" and all([33 <= ord(one) < 127 for one in text]):
        return text
    return "%" + binascii.hexlify(text.encode()).decode() if text else "-"


def _text(word):
    if word[0] == "%":
        return binascii.unhexlify(word[1:]).decode()
    return "" if word == "-" else word
