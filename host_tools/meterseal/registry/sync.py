"""Hands entries in that were made elsewhere, as on a technician's laptop without network.

If the other registry only went on from this one, its entries are copied with their signatures.
Otherwise its facts are entered anew behind what is here; countersignatures name an entry by its
hash and have to be made again. Handing in twice changes nothing.
"""

from hashlib import sha256
from typing import Any, NamedTuple

from meterseal.errors import RegistryError
from meterseal.registry.fields import check_common, check_fields, fields_of
from meterseal.registry.log import Fact, Registry
from meterseal.registry.proof import check_enrolment
from meterseal.trust_json import canonical
from meterseal.trust_write import Entry

FORMAT = "meterseal-facts"


class Synced(NamedTuple):
    """Entries made here, how many were here already, countersignatures to make again."""

    made: list[Entry]
    present: int
    unsigned: int


def facts_document(facts: list[Fact]) -> dict[str, Any]:
    """Facts as a file keeps them until they can be handed in."""
    return {
        "format": FORMAT,
        "facts": [
            {"type": one.kind, "at": one.at, "by": one.by, "fields": one.fields} for one in facts
        ],
    }


def read_facts(document: dict[str, Any]) -> list[Fact]:
    """Facts of such a file. Raises RegistryError `facts-format`."""
    try:
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}")
        return [
            Fact(one["type"], dict(one["fields"]), one.get("at", ""), one.get("by", ""))
            for one in document["facts"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        text = f"expected a file of format {FORMAT!r}, found {problem!r}"
        raise RegistryError("facts-format", text, "Give a file that provisioning wrote.") from None


def hand_in(registry: Registry, facts: list[Fact]) -> Synced:
    """Enter the facts that are not there yet. Enrolments without proof of possession, and those of
    another key or key class, are refused: RegistryError `possession-proof`.
    """
    for one in facts:
        if one.kind == "enrol":
            check_fields(one.kind, one.fields)
            check_enrolment(one.fields, needed=True)
    known = {_identity(one["type"], one["at"], fields_of(one)) for one in registry.entries()}
    missing = [one for one in facts if _identity(one.kind, one.at, one.fields) not in known]
    return Synced(registry.append(missing), len(facts) - len(missing), 0)


def sync(registry: Registry, other: list[Entry]) -> Synced:
    """Take the entries of another registry in. Raises RegistryError of the first refused one."""
    present = registry.entries()
    if other[: len(present)] == present:
        return Synced(registry.copy(other), len(present), 0)
    if present[: len(other)] == other:
        return Synced([], len(other), 0)
    for one in other:
        check_common(one)
    facts = [
        Fact(one["type"], fields_of(one), one["at"], one.get("by", ""))
        for one in other
        if one["type"] != "countersign"
    ]
    made = hand_in(registry, facts)
    needed = {one["of_hash"] for one in other if one["type"] == "countersign"}
    done = {one["of_hash"] for one in present if one["type"] == "countersign"}
    return made._replace(unsigned=len(needed - done))


def _identity(kind: str, at: str, fields: dict[str, Any]) -> str:
    return sha256(canonical([kind, at, fields])).hexdigest()
