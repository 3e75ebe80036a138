"""Which registry entries a second role signed: people prove that the key sits beside the meter.

A `countersign` entry names another entry by number and hash and carries the second role's
signature. A signature that does not verify, or by a key that is also the operator's, counts for
nothing.
"""

from collections.abc import Collection
from typing import Any, Final

from meterseal.errors import TrustError
from meterseal.trust_fields import entry_hash, hex_of, list_of
from meterseal.trust_keys import fingerprint, message_verifies

DOMAIN: Final = b"meterseal-registry\0"
SECOND: Final = "second"


def entry_message(entry: dict[str, Any]) -> bytes:
    """What a signature of an entry signs: the domain and the hash without its signatures."""
    bare = {name: value for name, value in entry.items() if name != "signatures"}
    return DOMAIN + bytes.fromhex(entry_hash(bare))


def countersigned(
    entries: list[dict[str, Any]],
    second_anchors: Collection[str],
    operators: Collection[str] = (),
) -> tuple[set[int], set[str]]:
    """Numbers of countersigned entries, and fingerprints of the keys that countersigned.

    With `second_anchors` only those keys count, those of `operators` never. Raises
    TrustError `trust-entry` for a countersignature that does not verify or names another content.
    """
    numbers: set[int] = set()
    roles: set[str] = set()
    for entry in entries:
        if entry.get("type") != "countersign":
            continue
        target = entries[_target(entry, len(entries)) - 1]
        if entry.get("of_hash") != entry_hash(target):
            raise TrustError(
                "trust-entry",
                f"entry {entry['n']}: expected the hash of entry {target['n']}, found another",
            )
        for signer in second_signers(entry, target):
            if signer not in operators and (not second_anchors or signer in second_anchors):
                numbers.add(target["n"])
                roles.add(signer)
    return numbers, roles


def _target(entry: dict[str, Any], count: int) -> int:
    number = entry.get("of")
    if not isinstance(number, int) or not 1 <= number < min(entry["n"], count + 1):
        raise TrustError(
            "trust-entry", f"entry {entry['n']}: expected an earlier entry in `of`, found {number}"
        )
    return number


def second_signers(entry: dict[str, Any], target: dict[str, Any]) -> list[str]:
    """Fingerprints of second-role keys that signed a countersignature; none that signed otherwise.

    Raises TrustError `trust-entry` for a signature that does not verify.
    """
    seconds = []
    others = {
        fingerprint(_key(one)) for one in list_of(target.get("signatures", []), "signatures")
    }
    message = entry_message(entry)
    for one in list_of(entry.get("signatures", []), "signatures"):
        public_key = _key(one)
        if not message_verifies(public_key, message, hex_of(one, "signature", 64)):
            raise TrustError(
                "trust-entry",
                f"entry {entry['n']}: expected signatures that verify, found one of the "
                f"{one.get('role')} that does not",
            )
        if one.get("role") == SECOND:
            seconds.append(fingerprint(public_key))
        else:
            others.add(fingerprint(public_key))
    return [one for one in seconds if one not in others]


def _key(signature: dict[str, Any]) -> bytes:
    if not isinstance(signature, dict):
        raise TrustError("trust-entry", "expected signatures of an entry, found another value")
    return hex_of(signature, "public_key", 65)
