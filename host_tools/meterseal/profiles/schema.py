"""Closed lists of the profile schema, version 1 (firmware/profiles/README.md is the text)."""

import re
from typing import Final

PROFILE_VERSION: Final = 1

# Type -> number of 16-bit registers; 0: the register says it with `count`.
TYPE_REGISTERS: Final[dict[str, int]] = {
    "u16": 1,
    "s16": 1,
    "u32": 2,
    "s32": 2,
    "acc32": 2,
    "f32": 2,
    "u64": 4,
    "s64": 4,
    "acc64": 4,
    "f64": 4,
    "str": 0,
    "raw": 0,
}
FLOAT_TYPES: Final = frozenset({"f32", "f64"})
COUNTED_TYPES: Final = frozenset({"str", "raw"})
SIGNED_TYPES: Final = frozenset({"s16", "s32", "s64"})
MAX_COUNTED_REGISTERS: Final = 32

# Name -> (words reversed, bytes of each word swapped); the bits of `order` in WIRE_FORMAT 4.2.
ORDERS: Final[dict[str, tuple[bool, bool]]] = {
    "ABCD": (False, False),
    "CDAB": (True, False),
    "BADC": (False, True),
    "DCBA": (True, True),
}

# Unit -> (dimension, decimal exponent to the base unit).
UNITS: Final[dict[str, tuple[str, int]]] = {
    "mWh": ("energy", -3),
    "Wh": ("energy", 0),
    "kWh": ("energy", 3),
    "MWh": ("energy", 6),
    "mW": ("power", -3),
    "W": ("power", 0),
    "kW": ("power", 3),
    "mV": ("voltage", -3),
    "V": ("voltage", 0),
    "kV": ("voltage", 3),
    "mA": ("current", -3),
    "A": ("current", 0),
    "mHz": ("frequency", -3),
    "Hz": ("frequency", 0),
    "1": ("ratio", 0),
}

_QUANTITY_FORMS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"energy_(import|export|sum|net)(_l[123]|_t[1234])?_wh"), "energy"),
    (re.compile(r"power(_l[123])?_w"), "power"),
    (re.compile(r"voltage(_l[123])?_v"), "voltage"),
    (re.compile(r"voltage_(ll|l12|l23|l31)_v"), "voltage"),
    (re.compile(r"current(_l[123])?_a"), "current"),
    (re.compile(r"frequency_hz"), "frequency"),
    (re.compile(r"power_factor(_l[123])?"), "ratio"),
)

# From the lowest to the highest.
CONFIDENCES: Final = ("report", "conflict", "single", "cross-checked", "documented")
SETTINGS_ORIGINS: Final = ("general", "reported", "documented")
BUS_KINDS: Final = ("rtu", "tcp")
PARITIES: Final = ("N", "E", "O")
SECTIONS: Final = ("registers", "identity", "setup", "resettable")


def dimension_of_quantity(quantity: str) -> str | None:
    """Dimension that the key of a register demands (`energy`, `power`, ...); None for an unknown
    key.
    """
    for form, dimension in _QUANTITY_FORMS:
        if form.fullmatch(quantity):
            return dimension
    return None
