"""Reads the body of an upload within limits of size and time."""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from meterseal.collector.errors import CollectorError

SEQUENCE: Final = "application/cbor-seq"
MAX_BODY_BYTES: Final = 1_048_576
BODY_TIMEOUT_S: Final = 60.0


async def read_body(request: Request) -> bytes:
    """The body. Raises CollectorError `upload-encoding`, `upload-too-large`, `upload-slow`."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise CollectorError(
            415,
            "upload-encoding",
            f"expected a body that is not compressed, found {encoding}",
            "Send it as it is: columns are packed already.",
        )
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await _gather(request)
    except TimeoutError:
        text = f"expected the whole body within {BODY_TIMEOUT_S:.0f} s"
        raise CollectorError(408, "upload-slow", text, "Send fewer batches.") from None
    except ClientDisconnect:
        text = "expected the whole body, found the connection closed"
        raise CollectorError(408, "upload-slow", text, "Send it again.") from None


async def _gather(request: Request) -> bytes:
    """As soon as it is too long nothing more of it is read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            text = f"expected at most {MAX_BODY_BYTES} bytes"
            raise CollectorError(413, "upload-too-large", text, "Send fewer batches at once.")
    return bytes(body)
