"""The way of an upload through ASGI, without the layers that other requests pass.

Nearly every request is an upload, and most of what a small one costs would be routing, dependency
resolution and response classes. This is the same endpoint, described in app.py for OpenAPI.
"""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meterseal.collector.body import read_body
from meterseal.collector.errors import CollectorError
from meterseal.collector.intake import Intake, as_json

PATH: Final = "/v1/batches"
_JSON: Final = (b"content-type", b"application/json")


class UploadsFirst:
    """An ASGI application: uploads go to `intake`, everything else to `app`."""

    def __init__(self, app: ASGIApp, intake: Intake) -> None:
        self._app = app
        self.intake = intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection event, as ASGI has it."""
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            await self._upload(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, headers = 200, [_JSON]
        try:
            body = await read_body(scope["headers"], receive)
            client = scope.get("client")
            content = as_json(await self.intake.take(body, client[0] if client else ""))
        except CollectorError as error:
            status, content = error.status, as_json(error.body())
            if error.retry_after_s:
                headers.append((b"retry-after", b"%d" % error.retry_after_s))
        headers.append((b"content-length", b"%d" % len(content)))
        start: Message = {"type": "http.response.start", "status": status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": content})
