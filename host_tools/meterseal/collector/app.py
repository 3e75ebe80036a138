"""HTTP interface of the collector (WIRE_FORMAT section 10)."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from meterseal import __version__
from meterseal.collector.ingest import Opener, answer, ingest
from meterseal.collector.store import Store

MAX_BODY_BYTES = 1_048_576
SEQUENCE = "application/cbor-seq"


def create_app(store: Store, opener: Opener) -> FastAPI:
    """The collector's interface on a store; `opener` checks each batch."""
    app = FastAPI(title="Meterseal collector", version=__version__)

    @app.post("/v1/batches")
    async def post_batches(request: Request) -> dict[str, Any]:
        """Take a batch or a CBOR sequence of batches; acknowledged is what is on disk."""
        body = await bounded_body(request)
        return await run_in_threadpool(ingest, body, opener, store)

    @app.get("/v1/head")
    def get_head(device: str) -> dict[str, Any]:
        """Acknowledgements for every chain of a device (kid in hexadecimal)."""
        return answer(store.heads(device_id(device)))

    @app.get("/v1/time")
    def get_time() -> dict[str, Any]:
        """The collector's clock."""
        return {"time_unix_ms": answer([])["time_unix_ms"]}

    @app.get("/v1/export")
    def get_export(device: str | None = None) -> StreamingResponse:
        """Every batch that verified, as a CBOR sequence, byte for byte."""
        wanted = None if device is None else device_id(device)
        batches: Iterator[bytes] = store.raw_batches(wanted)
        return StreamingResponse(batches, media_type=SEQUENCE)

    @app.get("/healthz")
    def get_health() -> dict[str, str]:
        """Alive."""
        return {"status": "ok"}

    return app


async def bounded_body(request: Request) -> bytes:
    """The body, at most MAX_BODY_BYTES; 413 as soon as it is longer."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(
                413, f"expected at most {MAX_BODY_BYTES} bytes; send fewer batches"
            )
    return bytes(body)


def device_id(text: str) -> bytes:
    """Kid of 8 bytes from its hexadecimal form; 422 if it is none."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 8:
        raise HTTPException(422, "expected a device id of 16 hexadecimal digits")
    return found
