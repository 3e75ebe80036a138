"""From the body of an upload to stored batches and acknowledgements (WIRE_FORMAT section 10)."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from meterseal.collector.store import Head, Kept, Refused, Store
from meterseal.errors import VerificationError
from meterseal.models import SealedBatch
from meterseal.wire.envelope import batch_end

Opener = Callable[[bytes], SealedBatch]
"""Checks signature and schema of one batch; raises VerificationError."""


def split_sequence(body: bytes) -> Iterator[bytes]:
    """The batches of a CBOR sequence, by their layout; anything else comes as one piece."""
    at = 0
    while at < len(body):
        end = batch_end(body, at)
        if end is None or end > len(body):
            yield body[at:]
            return
        yield body[at:end]
        at = end


def judge(body: bytes, opener: Opener) -> tuple[list[Kept], list[Refused]]:
    """Take every batch of a body apart; none stands in the way of those behind it."""
    kept, refused = [], []
    for raw in split_sequence(body):
        try:
            kept.append(_kept(opener(raw)))
        except VerificationError as error:
            refused.append(Refused(error.code, raw))
    return kept, refused


def _kept(batch: SealedBatch) -> Kept:
    contents = batch.contents
    follows = contents.number - 1
    for lost in sorted(contents.lost, key=lambda lost: -lost.last):
        if lost.kind == 0 and lost.last >= follows:
            follows = min(follows, lost.first - 1)
    return Kept(
        batch.kid,
        contents.chain,
        contents.number,
        batch.hash,
        contents.previous,
        follows,
        batch.raw,
    )


def answer(heads: list[Head], refused: int = 0) -> dict[str, Any]:
    """The JSON answer: acknowledgements, requests to send again, the time."""
    return {
        "acks": [_named(head) | {"hash": head.hash.hex()} for head in heads if head.number],
        "resend": [
            _named(head) | {"number": head.missing} for head in heads if head.missing is not None
        ],
        "refused": refused,
        "time_unix_ms": time.time_ns() // 1_000_000,
    }


def _named(head: Head) -> dict[str, Any]:
    return {"device": head.device.hex(), "chain": head.chain.hex(), "number": head.number}


def ingest(body: bytes, opener: Opener, store: Store) -> dict[str, Any]:
    """Verify and store a body, then answer: what the answer acknowledges is on disk."""
    kept, refused = judge(body, opener)
    heads = store.keep(kept, refused)
    return answer(heads, len(refused))
