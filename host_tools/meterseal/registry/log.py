"""Entries in the database: appended in one transaction, checked on every reading.

registry = open_registry("registry.sqlite")
registry.append([Fact("station", {"station": "battambang-03", "name": "Battambang 3"})])
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Connection, insert, select

from meterseal.errors import RegistryError, TrustError
from meterseal.registry.fields import check_common, check_entry, check_fields
from meterseal.registry.proof import check_enrolment
from meterseal.registry.rules import apply, state_of
from meterseal.registry.state import State
from meterseal.registry.table import REGISTRY_ENTRIES
from meterseal.trust import NO_ENTRY, check_chain, entry_hash
from meterseal.trust_countersigned import entry_message
from meterseal.trust_json import canonical
from meterseal.trust_keys import public_bytes, sign_message
from meterseal.trust_write import Entry, now


class Fact(NamedTuple):
    """What is to be entered. `fields`: see fields.py; `at`: "" for now; `by`: who enters it.

    `signers`: (role, key) of those who sign the entry itself: operator, second, owner.
    """

    kind: str
    fields: dict[str, Any]
    at: str = ""
    by: str = ""
    signers: Sequence[tuple[str, ec.EllipticCurvePrivateKey]] = ()


class Transactions(Protocol):
    """A database: one writer at a time, durable when the block ends."""

    def read(self) -> AbstractContextManager[Connection]:
        """One consistent view."""

    def write(self) -> AbstractContextManager[Connection]:
        """One transaction; nothing of it is there if it raises."""


class Registry:
    """An append-only list of entries."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def entries(self) -> list[Entry]:
        """All entries. Raises RegistryError `registry-altered` if one is not what was entered."""
        with self._database.read() as connection:
            return _load(connection)

    def state(self) -> State:
        """What the entries add up to."""
        return state_of(self.entries())

    def append(self, facts: Iterable[Fact]) -> list[Entry]:
        """Enter facts, all or none; the new entries.

        Raises RegistryError with the code of what is wrong with the first one that is refused.
        """
        with self._database.write() as connection:
            entries = _load(connection)
            count = len(entries)
            state = state_of(entries)
            for fact in facts:
                entry = _linked(fact, entries)
                apply(state, entry)
                if fact.kind == "enrol":
                    check_enrolment(fact.fields, needed=False)
                entries.append(entry)
            _store(connection, entries[count:])
        return entries[count:]

    def copy(self, newer: list[Entry]) -> list[Entry]:
        """Take over entries of another registry that only went on from this one; the new ones.

        Raises RegistryError `registry-diverged` if it did not, and as `append` for an entry that
        could not be entered here: nothing is ever taken out again.
        """
        with self._database.write() as connection:
            present = _load(connection)
            if newer[: len(present)] != present:
                raise RegistryError(
                    "registry-diverged",
                    "expected a registry that goes on from this one, found other entries in it",
                    "Enter its facts anew instead of copying its entries.",
                )
            _checked(newer, "the other registry")
            for entry in newer[len(present) :]:
                check_entry(entry)
                if entry["type"] == "enrol":
                    check_enrolment(entry, needed=True)
            state_of(newer)
            _store(connection, newer[len(present) :])
        return newer[len(present) :]


def _linked(fact: Fact, entries: list[Entry]) -> Entry:
    """The entry of a fact, behind the others, with its signatures."""
    check_fields(fact.kind, fact.fields)
    entry: Entry = {
        "n": len(entries) + 1,
        "previous": entry_hash(entries[-1]) if entries else NO_ENTRY,
        "type": fact.kind,
        "at": fact.at or now(),
        **fact.fields,
    }
    if fact.by:
        entry["by"] = fact.by
    check_common(entry)
    message = entry_message(entry)
    signatures = [
        {
            "role": role,
            "public_key": public_bytes(key).hex(),
            "signature": sign_message(key, message).hex(),
        }
        for role, key in fact.signers
    ]
    return {**entry, "signatures": signatures} if signatures else entry


def _load(connection: Connection) -> list[Entry]:
    rows = connection.execute(select(REGISTRY_ENTRIES.c.body).order_by(REGISTRY_ENTRIES.c.n))
    try:
        entries = [json.loads(body) for (body,) in rows]
    except ValueError as problem:
        raise altered("the database", str(problem)) from problem
    _checked(entries, "the database")
    last = connection.execute(
        select(REGISTRY_ENTRIES.c.hash).order_by(REGISTRY_ENTRIES.c.n.desc()).limit(1)
    ).scalar()
    if entries and entry_hash(entries[-1]) != bytes(last or b"").hex():
        raise altered("the database", "a last entry that is not the one that was entered")
    return entries


def _checked(entries: list[Entry], where: str) -> None:
    try:
        check_chain(entries, entry_hash(entries[-1]) if entries else NO_ENTRY)
    except TrustError as problem:
        raise altered(where, problem.text) from problem


def _store(connection: Connection, entries: list[Entry]) -> None:
    if entries:
        connection.execute(insert(REGISTRY_ENTRIES), [_row(entry) for entry in entries])


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "n": entry["n"],
        "type": entry["type"],
        "hash": bytes.fromhex(entry_hash(entry)),
        "body": canonical(entry).decode(),
    }


def altered(where: str, text: str) -> RegistryError:
    """What is raised for entries that do not hang together."""
    return RegistryError(
        "registry-altered",
        f"{where}: expected entries as they were made: {text}",
        "Somebody edited it. Restore it from a backup and compare it with the last signed export.",
    )
