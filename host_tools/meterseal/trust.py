"""Trust files: a signed export of the registry that says whose keys count, since when, where.

Entries are append-only and hash-chained; the operator's key signs the head. Who the operator is
must come from outside the file (`anchors`): without that, everything that rests on it is
UNANCHORED. The registry writes trust files (trust_write.py); this module only ever reads.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NoReturn

from cryptography.hazmat.primitives.asymmetric import ec

from meterseal.errors import EnvironmentProblem, TrustError
from meterseal.models import KEY_CLASSES
from meterseal.trust_json import canonical, parse
from meterseal.trust_keys import (
    fingerprint,
    kid_of,
    load_public_key,
    message_verifies,
    thumbprint,
)

FORMAT: Final = "meterseal-trust"
VERSION: Final = 1
NO_ENTRY: Final = "00" * 32
MAX_FILE_LEN: Final = 1 << 28

# What an entry may be; those without effect on keys are the registry's own business.
_KEY_TYPES: Final = frozenset(("enrol", "revoke", "retire", "restart"))
_OTHER_TYPES: Final = frozenset(
    (
        *("calibrate", "calibration", "chain-restart", "countersign", "meter-install"),
        *("meter-remove", "note", "relabel", "replace-device", "replace-meter", "rollover"),
        "station",
    )
)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


@dataclass(frozen=True)
class TrustedKey:
    """What the registry says about a device key. Times are milliseconds since 1970, UTC."""

    kid: bytes
    public_key: bytes
    key_class: str
    station: str
    valid_from_unix_ms: int | None = None
    valid_until_unix_ms: int | None = None
    revoked_from_unix_ms: int | None = None
    revocation: str = ""
    restarts: frozenset[bytes] = frozenset()
    """Chain ids of the restarts that the operator recorded."""

    @cached_property
    def thumbprint(self) -> bytes:
        """COSE Key Thumbprint, 32 bytes."""
        return thumbprint(self.public_key)

    @cached_property
    def loaded(self) -> ec.EllipticCurvePublicKey:
        """The key, ready to verify with."""
        return load_public_key(self.public_key)


@dataclass(frozen=True)
class Trust:
    """A trust file that was found consistent and signed.

    `anchored`: its signer is one of the anchors that the caller brought along.
    """

    keys: Mapping[bytes, TrustedKey]
    operator: str
    head: str
    anchored: bool

    def key(self, kid: bytes) -> TrustedKey | None:
        """The key with this kid, revoked or not."""
        return self.keys.get(kid)


def load_trust(path: Path, anchors: Collection[str] = ()) -> Trust:
    """Trust file at a path; `anchors`: fingerprints of operator keys, from another source.

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
    return parse_trust(data, anchors)


def parse_trust(data: bytes, anchors: Collection[str] = ()) -> Trust:
    """Trust from the bytes of a file.

    Raises TrustError: `trust-json`, `trust-duplicate-key`, `trust-float`, `trust-format`,
    `trust-version`, `trust-entry`, `trust-entry-unknown`, `trust-chain`, `trust-head`,
    `trust-key`, `trust-kid-conflict`, `trust-unsigned`, `trust-signature`, `trust-anchor`.
    """
    if len(data) > MAX_FILE_LEN:
        _refuse("trust-format", f"at most {MAX_FILE_LEN} bytes", str(len(data)))
    document = parse(data)
    if document.get("format") != FORMAT:
        _refuse("trust-format", f"format {FORMAT!r}", repr(document.get("format")))
    if document.get("version") != VERSION:
        _refuse("trust-version", f"version {VERSION}", repr(document.get("version")))
    if set(document) != {"format", "version", "entries", "head", "signatures"}:
        _refuse("trust-format", "format, version, entries, head, signatures", str(set(document)))
    entries = _list(document["entries"], "entries")
    check_chain(entries, document["head"])
    operators = _operators(document)
    known = {anchor.lower() for anchor in anchors}
    anchored = [operator for operator in operators if operator in known]
    if known and not anchored:
        _refuse("trust-anchor", "a signature by one of the given anchors", operators[0])
    return Trust(_keys(entries), (anchored or operators)[0], document["head"], bool(anchored))


def check_chain(entries: list[Any], head: object) -> None:
    """Numbers from 1, each entry with the hash of the one before, the last one's as head."""
    previous = NO_ENTRY
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or entry.get("n") != number:
            _refuse("trust-chain", f"entry {number} with its number", "another one")
        if entry.get("previous") != previous:
            _refuse("trust-chain", f"entry {number} linked to the one before", "another hash")
        previous = entry_hash(entry)
    if head != previous:
        _refuse("trust-head", "the hash of the last entry as head", "another one")


def entry_hash(entry: dict[str, Any]) -> str:
    """SHA-256 of the entry's canonical JSON, in hexadecimal."""
    return sha256(canonical(entry)).hexdigest()


def signed_message(count: int, head: str) -> bytes:
    """What a signature of a trust file signs."""
    return canonical({"entries": count, "format": FORMAT, "head": head, "version": VERSION})


def _operators(document: dict[str, Any]) -> list[str]:
    """Fingerprints of the operator keys that signed; every signature present has to be right."""
    message = signed_message(len(document["entries"]), document["head"])
    operators = []
    for item in _list(document["signatures"], "signatures"):
        if not isinstance(item, dict) or set(item) != {"role", "public_key", "signature"}:
            _refuse("trust-signature", "role, public_key and signature", "something else")
        public_key = _hex(item, "public_key", 65, "trust-signature")
        if not message_verifies(
            public_key, message, _hex(item, "signature", 64, "trust-signature")
        ):
            _refuse("trust-signature", "a signature over this head", "one that does not verify")
        if item["role"] == "operator":
            operators.append(fingerprint(public_key))
    if not operators:
        _refuse("trust-unsigned", "the operator's signature", "none")
    return operators


def _keys(entries: list[dict[str, Any]]) -> dict[bytes, TrustedKey]:
    found: dict[bytes, dict[str, Any]] = {}
    for entry in entries:
        kind = entry.get("type")
        unix_ms(_text(entry, "at"))
        if kind == "enrol":
            key = _enrolled(entry)
            if key["kid"] in found:
                _refuse("trust-kid-conflict", "a device id once", key["kid"].hex())
            found[key["kid"]] = key
        elif kind in _KEY_TYPES:
            _change(entry, found)
        elif kind not in _OTHER_TYPES:
            _refuse("trust-entry-unknown", "a known type of entry", repr(kind))
    return {kid: TrustedKey(**key) for kid, key in found.items()}


def _enrolled(entry: dict[str, Any]) -> dict[str, Any]:
    public_key = _hex(entry, "public_key", 65)
    load_public_key(public_key)
    kid = _hex(entry, "device_id", 8)
    if kid != kid_of(public_key) or _hex(entry, "thumbprint", 32) != thumbprint(public_key):
        _refuse("trust-key", "the device id and thumbprint of the key", "others")
    key_class = _text(entry, "key_class")
    if key_class not in KEY_CLASSES:
        _refuse("trust-entry", f"a key class out of {', '.join(KEY_CLASSES)}", repr(key_class))
    key: dict[str, Any] = {"kid": kid, "public_key": public_key, "key_class": key_class}
    for name in ("valid_from", "valid_until"):
        if name in entry:
            key[f"{name}_unix_ms"] = unix_ms(_text(entry, name))
    return key | {"station": _text(entry, "station")}


def _change(entry: dict[str, Any], found: dict[bytes, dict[str, Any]]) -> None:
    key = found.get(_hex(entry, "device_id", 8))
    if key is None:
        _refuse("trust-entry", "an entry about an enrolled device", "another device")
    if entry["type"] == "restart":
        key["restarts"] = key.get("restarts", frozenset()) | {_hex(entry, "chain", 16)}
        return
    since = unix_ms(_text(entry, "since"))
    name = "revoked_from_unix_ms" if entry["type"] == "revoke" else "valid_until_unix_ms"
    key[name] = min(since, key.get(name, since))
    if entry["type"] == "revoke":
        key["revocation"] = _text(entry, "reason")


def unix_ms(text: str) -> int:
    """Milliseconds since 1970 of "2026-01-31T08:00:00Z". Raises TrustError `trust-entry`."""
    try:
        if not _TIME.fullmatch(text):
            raise ValueError(text)
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        _refuse("trust-entry", 'a time like "2026-01-31T08:00:00Z"', repr(text))
    return int(moment.timestamp()) * 1000


def _text(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str):
        _refuse("trust-entry", f"entry {entry['n']} with a text {name!r}", repr(value))
    return value


def _hex(entry: dict[str, Any], name: str, length: int, code: str = "trust-entry") -> bytes:
    value = entry.get(name)
    if not isinstance(value, str) or not re.fullmatch(rf"[0-9a-f]{{{2 * length}}}", value):
        _refuse(code, f"{name} of {2 * length} hexadecimal digits", repr(value))
    return bytes.fromhex(value)


def _list(value: object, name: str) -> list[Any]:
    if not isinstance(value, list):
        _refuse("trust-format", f"a list of {name}", "another value")
    return value


def _refuse(code: str, expected: str, found: str) -> NoReturn:
    raise TrustError(code, f"expected {expected}, found {found}")
