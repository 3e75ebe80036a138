"""Limits of what a batch states but the sealer did not make: what does not fit is left out.

A batch that breaks a limit of WIRE_FORMAT.md can never be taken back, and no later one links
without it; a figure or a receipt that is missing harms nobody. Pure apart from the log. Loaded
when it is needed and forgotten then, see forget.
"""

from . import cbor, log
from .constant import const

_HEALTH = const(16)
_NONCES = const(21)
_LENGTHS = {19: (1, 1024), 20: (1, 1024), 22: (8, 32)}  # section 3: receipt, rollover, tenant
_NON_CRITICAL = const(64)
_COUNTERS = const(3)  # health: lists of counters
_RSSI = const(4)  # health: may be negative

_MOST_BYTES = const(1024)  # WIRE_FORMAT.md section 3, key 19
# ES256, content type 65004
_RECEIPT_HEAD = const(b"\xd2\x84\x51\xa3\x01\x26\x03\x19\xfd\xec\x04\x48")
_PAYLOAD = const(21)  # behind tag, array, protected header and the empty map
_SIGNATURE = const(66)  # with its head


def within_limits(others):
    """Wire key -> value of those that every decoder takes; health is always there, and new."""
    found = _kept(others, _fits)
    found[_HEALTH] = _kept(others.get(_HEALTH, {}), _is_figure)
    return found


def _kept(fields, fits):
    found = {}
    for key in fields:
        if fits(key, fields[key]):
            found[key] = fields[key]
        else:
            log.error("seal", "left out", key=key, code="foreign-field")
    return found


def _fits(key, value):
    if key in _LENGTHS:
        low, high = _LENGTHS[key]
        return isinstance(value, bytes) and low <= len(value) <= high
    if key == _NONCES:
        return value and all([8 <= len(n) <= 64 and _whole(b) and _whole(t) for n, b, t in value])
    return key >= _NON_CRITICAL or key == _HEALTH


def _is_figure(key, value):
    if key == _COUNTERS:
        return all([_whole(count) for counts in value for count in counts])
    return _whole(value) or (key == _RSSI and isinstance(value, int) and _whole(-value))


def _whole(value):
    return isinstance(value, int) and 0 <= value < 1 << 64


def is_receipt(found):
    """Whether the bytes have the form of a collector receipt, whoever signed it."""
    rest = len(found) - _PAYLOAD - _SIGNATURE
    if rest < 1 or len(found) > _MOST_BYTES or found[: len(_RECEIPT_HEAD)] != _RECEIPT_HEAD:
        return False
    head = bytearray()
    for size in (1, 2, 3):  # of the head of the payload, in its shortest form
        if rest - size < (24, 256, _MOST_BYTES)[size - 1]:
            cbor.append_head(head, 0x40, rest - size)
            break
    at = _PAYLOAD + len(head)
    return found[_PAYLOAD - 1 : at] == b"\xa0" + head and found[-_SIGNATURE:][:2] == b"\x58\x40"
