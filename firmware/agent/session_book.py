"""What sessions must not forget over a power cut: one blob in the state store.

It holds both page numbers, the open sessions, and the record that is being issued. Issuing takes
three durable steps: the blob with the new page number and the record in it; the record in the
journal; the blob without it. A cut behind the first or the second is repaired at the next start by
looking whether the journal has that record. So a page number is never used twice, and a session
has one record. Must never hold anything that identifies a driver in plain form.
"""

import binascii

from .constant import const
from .errors import SessionError
from .ocmf import Mark

NAME = "sessions"
_VERSION = const("1")
_OCMF = const(5)  # kind of journal record


class Book:
    """`pages`: the last page number of each of the contexts T and F; 0: none yet."""

    def __init__(self, store, journal, sessions):
        self._store = store
        self._journal = journal
        self._sessions = sessions
        self.pages = {"T": 0, "F": 0}
        self.pending = ""  # record of which it is not known whether the journal has it
        blob = store.get(NAME)
        if blob:
            self._load(blob.decode())

    def recover(self):
        """After the journal was mounted: the record that a power cut left half issued."""
        if not self.pending:
            return
        held = self.pending.encode()
        if held not in [payload for kind, payload in self._journal.unsealed() if kind == _OCMF]:
            self._journal.append(_OCMF, held)
        self.pending = ""
        self.save()

    def issue(self, context, make, session=None):
        """Give out the next page: `make(page)` gives the record, `session` is the one it ends."""
        self.recover()
        page = self.pages[context] + 1
        record = make(context + str(page))
        self.pages[context] = page
        self.pending = record
        if session:
            session.issued()
        self.save()
        self._journal.append(_OCMF, record.encode())  # JournalFull: it stays pending
        self.pending = ""
        self.save()
        return record

    def save(self):
        """Everything, durably and as one."""
        lines = [" ".join((_VERSION, str(self.pages["T"]), str(self.pages["F"])))]
        lines += [_line(session) for session in self._sessions]
        lines.append(self.pending)
        self._store.set(NAME, "\n".join(lines).encode())

    def _load(self, text):
        lines = text.split("\n")
        head = lines[0].split(" ")
        if head[0] != _VERSION or len(head) != 3:
            raise SessionError(
                "session-book",
                "expected version %s of the kept sessions, found %r; was the firmware downgraded?"
                % (_VERSION, lines[0][:20]),
            )
        self.pages = {"T": int(head[1]), "F": int(head[2])}
        self.pending = lines[-1]
        for session, line in zip(self._sessions, lines[1:-1]):
            _restore(session, line)


def _line(session):
    before = session.before or ("", -1)
    parts = [session.state, session.user or "-", _hex(session.serial), _hex(session.model)]
    parts += [session.tx or "-", str(session.idle_mwh), _hex(before[0]), str(before[1])]
    parts += [str(int(session.requested)), session.user_next or "-"]
    parts += [_mark(one) for one in [session.begin, session.last, session.end] + session.middle]
    return " ".join(parts)


def _restore(session, line):
    parts = line.split(" ")
    session.state, session.user = parts[0], parts[1].replace("-", "")
    session.serial, session.model = _text(parts[2]), _text(parts[3])
    session.tx, session.idle_mwh = parts[4].replace("-", ""), int(parts[5])
    session.before = (_text(parts[6]), int(parts[7])) if int(parts[7]) >= 0 else None
    session.requested, session.user_next = parts[8] == "1", parts[9].replace("-", "")
    marks = [_read_mark(part) for part in parts[10:]]
    session.begin, session.last, session.end = marks[:3]
    session.middle = marks[3:]
    session.restarted = session.state == "active"


def _mark(mark):
    return ",".join([str(part) for part in mark]) if mark else "-"


def _read_mark(text):
    if text == "-":
        return None
    parts = text.split(",")
    return Mark(int(parts[0]), int(parts[1]), parts[2], int(parts[3]), int(parts[4]))


def _hex(text):
    return binascii.hexlify(text.encode()).decode() or "-"


def _text(text):
    return "" if text == "-" else binascii.unhexlify(text).decode()
