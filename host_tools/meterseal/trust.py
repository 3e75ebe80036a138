"""Trust files: a signed export of the registry that says whose keys count, since when, where.

Entries are append-only and hash-chained; the operator's key signs the head. Who the operator is
must come from outside the file (`anchors`): without that, everything that rests on it is
UNANCHORED. The registry writes trust files (trust_write.py); this module only ever reads.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from meterseal.errors import EnvironmentProblem
from meterseal.trust_countersigned import Gate, gate_of
from meterseal.trust_entries import TrustedKey, keys_of
from meterseal.trust_fields import NO_ENTRY, entry_hash, hex_of, list_of, refuse, unix_ms
from meterseal.trust_json import canonical, parse
from meterseal.trust_keys import fingerprint, message_verifies

__all__ = [
    "FORMAT",
    "NO_ENTRY",
    "VERSION",
    "Trust",
    "TrustedKey",
    "check_chain",
    "entry_hash",
    "load_trust",
    "parse_trust",
    "signed_message",
    "unix_ms",
]

FORMAT: Final = "meterseal-trust"
VERSION: Final = 1
MAX_FILE_LEN: Final = 1 << 28


@dataclass(frozen=True)
class Trust:
    """A trust file that was found consistent and signed.

    `anchored`: its signer is one of the anchors that the caller brought along;
    `second_anchored`: so is who countersigns, and that is somebody else than the operators.
    """

    keys: Mapping[bytes, TrustedKey]
    operator: str
    head: str
    anchored: bool
    second_anchored: bool = False
    gate: Gate = field(default_factory=Gate)
    entries: list[dict[str, Any]] = field(default_factory=list)

    def key(self, kid: bytes) -> TrustedKey | None:
        """The key with this kid, revoked or not."""
        return self.keys.get(kid)


def load_trust(
    path: Path, anchors: Collection[str] = (), second_anchors: Collection[str] = ()
) -> Trust:
    """Trust file at a path; anchors: fingerprints of the roles' keys, from another source.

    Raises EnvironmentProblem `trust-unreadable`; TrustError as `parse_trust`.
    """
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise EnvironmentProblem(
            "trust-unreadable",
            f"expected a trust file: {problem}",
            "Give the signed registry export with --trust.",
        ) from problem
    return parse_trust(data, anchors, second_anchors)


def parse_trust(
    data: bytes, anchors: Collection[str] = (), second_anchors: Collection[str] = ()
) -> Trust:
    """Trust from the bytes of a file.

    `anchors`: fingerprints of operator keys; `second_anchors`: of the keys that countersign; with
    any, no other key does.

    Raises TrustError: `trust-json`, `trust-duplicate-key`, `trust-float`, `trust-format`,
    `trust-version`, `trust-entry`, `trust-entry-unknown`, `trust-chain`, `trust-head`,
    `trust-key`, `trust-kid-conflict`, `trust-unsigned`, `trust-signature`, `trust-anchor`,
    `trust-rollover`.
    """
    if len(data) > MAX_FILE_LEN:
        refuse("trust-format", f"at most {MAX_FILE_LEN} bytes", str(len(data)))
    document = parse(data)
    if document.get("format") != FORMAT:
        refuse("trust-format", f"format {FORMAT!r}", repr(document.get("format")))
    if document.get("version") != VERSION:
        refuse("trust-version", f"version {VERSION}", repr(document.get("version")))
    if set(document) != {"format", "version", "entries", "head", "signatures"}:
        refuse("trust-format", "format, version, entries, head, signatures", str(set(document)))
    entries = list_of(document["entries"], "entries")
    check_chain(entries, document["head"])
    operators = _operators(document)
    known = {anchor.lower() for anchor in anchors}
    anchored = [operator for operator in operators if operator in known]
    if known and not anchored:
        refuse("trust-anchor", "a signature by one of the given anchors", operators[0])
    seconds = {anchor.lower() for anchor in second_anchors}
    gate = gate_of(entries, seconds, {*operators, *known})
    return Trust(
        keys_of(entries, gate),
        (anchored or operators)[0],
        document["head"],
        bool(anchored),
        bool(seconds) and not seconds & {*operators, *known},
        gate,
        entries,
    )


def check_chain(entries: list[Any], head: object) -> None:
    """Numbers from 1, each entry with the hash of the one before, the last one's as head."""
    previous = NO_ENTRY
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or entry.get("n") != number:
            refuse("trust-chain", f"entry {number} with its number", "another one")
        if entry.get("previous") != previous:
            refuse("trust-chain", f"entry {number} linked to the one before", "another hash")
        previous = entry_hash(entry)
    if head != previous:
        refuse("trust-head", "the hash of the last entry as head", "another one")


def signed_message(count: int, head: str) -> bytes:
    """What a signature of a trust file signs."""
    return canonical({"entries": count, "format": FORMAT, "head": head, "version": VERSION})


def _operators(document: dict[str, Any]) -> list[str]:
    """Fingerprints of the operator keys that signed; every signature present has to be right."""
    message = signed_message(len(document["entries"]), document["head"])
    operators = []
    for item in list_of(document["signatures"], "signatures"):
        if not isinstance(item, dict) or set(item) != {"role", "public_key", "signature"}:
            refuse("trust-signature", "role, public_key and signature", "something else")
        public_key = hex_of(item, "public_key", 65, "trust-signature")
        if not message_verifies(
            public_key, message, hex_of(item, "signature", 64, "trust-signature")
        ):
            refuse("trust-signature", "a signature over this head", "one that does not verify")
        if item["role"] == "operator":
            operators.append(fingerprint(public_key))
    if not operators:
        refuse("trust-unsigned", "the operator's signature", "none")
    return operators
