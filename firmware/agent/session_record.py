"""From what a session or a fiscal reading is to the signed record, through the gate.

Must never sign what the gate refuses, and never issue a page number itself (see `session_book`).
"""

import binascii

from . import ocmf
from .constant import const
from .session_gate import check_marks, check_text
from .version import VERSION

_MOST_NAME = const(80)
_SIGNATURE_LEN = const(196)  # pipes, header and signature section around a payload


def transaction(session, point, page, signer):
    """Record of a session that ended; `point`: the charge point. SessionError if it is not one."""
    check_marks([session.begin] + session.middle + [session.end], session.serial)
    middle, longest = session.middle, ocmf.MAX_LEN - _SIGNATURE_LEN
    while True:
        marks = [session.begin] + middle + [session.end]
        places = ["B"] + ["C"] * len(middle) + [session.tx]
        items = [ocmf.reading(mark, tx) for mark, tx in zip(marks, places)]
        text = ocmf.payload(_head(page, signer) + _of(session, point, marks), items)
        if len(text) <= longest or not (middle or point):
            check_text(text, longest)
            return ocmf.signed(text, signer)
        middle, point = middle[1:], point if middle else ""


def fiscal(what, page, signer):
    """Record of one reading outside sessions; `what`: see `session_fiscal`."""
    fields, item = what
    text = ocmf.payload(_head(page, signer) + fields, [item])
    check_text(text, ocmf.MAX_LEN - _SIGNATURE_LEN)
    return ocmf.signed(text, signer)


def fiscal_fields(serial, model, sequence):
    """Header of a fiscal record, but for its page."""
    user = [("IS", "false"), ("IT", '"NONE"')]  # strict verifiers want them in every record
    return _meter(serial, model) + user + [("US", '"%d"' % sequence)]


def _head(page, signer):
    kid = binascii.hexlify(signer.kid_8).decode()
    fields = [("FV", '"1.3"'), ("GI", '"Meterseal"'), ("GS", ocmf.quoted(kid))]
    return fields + [("GV", ocmf.quoted(VERSION)), ("PG", '"%s"' % page)]


def _meter(serial, model):
    return [("MM", ocmf.quoted(model)), ("MS", ocmf.quoted(serial))]


def _of(session, point, marks):
    fields = _meter(session.serial, session.model)
    if session.user:
        fields += [("IS", "true"), ("IL", '"HEARSAY"'), ("IT", '"UNDEFINED"')]
        fields.append(("ID", ocmf.quoted(session.user)))
    else:
        fields += [("IS", "false"), ("IL", '"NONE"'), ("IT", '"NONE"')]
    point = ocmf.quoted(point)
    if 2 < len(point) <= _MOST_NAME:
        fields += [("CT", '"CBIDC"'), ("CI", point)]
    fields.append(("US", '"%s"' % " ".join([str(mark.sequence) for mark in marks])))
    if session.idle_mwh >= 0:
        fields.append(("UI", '"%s"' % ocmf.kwh(session.idle_mwh, 6)))
    return fields
