"""Builds and signs trust files; the registry, the demonstration and tests use it.

entries: list[dict] = []
enrol(entries, public_key, station="battambang-03", key_class="software", at=now())
path.write_bytes(sign(entries, operator_key))
"""

import json
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from meterseal.trust import (
    FORMAT,
    NO_ENTRY,
    VERSION,
    check_chain,
    entry_hash,
    signed_message,
)
from meterseal.trust_countersigned import SECOND, entry_message
from meterseal.trust_keys import kid_of, public_bytes, sign_message, thumbprint

Entry = dict[str, Any]


def now() -> str:
    """The present moment as entries write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def append(entries: list[Entry], kind: str, at: str, **fields: Any) -> Entry:
    """Add an entry behind the others, linked to the last one; the entry itself.

    Raises TrustError `trust-json` for fields that are not strings, integers, lists or objects.
    """
    previous = entry_hash(entries[-1]) if entries else NO_ENTRY
    entry = {"n": len(entries) + 1, "previous": previous, "type": kind, "at": at, **fields}
    entry_hash(entry)
    entries.append(entry)
    return entry


def enrol(
    entries: list[Entry], public_key: bytes, station: str, key_class: str, at: str, **more: Any
) -> Entry:
    """Add a device: its public key of 65 bytes, its station, `sim`, `software`, ..."""
    return append(
        entries,
        "enrol",
        at,
        device_id=kid_of(public_key).hex(),
        public_key=public_key.hex(),
        thumbprint=thumbprint(public_key).hex(),
        key_class=key_class,
        station=station,
        **more,
    )


def countersign(
    entries: list[Entry], number: int, second_key: ec.EllipticCurvePrivateKey, at: str
) -> Entry:
    """Add the second role's confirmation of entry `number`."""
    entry = append(entries, "countersign", at, of=number, of_hash=entry_hash(entries[number - 1]))
    signature = {
        "role": SECOND,
        "public_key": public_bytes(second_key).hex(),
        "signature": sign_message(second_key, entry_message(entry)).hex(),
    }
    entry["signatures"] = [signature]
    return entry


def sign(entries: list[Entry], *operator_keys: ec.EllipticCurvePrivateKey) -> bytes:
    """Bytes of a trust file with all entries, signed by each of the operator's keys (P-256)."""
    head = entry_hash(entries[-1]) if entries else NO_ENTRY
    check_chain(entries, head)
    message = signed_message(len(entries), head)
    signatures = [
        {
            "role": "operator",
            "public_key": public_bytes(key).hex(),
            "signature": sign_message(key, message).hex(),
        }
        for key in operator_keys
    ]
    document = {
        "format": FORMAT,
        "version": VERSION,
        "entries": entries,
        "head": head,
        "signatures": signatures,
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"
