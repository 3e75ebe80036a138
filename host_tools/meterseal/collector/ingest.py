"""From the body of an upload to what is stored, and from heads to the answer (WIRE_FORMAT 10)."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from meterseal.collector.records import Head, Kept, LostRange, Refused, Upload
from meterseal.errors import VerificationError
from meterseal.models import SealedBatch
from meterseal.wire.envelope import batch_end

Opener = Callable[[bytes], SealedBatch]
"""Checks envelope, signature and schema of one batch; raises VerificationError."""

MAX_STORED: Final = (1 << 63) - 1
"""Databases count to here; at one batch a second that is 290,000,000,000 years."""
_LOST_BATCHES: Final = 0


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


def judge(raw: bytes, opener: Opener, upload: Upload) -> None:
    """Put one batch of an upload where it belongs: none stands in the way of those behind it."""
    try:
        upload.kept.append(_kept(opener(raw)))
    except VerificationError as error:
        upload.refused.append(Refused(error.code, raw))


def _kept(batch: SealedBatch) -> Kept:
    contents = batch.contents
    lost: tuple[LostRange, ...] = ()
    if contents.lost:
        lost = tuple(
            LostRange(item.first, item.last, item.last_hash)
            for item in contents.lost
            if item.kind == _LOST_BATCHES
        )
    if contents.number > MAX_STORED:
        text = f"expected a batch number of at most 2^63 - 1, found {contents.number}"
        raise VerificationError("field-range", text)
    return Kept(
        batch.kid,
        contents.chain,
        contents.number,
        batch.hash,
        contents.previous,
        lost,
        batch.raw,
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
