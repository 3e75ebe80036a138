"""Limits of what a batch states but the sealer did not make: what does not fit is left out.

A batch that breaks a limit of WIRE_FORMAT.md can never be taken back, and no later one links
without it; a figure or a receipt that is missing harms nobody. Pure apart from the log.
"""

from . import log
from .constant import const

_HEALTH = const(16)
_NONCES = const(21)
_LENGTHS = {19: (1, 1024), 20: (1, 1024), 22: (8, 32)}  # section 3: receipt, rollover, tenant
_NON_CRITICAL = const(64)
_COUNTERS = const(3)  # health: lists of counters
_RSSI = const(4)  # health: may be negative


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
