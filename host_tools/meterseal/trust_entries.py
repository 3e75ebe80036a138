"""Device keys out of the entries of a trust file: enrolled, confirmed, revoked, rolled over."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from meterseal.errors import RegistryError
from meterseal.models import KEY_CLASSES
from meterseal.trust_countersigned import Gate
from meterseal.trust_fields import hex_of, refuse, text_of, unix_ms
from meterseal.trust_keys import kid_of, load_public_key, thumbprint
from meterseal.trust_rollover import check_statement

# What an entry may be; those without effect on keys are the registry's own business.
_KEY_TYPES: Final = frozenset(("enrol", "revoke", "retire", "restart", "relabel"))
_OTHER_TYPES: Final = frozenset(
    (
        *("calibrate", "calibration", "chain-restart", "countersign", "meter-install"),
        *("meter-remove", "note", "replace-device", "replace-meter", "set-aside"),
        "station",
    )
)


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
    countersigned: bool = True
    board: str = ""
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


def keys_of(entries: list[dict[str, Any]], gate: Gate) -> dict[bytes, TrustedKey]:
    """Device keys of a trust file whose chain was checked, by kid.

    Raises TrustError as `parse_trust`.
    """
    found: dict[bytes, dict[str, Any]] = {}
    for entry in entries:
        kind = entry.get("type")
        unix_ms(text_of(entry, "at"))
        if kind == "enrol":
            key = _enrolled(entry) | {"countersigned": gate.counts(entry)}
            if key["kid"] in found:
                refuse("trust-kid-conflict", "a device id once", key["kid"].hex())
            found[key["kid"]] = key
        elif kind in _KEY_TYPES:
            _change(entry, found, gate)
        elif kind == "rollover":
            _rollover(entry, found)
        elif kind not in _OTHER_TYPES:
            refuse("trust-entry-unknown", "a known type of entry", repr(kind))
    return {kid: TrustedKey(**key) for kid, key in found.items()}


def _enrolled(entry: dict[str, Any]) -> dict[str, Any]:
    public_key = hex_of(entry, "public_key", 65)
    load_public_key(public_key)
    kid = hex_of(entry, "device_id", 8)
    if kid != kid_of(public_key) or hex_of(entry, "thumbprint", 32) != thumbprint(public_key):
        refuse("trust-key", "the device id and thumbprint of the key", "others")
    key_class = text_of(entry, "key_class")
    if key_class not in KEY_CLASSES:
        refuse("trust-entry", f"a key class out of {', '.join(KEY_CLASSES)}", repr(key_class))
    key: dict[str, Any] = {"kid": kid, "public_key": public_key, "key_class": key_class}
    for name in ("valid_from", "valid_until"):
        if name in entry:
            key[f"{name}_unix_ms"] = unix_ms(text_of(entry, name))
    board = entry.get("board")
    key["board"] = board if isinstance(board, str) else ""
    return key | {"station": text_of(entry, "station")}


def _change(entry: dict[str, Any], found: dict[bytes, dict[str, Any]], gate: Gate) -> None:
    key = found.get(hex_of(entry, "device_id", 8))
    if key is None:
        refuse("trust-entry", "an entry about an enrolled device", "another device")
    if entry["type"] == "restart":
        chain = hex_of(entry, "chain", 16)
        if gate.counts(entry):
            key["restarts"] = key.get("restarts", frozenset()) | {chain}
        return
    if entry["type"] == "relabel":
        key["station"] = text_of(entry, "station")
        return
    since = unix_ms(text_of(entry, "since"))
    name = "revoked_from_unix_ms" if entry["type"] == "revoke" else "valid_until_unix_ms"
    key[name] = min(since, key.get(name, since))
    if entry["type"] == "revoke":
        key["revocation"] = text_of(entry, "reason")


def _rollover(entry: dict[str, Any], found: dict[bytes, dict[str, Any]]) -> None:
    """The old key has to have signed the new one. Use and end of both are entries of their own."""
    old, new = (found.get(hex_of(entry, name, 8)) for name in ("old_device_id", "new_device_id"))
    if old is None or new is None:
        refuse("trust-entry", "a rollover between two enrolled keys", "another device")
    statement = text_of(entry, "statement")
    try:
        check_statement(bytes.fromhex(statement), old["public_key"], new["public_key"])
    except (RegistryError, ValueError):
        refuse("trust-rollover", "a statement of the old key on the new one", "another statement")
