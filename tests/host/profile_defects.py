"""A good profile, and one change for each defect that the linter must find."""

from collections.abc import Callable
from typing import Any

Tree = dict[str, Any]


def good() -> Tree:
    """A small profile without a defect."""
    return {
        "profile": 1,
        "id": "maker-model",
        "name": "Maker Model",
        "maker": "Maker",
        "models": ["Model"],
        "phases": 1,
        "sources": [
            {"id": "manual", "title": "Maker, manual", "url": "https://example.org/manual"},
            {"id": "other", "title": "Other, table", "url": "https://example.org/other"},
        ],
        "confidence": "cross-checked",
        "bench": [],
        "bus": {
            "kinds": ["rtu"],
            "baud": 9600,
            "parity": "N",
            "stop_bits": 1,
            "unit_id": 1,
            "max_registers": 20,
            "max_hole": 0,
            "turnaround_ms": 50,
            "timeout_ms": 500,
            "settings": "documented",
            "sources": ["manual"],
        },
        "registers": {
            "energy_import_wh": value("0x0010", "kWh", "u32", total=True, exp10=-2),
            "power_w": value("0x0020", "W", "s16"),
        },
        "identity": {"serial": plain("0x0100", "u32", order="ABCD")},
        "setup": {"power_sf": plain("0x0110", "s16")},
        "resettable": {"energy_import_wh_resettable": value("0x0030", "kWh", "u32")},
    }


def value(addr: str, unit: str, kind: str, **more: Any) -> Tree:
    """A measured register."""
    steps = {("kWh", -2): "10 Wh", ("kWh", 0): "1000 Wh", ("W", 0): "1 W"}
    entry = {"fn": 3, "addr": addr, "type": kind, "unit": unit}
    if kind != "s16":
        entry["order"] = "ABCD"
    entry["resolution"] = steps[unit, more.get("exp10", 0)]
    return entry | {"sources": ["manual", "other"], "confidence": "cross-checked"} | more


def plain(addr: str, kind: str, **more: Any) -> Tree:
    """A register of identity or setup."""
    return (
        {"fn": 3, "addr": addr, "type": kind, "sources": ["manual"]}
        | {"confidence": "documented"}
        | more
    )


def put(path: str, new: Any) -> Callable[[Tree], None]:
    """Change one place, named by dots."""

    def change(tree: Tree) -> None:
        *way, last = path.split(".")
        for step in way:
            tree = tree[step]
        tree[last] = new

    return change


def drop(path: str) -> Callable[[Tree], None]:
    """Remove one place."""

    def change(tree: Tree) -> None:
        *way, last = path.split(".")
        for step in way:
            tree = tree[step]
        del tree[last]

    return change


P, E = "registers.power_w.", "registers.energy_import_wh."
R = "resettable.energy_import_wh_resettable."
DEFECTS = {
    "key unknown in file": ("profile-key-unknown", put("comment", "x")),
    "key unknown in bus": ("profile-key-unknown", put("bus.speed", 9600)),
    "key unknown in register": ("profile-key-unknown", put(P + "scalar", 1)),
    "key missing": ("profile-key-missing", drop("maker")),
    "key missing in bus": ("profile-key-missing", drop("bus.turnaround_ms")),
    "key missing in register": ("profile-key-missing", drop(P + "fn")),
    "key missing in source": ("profile-key-missing", put("sources", [{"id": "manual"}])),
    "multiplier": ("profile-multiplier", put(P + "multiplier", 1000)),
    "multiplier called scale": ("profile-multiplier", put(P + "scale", 10)),
    "multiplier called divisor": ("profile-multiplier", put("bus.divisor", 10)),
    "multiplier in file": ("profile-multiplier", put("factor", 10)),
    "object expected": ("profile-value", put("registers", [])),
    "source not an object": ("profile-value", put("sources", ["manual"])),
    "register not an object": ("profile-type", put("registers.power_w", 5)),
    "version": ("profile-value", put("profile", 2)),
    "version as text": ("profile-value", put("profile", "1")),
    "id with capitals": ("profile-value", put("id", "Maker-Model")),
    "text with blanks": ("profile-value", put("name", " Maker")),
    "four phases": ("profile-value", put("phases", 4)),
    "no models": ("profile-value", put("models", [])),
    "no registers": ("profile-value", put("registers", {})),
    "baud out of range": ("profile-value", put("bus.baud", 50)),
    "baud true": ("profile-value", put("bus.baud", True)),
    "parity unknown": ("profile-value", put("bus.parity", "M")),
    "unit id zero": ("profile-value", put("bus.unit_id", 0)),
    "unit id 248": ("profile-value", put("bus.unit_id", 248)),
    "max registers 126": ("profile-value", put("bus.max_registers", 126)),
    "bus kind unknown": ("profile-value", put("bus.kinds", ["can"])),
    "function code 6": ("profile-value", put(P + "fn", 6)),
    "address as number": ("profile-value", put(P + "addr", 32)),
    "address of five digits": ("profile-value", put(P + "addr", "0x10000")),
    "address lower case": ("profile-value", put(P + "addr", "0x00af")),
    "type unknown": ("profile-value", put(P + "type", "float")),
    "order unknown": ("profile-value", put(E + "order", "ACBD")),
    "unit unknown": ("profile-value", put(P + "unit", "hp")),
    "exponent too large": ("profile-value", put(P + "exp10", 10)),
    "total false": ("profile-value", put(P + "total", False)),
    "count too large": ("profile-value", put("identity.serial.count", 33)),
    "marker without 0x": ("profile-value", put(P + "not_available", ["8000"])),
    "confidence unknown": ("profile-value", put(P + "confidence", "sure")),
    "quantity unknown": (
        "profile-quantity-unknown",
        put("registers.speed_w", value("0x0040", "W", "s16")),
    ),
    "resettable quantity unknown": (
        "profile-quantity-unknown",
        put("resettable.trip", value("0x0040", "kWh", "u32")),
    ),
    "wrong dimension": ("profile-dimension", put(P + "unit", "kWh")),
    "wrong dimension of energy": ("profile-dimension", put(E + "unit", "W")),
    "unit missing": ("profile-unit-missing", drop(P + "unit")),
    "text as a measured value": (
        "profile-count",
        put("registers.power_w", value("0x0020", "W", "s16", type="str", count=2)),
    ),
    "count on a number": ("profile-count", put("identity.serial.count", 2)),
    "text without count": ("profile-count", put("identity.serial", plain("0x0100", "str"))),
    "end of the address space": ("profile-address", put("identity.serial.addr", "0xFFFF")),
    "more registers than one read": ("profile-max-registers", put("bus.max_registers", 1)),
    "order missing": ("profile-order", drop(E + "order")),
    "order of words on one register": ("profile-order", put(P + "order", "CDAB")),
    "overlap": ("profile-overlap", put(P + "addr", "0x0011")),
    "overlap with setup": ("profile-overlap", put("setup.power_sf.addr", "0x0101")),
    "total not marked": ("profile-total-missing", drop(E + "total")),
    "total marked twice": ("profile-total-many", put(P + "total", True)),
    "total is power": ("profile-total-quantity", put(P + "total", True)),
    "total in setup": ("profile-total-section", put("setup.power_sf.total", True)),
    "total is resettable": ("profile-total-resettable", put(R + "addr", "0x0010")),
    "total marked in resettable": ("profile-total-resettable", put(R + "total", True)),
    "total is one phase": (
        "profile-total-quantity",
        put("registers", {"energy_import_l1_wh": value("0x0010", "kWh", "u32", total=True)}),
    ),
    "total is the net": (
        "profile-total-quantity",
        put("registers", {"energy_net_wh": value("0x0010", "kWh", "u32", total=True)}),
    ),
    "sum as total without note": (
        "profile-note-missing",
        put("registers", {"energy_sum_wh": value("0x0010", "kWh", "u32", total=True)}),
    ),
    "tariff as total without note": (
        "profile-note-missing",
        put("registers", {"energy_import_t1_wh": value("0x0010", "kWh", "u32", total=True)}),
    ),
    "conflict without note": ("profile-note-missing", put(P + "confidence", "conflict")),
    "source missing": ("profile-source-missing", put(P + "sources", [])),
    "source unknown": ("profile-source-unknown", put(P + "sources", ["manual", "forum"])),
    "source twice": ("profile-source-duplicate", lambda t: t["sources"].append(t["sources"][0])),
    "source unused": (
        "profile-source-unused",
        lambda t: t["sources"].append({"id": "z", "title": "z", "url": "z"}),
    ),
    "line settings without source": ("profile-source-missing", drop("bus.sources")),
    "line settings with unknown source": (
        "profile-source-unknown",
        put("bus.sources", ["manual", "plate"]),
    ),
    "cross-checked by one source": ("profile-confidence", put(P + "sources", ["manual"])),
    "profile more trusted than its registers": (
        "profile-confidence",
        put("confidence", "documented"),
    ),
    "resolution missing": ("profile-resolution", drop(P + "resolution")),
    "resolution of another exponent": ("profile-resolution", put(E + "resolution", "1 Wh")),
    "resolution of another dimension": ("profile-resolution", put(E + "resolution", "10 W")),
    "resolution of a float": ("profile-resolution", put(E + "type", "f32")),
    "marker too wide": ("profile-not-available", put(P + "not_available", ["0x18000"])),
    "expect on a measured value": ("profile-expect", put(P + "expect", [1])),
    "expect too wide": ("profile-expect", put("setup.power_sf.expect", [70000])),
    "scale factor not in setup": ("profile-scale-factor", put(P + "sf", "voltage_sf")),
    "scale factor of a wrong type": (
        "profile-scale-factor",
        lambda t: (put(P + "sf", "power_sf")(t), put("setup.power_sf.type", "u16")(t)),
    ),
    "register in front of the SunSpec block": (
        "profile-sunspec",
        put("sunspec", {"model": 203, "at": "0x0018", "bases": ["0x0000"]}),
    ),
}
