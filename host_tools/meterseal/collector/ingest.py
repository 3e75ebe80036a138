"""From the body of an upload to what is stored, and from heads to the answer (WIRE_FORMAT 10)."""

import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

from meterseal.collector.records import (
    CLAIMED,
    SIGNED,
    UNKNOWN,
    Head,
    Kept,
    LostRange,
    Refused,
    Upload,
)
from meterseal.errors import VerificationError
from meterseal.models import SealedBatch
from meterseal.wire.envelope import batch_end, claimed_kid

MAX_STORED: Final = (1 << 63) - 1
"""Databases count to here; what is beyond is refused (`field-range`)."""
_LOST_BATCHES: Final = 0
_RECEIPT: Final = 19


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


def sort_in(
    opened: Iterable[tuple[bytes, SealedBatch | VerificationError]], upload: Upload
) -> None:
    """Put batches where they belong: none stands in the way of those behind it."""
    for raw, found in opened:
        if isinstance(found, SealedBatch) and found.contents.number > MAX_STORED:
            upload.refused.append(_refused("field-range", raw))
        elif isinstance(found, SealedBatch):
            upload.kept.append(_kept(found))
        else:
            upload.refused.append(_refused(found.code, raw))


def _refused(code: str, raw: bytes) -> Refused:
    """The stages of WIRE_FORMAT section 11 come in order: what is refused later was signed."""
    if code == "signature-invalid":
        standing = CLAIMED
    elif code == "key-unknown" or code.startswith(("batch-", "cose-", "signature-")):
        standing = UNKNOWN
    else:
        standing = SIGNED
    return Refused(code, raw, claimed_kid(raw), standing)


def _kept(batch: SealedBatch) -> Kept:
    contents = batch.contents
    lost: tuple[LostRange, ...] = ()
    if contents.lost:
        lost = tuple(
            LostRange(item.first, item.last, item.last_hash)
            for item in contents.lost
            if item.kind == _LOST_BATCHES
        )
    return Kept(
        batch.kid,
        contents.chain,
        contents.number,
        batch.hash,
        contents.previous,
        lost,
        batch.raw,
        contents.extra.get(_RECEIPT, b""),
    )


def answer(heads: list[Head], refused: list[Refused]) -> dict[str, Any]:
    """Acknowledgements, requests to send again, what was refused and why, the time."""
    found: dict[str, Any] = {
        "acks": [_named(head) | {"hash": head.hash.hex()} for head in heads if head.number],
        "time_unix_ms": now_unix_ms(),
    }
    resend = [_named(head) | {"number": head.missing} for head in heads if head.missing]
    if resend:
        found["resend"] = resend
    if refused:
        found["refused"] = [item.code for item in refused]
    return found


def now_unix_ms() -> int:
    """The collector's clock."""
    return time.time_ns() // 1_000_000


def _named(head: Head) -> dict[str, Any]:
    return {"device": head.device.hex(), "chain": head.chain.hex(), "number": head.number}
