"""The one gate in front of every OCMF signature: what does not pass is never signed.

Whatever went wrong before, a record that leaves is one that verifiers accept: begin not behind end
in register and time, one meter, exactly two pipes, ASCII, short enough for the journal. Must never
mend what it finds.
"""

import binascii

from . import ocmf
from .constant import const
from .errors import SessionError

_PIPES = const(2)


def meter_id(serial):
    """Which meter a mark is of."""
    return binascii.crc32(serial.encode()) & 0xFFFFFFFF


def follows(before, mark):
    """Whether `mark` may stand behind `before` in one record."""
    return (
        mark.meter == before.meter
        and mark.t_unix_ms >= before.t_unix_ms
        and mark.mwh >= before.mwh
        and _shown(mark) >= _shown(before)
    )


def check_marks(marks, serial):
    """The readings of one session; SessionError `session-order` or `session-meter`."""
    for number, mark in enumerate(marks[1:]):
        before = marks[number]
        if not follows(before, mark):
            raise SessionError(
                "session-order",
                "expected readings of one meter that fall neither in time nor in register, found "
                "numbers %d and %d; no record" % (before.sequence, mark.sequence),
            )
    if not serial or marks[0].meter != meter_id(serial):
        raise SessionError("session-meter", "expected readings of one meter %r" % serial[:40])


def check_text(text, longest=ocmf.MAX_LEN):
    """A payload or record on its way; SessionError `session-length` or `session-text`."""
    if len(text) > longest:
        raise SessionError(
            "session-length", "expected at most %d characters, found %d" % (longest, len(text))
        )
    if any([not 32 <= ord(character) < 127 for character in text]):
        raise SessionError("session-text", "expected ASCII on one line, found something else")


def check_record(record):
    """The signed record, as it will stand in the journal."""
    check_text(record)
    if record.count("|") != _PIPES:
        raise SessionError("session-text", "expected two pipes, found %d" % record.count("|"))


def _shown(mark):
    return ocmf.shown_mwh(mark.mwh, mark.decimals)
