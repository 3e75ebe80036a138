"""Acknowledgements that somebody outside of the collector holds: receipts and answers.

A device states the newest receipt in its next batch; a collector that took a batch and threw it
away cannot deny what it signed.
"""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

from meterseal.errors import EnvironmentProblem, VerificationError
from meterseal.trust_keys import kid_of, load_public_key, verify_digest
from meterseal.wire.cbor import decode_map
from meterseal.wire.envelope import CONTENT_RECEIPT, open_envelope

RECEIPT_KEY: Final = 19
"""Payload key of a batch (WIRE_FORMAT section 3)."""


class Ack(NamedTuple):
    """Up to here a collector said that it holds a chain. `source`: who says so."""

    device: bytes
    chain: bytes
    number: int
    hash: bytes
    source: str


def acks_of(receipt: bytes, collector_key: bytes, source: str) -> list[Ack]:
    """What a receipt acknowledges. `collector_key`: 65 bytes, or empty: not checked.

    Raises VerificationError `receipt-malformed`, `receipt-signature`, or as `open_envelope`.
    """
    envelope = open_envelope(receipt, CONTENT_RECEIPT)
    if collector_key:
        signed = envelope.kid == kid_of(collector_key) and verify_digest(
            load_public_key(collector_key), envelope.digest, envelope.signature
        )
        if not signed:
            text = f"expected a receipt by the collector's key, found one by {envelope.kid.hex()}"
            raise VerificationError("receipt-signature", text, "Give the key of that collector.")
    try:
        entries: Any = decode_map(envelope.payload)[2]
        return [Ack(bytes(d), bytes(c), int(n), bytes(h), source) for d, c, n, h in entries]
    except (KeyError, TypeError, ValueError) as problem:
        text = f"expected a receipt of WIRE_FORMAT section 10, found: {problem!r}"
        raise VerificationError("receipt-malformed", text) from None


def read_heads(path: Path, collector_key: bytes) -> list[Ack]:
    """Heads out of a file: an answer of `/v1/batches` or `/v1/head`, or an earlier audit's JSON.

    Its `receipt`, if it has one, must verify. Raises EnvironmentProblem `heads-unreadable`,
    VerificationError as `acks_of`.
    """
    try:
        document = json.loads(path.read_bytes())
        found = [_ack(one, path.name) for one in document["acks"]]
        receipt = bytes.fromhex(document.get("receipt") or "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise EnvironmentProblem(
            "heads-unreadable",
            f"expected a JSON object with `acks` in {path}: {problem!r}",
            "Give an answer of the collector, or the JSON of an earlier audit.",
        ) from problem
    return found + (acks_of(receipt, collector_key, f"{path.name}, signed") if receipt else [])


def _ack(one: dict[str, Any], source: str) -> Ack:
    device, chain, digest = (bytes.fromhex(one[name]) for name in ("device", "chain", "hash"))
    return Ack(device, chain, int(one["number"]), digest, source)
