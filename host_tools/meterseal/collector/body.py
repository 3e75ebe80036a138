"""Reads the body of an upload within limits of size and time."""

import asyncio
from collections.abc import Iterable
from typing import Final

from starlette.types import Receive

from meterseal.collector.errors import CollectorError

SEQUENCE: Final = "application/cbor-seq"
MAX_BODY_BYTES: Final = 1_048_576
BODY_TIMEOUT_S: Final = 60.0


async def read_body(
    headers: Iterable[tuple[bytes, bytes]], receive: Receive, most_len: int = MAX_BODY_BYTES
) -> bytes:
    """The body. Raises CollectorError `upload-encoding`, `upload-too-large`, `upload-slow`."""
    for name, value in headers:
        if name == b"content-encoding" and value != b"identity":
            raise CollectorError(
                415,
                "upload-encoding",
                f"expected a body that is not compressed, found {value.decode('latin-1')}",
                "Send it as it is: columns are packed already.",
            )
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await _gather(receive, most_len)
    except TimeoutError:
        text = f"expected the whole body within {BODY_TIMEOUT_S:.0f} s"
        raise CollectorError(408, "upload-slow", text, "Send fewer batches.") from None


async def _gather(receive: Receive, most_len: int) -> bytes:
    """As soon as it is too long nothing more of it is read."""
    parts, length, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            text = "expected the whole body, found the connection closed"
            raise CollectorError(408, "upload-slow", text, "Send it again.")
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        more = message.get("more_body", False)
        if length > most_len:
            text = f"expected at most {most_len} bytes"
            raise CollectorError(413, "upload-too-large", text, "Send fewer batches at once.")
    return parts[0] if len(parts) == 1 else b"".join(parts)
