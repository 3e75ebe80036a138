"""Checks of a profile file, one defect at a time: keys, types, ranges, units
(firmware/profiles/README.md is the text).

The device refuses what it does not know; whether sources and confidence are good enough is for the
host's linter, with which the codes agree. Must never fill in what the file leaves out, nor accept
a multiplier under any name.
"""

from .errors import ProfileError

_MULTIPLIERS = ("multiplier", "multiply", "scale", "scaling", "scaler", "factor", "gain")
_MULTIPLIERS += ("coefficient", "divisor", "divide", "divide_by")
_REQUIRED = object()

FILE_KEYS = ("profile", "id", "name", "maker", "models", "phases", "sources", "confidence")
FILE_KEYS += ("bench", "bus", "registers", "identity", "setup", "resettable")
FILE_OPTIONAL = ("labels", "notes", "sunspec")
BUS_KEYS = ("kinds", "baud", "parity", "stop_bits", "unit_id", "max_registers", "max_hole")
BUS_KEYS += ("turnaround_ms", "timeout_ms", "settings")
BUS_OPTIONAL = ("bauds", "min_interval_ms", "sources")
REGISTER_KEYS = ("fn", "addr", "type", "sources", "confidence")
REGISTER_OPTIONAL = ("count", "order", "unit", "exp10", "sf", "resolution", "total")
REGISTER_OPTIONAL += ("not_available", "expect", "note")

# Unit -> (dimension, decimal exponent to thousandths of the base unit).
UNITS = {
    "mWh": ("energy", 0),
    "Wh": ("energy", 3),
    "kWh": ("energy", 6),
    "MWh": ("energy", 9),
    "mW": ("power", 0),
    "W": ("power", 3),
    "kW": ("power", 6),
    "mV": ("voltage", 0),
    "V": ("voltage", 3),
    "kV": ("voltage", 6),
    "mA": ("current", 0),
    "A": ("current", 3),
    "mHz": ("frequency", 0),
    "Hz": ("frequency", 3),
    "1": ("ratio", 3),
}
_PHASES = ("l1", "l2", "l3")
_TARIFFS = ("t1", "t2", "t3", "t4")
# First word -> (last word, dimension, what may stand between).
_QUANTITIES = {
    "power": ("w", "power", _PHASES),
    "voltage": ("v", "voltage", _PHASES + ("ll", "l12", "l23", "l31")),
    "current": ("a", "current", _PHASES),
    "frequency": ("hz", "frequency", ()),
}


def fail(code, where, text):
    """Raise the one error of this module."""
    raise ProfileError(code, "%s: %s; correct the profile" % (where, text), where=where)


def keys(found, needed, optional, where):
    """`found` is an object that has all needed keys and none that is not named."""
    if not isinstance(found, dict):
        fail("profile-type", where, "expected an object, found %s" % type(found).__name__)
    for key in sorted(found):
        if key in needed or key in optional:
            continue
        if key in _MULTIPLIERS:
            fail(
                "profile-multiplier", where, "no multiplier is allowed, found %s: use exp10" % key
            )
        fail("profile-key-unknown", where, "%r is not a key of the schema" % key)
    for key in needed:
        if key not in found:
            fail("profile-key-missing", where, "expected the key %s, found none" % key)


def whole(found, key, low, high, where, default=_REQUIRED):
    """The integer at `key`, within its limits."""
    if key not in found and default is not _REQUIRED:
        return default
    value = found[key]
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        fail(
            "profile-value",
            where,
            "%s: expected an integer from %d to %d, found %r" % (key, low, high, value),
        )
    return value


def choice(found, key, choices, where, default=_REQUIRED):
    """The text at `key`, one of `choices`."""
    if key not in found and default is not _REQUIRED:
        return default
    value = found[key]
    if not isinstance(value, str) or value not in choices:
        fail(
            "profile-value",
            where,
            "%s: expected one of %s, found %r" % (key, " ".join(sorted(choices)), value),
        )
    return value


def text(found, key, most, where):
    """The text at `key`, of 1 to `most` characters."""
    value = found[key]
    if not isinstance(value, str) or not 0 < len(value) <= most:
        fail("profile-value", where, "%s: expected a text of 1 to %d characters" % (key, most))
    return value


def items(found, key, where):
    """The list at `key`, empty if there is none."""
    value = found.get(key, [])
    if not isinstance(value, list):
        fail("profile-value", where, "%s: expected a list, found %r" % (key, value))
    return value


def hexadecimal(value, digits, where):
    """The number that a text of `0x` and 1 to `digits` capital hexadecimal digits is."""
    good = isinstance(value, str) and value[:2] == "0x" and 2 < len(value) <= digits + 2
    if not good or any(c not in "0123456789ABCDEF" for c in value[2:]):
        fail(
            "profile-value",
            where,
            "expected 0x and up to %d hexadecimal digits, found %r" % (digits, value),
        )
    return int(value[2:], 16)


def dimension_of(quantity):
    """Dimension that the key of a register demands, or None for a key that is none."""
    parts = quantity.split("_")
    if parts[:2] == ["power", "factor"]:
        return "ratio" if len(parts) == 2 or (len(parts) == 3 and parts[2] in _PHASES) else None
    first, last, between = parts[0], parts[-1], parts[1:-1]
    if first == "energy":
        good = last == "wh" and between and between[0] in ("import", "export", "sum", "net")
        return "energy" if good and _one_of(between[1:], _PHASES + _TARIFFS) else None
    if first not in _QUANTITIES or _QUANTITIES[first][0] != last or len(parts) < 2:
        return None
    return _QUANTITIES[first][1] if _one_of(between, _QUANTITIES[first][2]) else None


def _one_of(between, allowed):
    return not between or (len(between) == 1 and between[0] in allowed)
