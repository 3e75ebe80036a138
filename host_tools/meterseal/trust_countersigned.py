"""The one gate of trust: which registry entries count, because a second role signed them.

A `countersign` entry names another entry by number and hash and carries the second role's
signature. Who that is comes from outside the registry (`second_anchors`). A signature that does
not verify refuses the file; one by another key, or by a key that is also the operator's, counts
for nothing. Verification and reports ask this gate alone.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from meterseal.errors import TrustError
from meterseal.trust_fields import entry_hash, hex_of, list_of
from meterseal.trust_keys import fingerprint, message_verifies

DOMAIN: Final = b"meterseal-registry\0"
SECOND: Final = "second"
NEED_SECOND: Final = frozenset(
    (
        *("enrol", "meter-install", "meter-remove", "replace-device", "rollover"),
        *("station", "calibration", "set-aside", "restart"),
    )
)
"""Types that affect what energy counts: such an entry counts for nothing until a second role has
countersigned it. Others only take away (`revoke`, `retire`) or only inform."""


@dataclass(frozen=True)
class Gate:
    """What passed. `counted`: numbers of countersigned entries; `roles`: who countersigned."""

    counted: frozenset[int] = frozenset()
    roles: frozenset[str] = frozenset()

    def counts(self, entry: dict[str, Any]) -> bool:
        """Whether an entry has an effect."""
        return entry["type"] not in NEED_SECOND or entry["n"] in self.counted


def entry_message(entry: dict[str, Any]) -> bytes:
    """What a signature of an entry signs: the domain and the hash without its signatures."""
    bare = {name: value for name, value in entry.items() if name != "signatures"}
    return DOMAIN + bytes.fromhex(entry_hash(bare))


def gate_of(
    entries: list[dict[str, Any]], second_anchors: Collection[str], operators: Collection[str]
) -> Gate:
    """Which entries count.

    With `second_anchors` only those keys countersign, those of `operators` never do. Raises
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
    return Gate(frozenset(numbers), frozenset(roles))


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
