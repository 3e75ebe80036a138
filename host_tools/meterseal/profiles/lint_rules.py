"""Meaning of a profile as a whole: one total, no overlap, sources, confidence.

Works on a tree whose structure was found sound (`lint_structure`).
"""

from collections.abc import Iterator
from typing import Any

from meterseal.profiles import lint_register, schema
from meterseal.profiles.lint_register import span_of
from meterseal.profiles.lint_structure import Finding

_TOTAL_DIRECTIONS = ("energy_import", "energy_sum")


def check(tree: dict[str, Any]) -> Iterator[Finding]:
    """Every defect of meaning."""
    for section in schema.SECTIONS:
        for name, entry in tree[section].items():
            where = f"{section}.{name}"
            for rule in lint_register.RULES:
                yield from rule(tree, section, name, entry, where)
    for profile_rule in (_sources, _confidence_of_profile, _totals, _overlaps, _sunspec):
        yield from profile_rule(tree)


def _sources(tree: dict[str, Any]) -> Iterator[Finding]:
    """Source ids are unique, each is cited, and line settings that are claimed have one."""
    ids = [source["id"] for source in tree["sources"]]
    if len(ids) != len(set(ids)):
        yield Finding(
            "profile-source-duplicate", "sources", f"expected every id once, found {ids}"
        )
    bus = tree["bus"]
    cited = set(bus.get("sources", ()))
    for section in schema.SECTIONS:
        cited |= {source for entry in tree[section].values() for source in entry["sources"]}
    for unused in sorted(set(ids) - cited):
        yield Finding("profile-source-unused", "sources", f"no register cites {unused}")
    for unknown in sorted(set(bus.get("sources", ())) - set(ids)):
        yield Finding("profile-source-unknown", "bus.sources", f"{unknown} is not in sources")
    if bus["settings"] != "general" and "sources" not in bus:
        text = f"line settings that are {bus['settings']} need a source"
        yield Finding("profile-source-missing", "bus.sources", text)


def _confidence_of_profile(tree: dict[str, Any]) -> Iterator[Finding]:
    """The profile is as trustworthy as its weakest measured register."""
    lowest = min(
        (entry["confidence"] for entry in tree["registers"].values()), key=schema.CONFIDENCES.index
    )
    if tree["confidence"] != lowest:
        yield Finding(
            "profile-confidence",
            "confidence",
            f"expected {lowest}, the lowest of the registers, found {tree['confidence']}",
        )


def _totals(tree: dict[str, Any]) -> Iterator[Finding]:
    """Exactly one total: cumulative energy that nobody can clear."""
    totals = [name for name, entry in tree["registers"].items() if "total" in entry]
    if not totals:
        yield Finding(
            "profile-total-missing", "registers", "expected one register with `total`, found none"
        )
    if len(totals) > 1:
        yield Finding(
            "profile-total-many",
            "registers",
            f"expected one register with `total`, found {' '.join(totals)}",
        )
    for name in totals:
        yield from _total(tree, name, f"registers.{name}")


def _total(tree: dict[str, Any], name: str, where: str) -> Iterator[Finding]:
    entry = tree["registers"][name]
    if not name.startswith(_TOTAL_DIRECTIONS) or "_l" in name:
        yield Finding(
            "profile-total-quantity",
            where,
            "expected imported energy (or the only sum) of all phases",
        )
    elif name != "energy_import_wh" and "note" not in entry:
        yield Finding(
            "profile-note-missing",
            where,
            "expected a note: what this total means, and why there is no import register",
        )
    for other, counter in tree["resettable"].items():
        if counter["fn"] == entry["fn"] and _overlap(span_of(counter), span_of(entry)):
            yield Finding(
                "profile-total-resettable", where, f"the total is the resettable counter {other}"
            )


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _overlaps(tree: dict[str, Any]) -> Iterator[Finding]:
    """No two registers share an address, unless they are the same register in two sections."""
    entries = [
        (section, f"{section}.{name}", entry)
        for section in schema.SECTIONS
        for name, entry in tree[section].items()
    ]
    for index, (section, where, entry) in enumerate(entries):
        for other_section, other_where, other in entries[:index]:
            same = (
                section != other_section
                and span_of(entry) == span_of(other)
                and entry["type"] == other["type"]
            )
            if (
                entry["fn"] == other["fn"]
                and _overlap(span_of(entry), span_of(other))
                and not same
            ):
                yield Finding("profile-overlap", where, f"shares addresses with {other_where}")


def _sunspec(tree: dict[str, Any]) -> Iterator[Finding]:
    """Registers of a SunSpec profile lie behind the block's two header registers."""
    if "sunspec" not in tree:
        return
    first = int(tree["sunspec"]["at"], 16) + 2
    for name, entry in tree["registers"].items():
        if int(entry["addr"], 16) < first:
            yield Finding(
                "profile-sunspec",
                f"registers.{name}",
                f"expected an address from {first:#06x}, found {entry['addr']}",
            )
