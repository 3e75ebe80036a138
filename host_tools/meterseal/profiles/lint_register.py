"""What one register of a profile claims must be possible, sourced and consistent.

Works on a tree whose structure was found sound (`lint_structure`).
"""

from collections.abc import Callable, Iterator
from typing import Any

from meterseal.profiles import schema
from meterseal.profiles.lint_structure import Finding

_ADDRESS_SPACE = 0x10000


def registers_of(entry: dict[str, Any]) -> int:
    """Number of 16-bit registers of an entry; 0 where a counted type lacks its count (reported
    elsewhere).
    """
    return schema.TYPE_REGISTERS[entry["type"]] or int(entry.get("count", 0))


def span_of(entry: dict[str, Any]) -> tuple[int, int]:
    """First address and the one behind the last."""
    start = int(entry["addr"], 16)
    return start, start + registers_of(entry)


def _quantity(
    tree: dict[str, Any], section: str, name: str, entry: dict[str, Any], where: str
) -> Iterator[Finding]:
    """A measured register is a known quantity whose dimension is that of its unit."""
    if "total" in entry and section == "resettable":
        yield Finding("profile-total-resettable", where, "a resettable counter is never the total")
    if section not in ("registers", "resettable"):
        if "total" in entry:
            yield Finding("profile-total-section", where, "expected `total` in registers only")
        return
    key = name.removesuffix("_resettable")
    dimension = schema.dimension_of_quantity(key)
    if dimension is None:
        yield Finding("profile-quantity-unknown", where, f"{key} is no quantity of the schema")
    if "unit" not in entry:
        yield Finding(
            "profile-unit-missing", where, "expected the unit that the meter sends, found none"
        )
    elif dimension is not None and schema.UNITS[entry["unit"]][0] != dimension:
        yield Finding(
            "profile-dimension", where, f"expected a unit of {dimension}, found {entry['unit']}"
        )
    if entry["type"] in schema.COUNTED_TYPES:
        yield Finding("profile-count", where, f"expected a number, found type {entry['type']}")


def _size(
    tree: dict[str, Any], section: str, name: str, entry: dict[str, Any], where: str
) -> Iterator[Finding]:
    """`count` belongs to `str` and `raw`; a register fits the address space and one read."""
    counted = entry["type"] in schema.COUNTED_TYPES
    if counted != ("count" in entry):
        found = "a count" if "count" in entry else "none"
        expected = "a count" if counted else "no count"
        yield Finding(
            "profile-count", where, f"expected {expected} for type {entry['type']}, found {found}"
        )
    start, end = span_of(entry)
    if end > _ADDRESS_SPACE:
        yield Finding(
            "profile-address", where, f"expected the end at 0xFFFF or below, found {end - 1:#06x}"
        )
    limit = tree["bus"]["max_registers"]
    if end - start > limit:
        yield Finding(
            "profile-max-registers",
            where,
            f"expected at most {limit} registers in one read, found {end - start}",
        )


def _order(
    tree: dict[str, Any], section: str, name: str, entry: dict[str, Any], where: str
) -> Iterator[Finding]:
    """Numbers of more than one register say in which order their words come."""
    wide = registers_of(entry) > 1 and entry["type"] not in schema.COUNTED_TYPES
    if wide and "order" not in entry:
        yield Finding("profile-order", where, "expected the order of the words, found none")
    if not wide and entry.get("order", "ABCD") not in ("ABCD", "BADC"):
        yield Finding(
            "profile-order", where, f"one register has no order of words, found {entry['order']}"
        )


def _exponent(
    tree: dict[str, Any], section: str, name: str, entry: dict[str, Any], where: str
) -> Iterator[Finding]:
    """The resolution follows from type, exponent and unit; a scale factor is a register in
    `setup`.
    """
    factor = entry.get("sf")
    if factor is not None and tree["setup"].get(factor, {}).get("type") != "s16":
        yield Finding(
            "profile-scale-factor",
            where,
            f"expected a register {factor} of type s16 in setup, found none",
        )
    if section != "registers" or "unit" not in entry:
        return
    if "resolution" not in entry:
        yield Finding("profile-resolution", where, "expected the resolution, found none")
    elif not _resolution_fits(entry):
        yield Finding(
            "profile-resolution",
            where,
            f"{entry['resolution']} does not follow from type, exp10 and unit",
        )


def _resolution_fits(entry: dict[str, Any]) -> bool:
    if entry.get("sf"):
        return bool(entry["resolution"] == "scale factor")
    if entry["type"] in schema.FLOAT_TYPES:
        return bool(entry["resolution"] == {"f32": "float32", "f64": "float64"}[entry["type"]])
    number, _, unit = entry["resolution"].partition(" ")
    if not number.isdigit() or unit not in schema.UNITS:
        return False
    digits = number.rstrip("0")
    stated = len(number) - len(digits) + schema.UNITS[unit][1]
    dimension, exponent = schema.UNITS[entry["unit"]]
    step = entry.get("exp10", 0) + exponent
    return digits == "1" and stated == step and schema.UNITS[unit][0] == dimension


def _markers(
    tree: dict[str, Any], section: str, name: str, entry: dict[str, Any], where: str
) -> Iterator[Finding]:
    """Markers and expected values fit into the register; only settings and identity expect a
    value.
    """
    bits = 16 * registers_of(entry)
    for raw in entry.get("not_available", ()):
        if int(raw, 16) >> bits:
            yield Finding(
                "profile-not-available", where, f"expected at most {bits} bits, found {raw}"
            )
    if "expect" not in entry:
        return
    if section not in ("identity", "setup") or entry["type"] in schema.COUNTED_TYPES:
        yield Finding(
            "profile-expect", where, "expected `expect` only on numbers of identity and setup"
        )
    elif not all(-(1 << bits - 1) <= value < 1 << bits for value in entry["expect"]):
        yield Finding(
            "profile-expect", where, f"expected values of {bits} bits, found {entry['expect']}"
        )


def _evidence(
    tree: dict[str, Any], section: str, name: str, entry: dict[str, Any], where: str
) -> Iterator[Finding]:
    """Every register has known sources, enough of them for its confidence, and says why where they
    disagree.
    """
    known = {source["id"] for source in tree["sources"] if isinstance(source, dict)}
    if not entry["sources"]:
        yield Finding("profile-source-missing", where, "expected at least one source, found none")
    for source in entry["sources"]:
        if source not in known:
            yield Finding(
                "profile-source-unknown",
                where,
                f"expected one of {' '.join(sorted(known))}, found {source}",
            )
    confidence = entry["confidence"]
    if confidence == "cross-checked" and len(set(entry["sources"])) < 2:
        yield Finding("profile-confidence", where, "cross-checked needs two independent sources")
    if confidence == "conflict" and "note" not in entry:
        yield Finding(
            "profile-note-missing", where, "expected a note: which source was taken, and why"
        )


_Rule = Callable[[dict[str, Any], str, str, dict[str, Any], str], Iterator[Finding]]
RULES: tuple[_Rule, ...] = (_quantity, _size, _order, _exponent, _markers, _evidence)
