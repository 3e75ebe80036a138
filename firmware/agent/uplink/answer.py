"""The collector's JSON answer, checked field by field (WIRE_FORMAT.md section 10). Pure.

Must never let through what it does not understand completely: an acknowledgement lets flash be
overwritten. Unknown fields are ignored, so that a collector may say more than we need.
"""

import binascii
import json
from collections import namedtuple

from agent.constant import const
from agent.errors import UploadError

MOST_BYTES = 8192
_MOST_ENTRIES = const(16)

# `acks`: list of (chain_16, number, hash_32), `resend`: list of (chain_16, number), both of this
# device alone; `receipt`: bytes or None.
Answer = namedtuple("Answer", "acks resend time_unix_ms receipt")


def parse(body, device_hex):
    """The Answer for this device; UploadError `answer-malformed` for anything else."""
    try:
        tree = json.loads(bytes(body).decode())
    except (ValueError, RuntimeError, UnicodeError):
        tree = None
    if not isinstance(tree, dict):
        raise _malformed("one JSON object")
    acks = [
        (_bytes(ack, "chain", 16), _number(ack, "number"), _bytes(ack, "hash", 32))
        for ack in _ours(tree, "acks", device_hex)
    ]
    resend = [
        (_bytes(entry, "chain", 16), _number(entry, "number"))
        for entry in _ours(tree, "resend", device_hex)
    ]
    receipt = tree.get("receipt")
    return Answer(
        acks,
        resend,
        _number(tree, "time_unix_ms"),
        _bytes(tree, "receipt", None) if receipt else None,
    )


def _ours(tree, name, device_hex):
    entries = tree.get(name, [])
    if not isinstance(entries, list) or len(entries) > _MOST_ENTRIES:
        raise _malformed("%s to be a list of at most %d" % (name, _MOST_ENTRIES))
    for entry in entries:
        if not isinstance(entry, dict):
            raise _malformed("%s to hold objects" % name)
    return [entry for entry in entries if entry.get("device") == device_hex]


def _number(entry, name):
    found = entry.get(name)
    if type(found) is not int or not 0 <= found < 1 << 62:
        raise _malformed("%s to be a whole number" % name)
    return found


def _bytes(entry, name, length):
    try:
        found = binascii.unhexlify(entry.get(name))
    except (TypeError, ValueError):
        found = None
    if found is None or (length is not None and len(found) != length):
        raise _malformed("%s to be bytes in hexadecimal" % name)
    return found


def _malformed(expected):
    return UploadError(
        "answer-malformed",
        "expected %s in the collector's answer; nothing was changed, the next try comes later"
        % expected,
    )
