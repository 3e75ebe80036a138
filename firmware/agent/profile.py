"""A meter profile: which registers to read and what they mean (firmware/profiles/README.md).

The file's bytes are hashed as they are; the hash is sealed with every reading, so that evidence
can be decoded again when a profile proves wrong. Only what the device needs stays in RAM. Must
never accept a file that it does not understand completely: a guess here ruins a year of data.
"""

import hashlib
import json

from . import profile_check as check
from .constant import const
from .decode import ORDERS, WORDS
from .errors import ProfileError
from .profile_model import Bus, Column, Profile, Register, SunSpec

MOST_BYTES = 16384
_MOST_COUNTED = const(32)
_TEXT_TYPES = const(("str", "raw"))


def load(file_bytes, quantities=None):
    """Profile of the bytes of a file, for the chosen quantities (None: all). Raises ProfileError.

    `energy_import_wh` means the register marked as the total; other quantities that the meter
    lacks are left out.
    """
    tree = _parse(file_bytes)
    check.keys(tree, check.FILE_KEYS, check.FILE_OPTIONAL, "file")
    check.whole(tree, "profile", 1, 1, "file")
    profile = Profile(
        check.text(tree, "id", 64, "file"),
        hashlib.sha256(file_bytes).digest()[:16],
        _bus(tree["bus"]),
    )
    profile.setup = _plain(tree["setup"], "setup")
    profile.identity = _plain(tree["identity"], "identity")
    names = [register.name for register in profile.setup]
    columns = _columns(tree["registers"], "registers", names)
    resettable = _columns(tree["resettable"], "resettable", names)
    total = _total(tree)
    profile.listed = _listed(columns + resettable, profile)
    profile.columns = _chosen(columns, total, quantities)
    profile.total = _index(profile.columns, total)
    profile.sunspec = _sunspec(tree["sunspec"]) if "sunspec" in tree else None
    return profile


def _parse(file_bytes):
    if len(file_bytes) > MOST_BYTES:
        check.fail("profile-json", "file", "expected at most %d bytes" % MOST_BYTES)
    try:
        return json.loads(bytes(file_bytes).decode())
    except (ValueError, RuntimeError):  # RuntimeError: nested too deep
        raise ProfileError(
            "profile-json",
            "file: expected strict JSON in UTF-8; correct the profile",
            where="file",
        )


def _bus(found):
    check.keys(found, check.BUS_KEYS, check.BUS_OPTIONAL, "bus")
    return Bus(
        check.whole(found, "baud", 300, 921600, "bus"),
        check.choice(found, "parity", ("N", "E", "O"), "bus"),
        check.whole(found, "stop_bits", 1, 2, "bus"),
        check.whole(found, "max_registers", 1, 125, "bus"),
        check.whole(found, "max_hole", 0, 124, "bus"),
        check.whole(found, "turnaround_ms", 1, 2000, "bus"),
        check.whole(found, "timeout_ms", 10, 10000, "bus"),
        check.whole(found, "min_interval_ms", 1, 60000, "bus", 0),
    )


def _place(found, where):
    """(function, address, count, order, kind) of a register of any section."""
    check.keys(found, check.REGISTER_KEYS, check.REGISTER_OPTIONAL, where)
    function = check.whole(found, "fn", 3, 4, where)
    address = check.hexadecimal(found["addr"], 4, where)
    kind = check.choice(found, "type", tuple(WORDS) + _TEXT_TYPES, where)
    if kind in _TEXT_TYPES and "count" not in found:
        check.fail("profile-count", where, "expected the count of type %s, found none" % kind)
    count = check.whole(found, "count", 1, _MOST_COUNTED, where, WORDS.get(kind))
    if kind in WORDS and count != WORDS[kind]:
        check.fail(
            "profile-count", where, "expected %d registers of type %s" % (WORDS[kind], kind)
        )
    if address + count > 0x10000:
        check.fail("profile-address", where, "expected the end at 0xFFFF or below")
    wide = kind in WORDS and count > 1
    if wide and "order" not in found:
        check.fail("profile-order", where, "expected the order of the words, found none")
    names = tuple(ORDERS) if wide else ("ABCD", "BADC")
    order = ORDERS[check.choice(found, "order", names, where, "ABCD")]
    return function, address, count, order, kind


def _columns(section, where, setup_names):
    if not isinstance(section, dict):
        check.fail("profile-type", where, "expected an object")
    found = [_column(section[name], name, where, setup_names) for name in section]
    return sorted(found, key=lambda c: (c.function, c.address, c.count))


def _column(found, name, section, setup_names):
    where = "%s.%s" % (section, name)
    function, address, count, order, kind = _place(found, where)
    if kind in _TEXT_TYPES:
        check.fail("profile-count", where, "expected a number, found type %s" % kind)
    if "unit" not in found:
        check.fail("profile-unit-missing", where, "expected the unit that the meter sends")
    dimension, exponent = check.UNITS[check.choice(found, "unit", check.UNITS, where)]
    wanted = check.dimension_of(name) if section == "registers" else dimension
    if wanted is None:
        check.fail("profile-quantity-unknown", where, "no quantity of the schema")
    if wanted != dimension:
        check.fail(
            "profile-dimension", where, "expected a unit of %s, found %s" % (wanted, found["unit"])
        )
    if "sf" in found and found["sf"] not in setup_names:
        check.fail("profile-scale-factor", where, "expected sf to name a register of setup")
    exponent += check.whole(found, "exp10", -9, 9, where, 0)
    factor = setup_names.index(found["sf"]) if "sf" in found else -1
    markers = tuple(
        check.hexadecimal(m, 4 * count, where) for m in check.items(found, "not_available", where)
    )
    return Column(name, function, address, count, order, kind, exponent, factor, markers)


def _plain(section, where):
    """Registers of identity or setup in address order."""
    if not isinstance(section, dict):
        check.fail("profile-type", where, "expected an object")
    registers = []
    for name in section:
        at = "%s.%s" % (where, name)
        function, address, count, order, _ = _place(section[name], at)
        expect = check.items(section[name], "expect", at)
        if any(isinstance(e, bool) or not isinstance(e, int) for e in expect):
            check.fail("profile-expect", at, "expected integers")
        registers.append(Register(name, function, address, count, order, tuple(expect)))
    return tuple(sorted(registers, key=lambda r: (r.function, r.address)))


def _total(tree):
    """Name of the register that is the total."""
    registers = tree["registers"]
    marked = [name for name in sorted(registers) if "total" in registers[name]]
    for name in marked:
        if registers[name]["total"] is not True:
            check.fail("profile-value", "registers." + name, "total: expected true")
    if len(marked) != 1:
        code = "profile-total-many" if marked else "profile-total-missing"
        check.fail(code, "registers", "expected one register with total, found %d" % len(marked))
    if check.dimension_of(marked[0]) != "energy":
        check.fail("profile-total-quantity", "registers." + marked[0], "expected an energy")
    return marked[0]


def _listed(columns, profile):
    """Every register of the file, sorted; two of one function code must not overlap unless they
    are the same.
    """
    places = sorted(
        {
            (r.function, r.address, r.count)
            for r in tuple(columns) + profile.identity + profile.setup
        }
    )
    for i in range(1, len(places)):
        before, after = places[i - 1], places[i]
        if before[0] == after[0] and before[1] + before[2] > after[1]:
            check.fail("profile-overlap", "0x%04X" % after[1], "expected no shared addresses")
    return tuple(places)


def _chosen(columns, total, quantities):
    if quantities is None:
        return tuple(columns)
    for quantity in quantities:
        if check.dimension_of(quantity) is None:
            check.fail("profile-quantity-unknown", "quantities", "no quantity: %s" % quantity)
    names = [total if quantity == "energy_import_wh" else quantity for quantity in quantities]
    return tuple(column for column in columns if column.name in names)


def _index(columns, name):
    for index, column in enumerate(columns):
        if column.name == name:
            return index
    return None


def _sunspec(found):
    check.keys(found, ("model", "at", "bases"), (), "sunspec")
    bases = [
        check.hexadecimal(base, 4, "sunspec") for base in check.items(found, "bases", "sunspec")
    ]
    at = check.hexadecimal(found["at"], 4, "sunspec")
    return SunSpec(check.whole(found, "model", 1, 65535, "sunspec"), at, tuple(bases))
