"""HTTP interface of the collector (WIRE_FORMAT section 10)."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import StreamingResponse

from meterseal import __version__
from meterseal.collector.background import Background
from meterseal.collector.body import MAX_BODY_BYTES, SEQUENCE, read_body
from meterseal.collector.errors import CollectorError
from meterseal.collector.ingest import now_unix_ms
from meterseal.collector.intake import Intake, as_json

DeviceId = Annotated[str, Query(pattern="^[0-9a-f]{16}$", description="Device id: kid in hex.")]
_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": f"One batch or a CBOR sequence of batches; at most {MAX_BODY_BYTES} bytes.",
        "content": {SEQUENCE: {"schema": {"type": "string", "format": "binary"}}},
    }
}
_JSON: Final = "application/json"
_FRESH_S: Final = 1.0
_PEM: Final = "application/x-pem-file"


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Description of the answers other than 200, for OpenAPI."""
    names = ("code", "error", "remedy")
    schema = {
        "type": "object",
        "required": list(names),
        "properties": {name: {"type": "string"} for name in names},
    }
    content = {_JSON: {"schema": schema}}
    return {status: {"description": "Refused", "content": content} for status in statuses}


def create_app(intake: Intake, background: Background | None = None) -> FastAPI:
    """The collector's interface; `background` runs as long as it serves."""
    beside = background or Background()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        beside.start()
        yield
        await beside.stop()
        intake.close()

    app = FastAPI(title="Meterseal collector", version=__version__, lifespan=lifespan)
    app.add_exception_handler(CollectorError, _refuse)
    _add_device_routes(app, intake)
    _add_reader_routes(app, intake)
    _add_state_routes(app, intake, beside)
    return app


def _add_device_routes(app: FastAPI, intake: Intake) -> None:
    @app.post("/v1/batches", openapi_extra=_BODY, responses=refusals(408, 413, 415, 429, 503))
    async def post_batches(request: Request) -> Response:
        """Take a batch or a CBOR sequence of batches; what is acknowledged is on disk."""
        body = await read_body(request.headers.raw, request.receive)
        source = request.client.host if request.client else ""
        return Response(as_json(await intake.take(body, source)), media_type=_JSON)

    @app.get("/v1/head")
    def get_head(device: DeviceId) -> dict[str, Any]:
        """Acknowledgements for every chain of a device."""
        return intake.answer(intake.store.heads(bytes.fromhex(device)))

    @app.get("/v1/time")
    async def get_time() -> dict[str, int]:
        """The collector's clock."""
        return {"time_unix_ms": now_unix_ms()}


def _add_reader_routes(app: FastAPI, intake: Intake) -> None:
    @app.get(
        "/v1/export",
        response_class=StreamingResponse,
        responses={200: {"content": {SEQUENCE: {}}}},
    )
    def get_export(device: DeviceId | None = None) -> StreamingResponse:
        """Every batch that verified, as a CBOR sequence, byte for byte."""
        wanted = None if device is None else bytes.fromhex(device)
        return StreamingResponse(intake.store.raw_batches(wanted), media_type=SEQUENCE)

    @app.get("/v1/receipt.pem", response_class=Response, responses={200: {"content": {_PEM: {}}}})
    async def get_receipt_key() -> Response:
        """Public key of the receipts, for `meterseal audit --collector-key`."""
        return Response(intake.receipt_pem, media_type=_PEM)


class _Check:
    """A check that costs a lock: who asks often gets what it said less than a second ago."""

    def __init__(self, check: Callable[[], object]) -> None:
        self._check = check
        self._passed_s = -_FRESH_S

    def __call__(self) -> None:
        """Raises what the check raises, which is not remembered."""
        if time.monotonic() - self._passed_s >= _FRESH_S:
            self._check()
            self._passed_s = time.monotonic()


def _add_state_routes(app: FastAPI, intake: Intake, background: Background) -> None:
    check = _Check(intake.store.check)

    @app.get("/healthz")
    async def get_health() -> dict[str, str]:
        """Alive."""
        return {"status": "ok"}

    @app.get("/readyz", responses=refusals(503))
    def get_ready() -> dict[str, Any]:
        """Ready to take batches: the database answers and can be written. `tasks`: how what runs
        beside fares (broker, trust file); a broker that is away does not keep HTTPS from working.
        """
        check()
        return {"status": "ready", "tasks": background.states}


def _refuse(_request: Request, error: Exception) -> Response:
    assert isinstance(error, CollectorError)
    headers = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s else None
    return Response(as_json(error.body()), error.status, headers, _JSON)
