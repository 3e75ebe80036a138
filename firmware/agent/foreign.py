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
_MOST = const((1 << 64) - 1)


def within_limits(others):
    """Wire key -> value of those that every decoder takes; health is always there, and new."""
    found = {_HEALTH: _figures(others.get(_HEALTH, {}))}
    for key in others:
        if key == _HEALTH:
            continue
        if _fits(key, others[key]):
            found[key] = others[key]
        else:
            log.error("seal", "left out", key=key, code="foreign-field")
    return found


def _fits(key, value):
    if key in _LENGTHS:
        low, high = _LENGTHS[key]
        return isinstance(value, bytes) and low <= len(value) <= high
    if key == _NONCES:
        return bool(value) and all([_nonce(one) for one in value])
    return key >= _NON_CRITICAL


def _nonce(entry):
    nonce, boot, mono_ms = entry
    return 8 <= len(nonce) <= 64 and _whole(boot) and _whole(mono_ms)


def _figures(health):
    found = {}
    for key in health:
        value = health[key]
        if key == _COUNTERS:
            fits = all([_whole(count) for counts in value for count in counts])
        else:
            fits = _whole(-1 - value if key == _RSSI and _negative(value) else value)
        if fits:
            found[key] = value
        else:
            log.error("seal", "left out", health=key, code="foreign-field")
    return found


def _negative(value):
    return isinstance(value, int) and value < 0


def _whole(value):
    return isinstance(value, int) and 0 <= value <= _MOST
