"""The shortest way of an upload: a whole request in one piece goes to the intake at once.

Nearly every request is a few batches from a connection that is kept open. Parsing its head again,
a task and the turns of ASGI would cost more than checking its signature. Whatever is not exactly
such a request (another path, a body in pieces, a header that changes how to read it, bytes behind
it) goes uvicorn's way, which ends in the same intake.
"""

import re
from functools import lru_cache
from typing import Any, Final

from meterseal.collector.body import MAX_BODY_BYTES
from meterseal.collector.bounded import BoundedHttp
from meterseal.collector.errors import CollectorError
from meterseal.collector.intake import Answer, as_json
from meterseal.collector.uploads import PATH, UploadsFirst

MAX_DIRECT_HEAD_LEN: Final = 1024
_REQUEST_LINE: Final = b"POST %b HTTP/1.1\r\n" % PATH.encode()
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e]?[\x20-\x7e\t]*)")
"""A header field (RFC 9112 section 5), on one line and in ASCII."""
_PLAIN: Final = {b"host", b"content-type", b"content-length", b"user-agent", b"accept"}
"""Fields that do not change how a request is read; any other takes the long way."""
_LENGTH: Final = re.compile(rb"[0-9]{1,7}")


@lru_cache(1024)
def body_len(head: bytes) -> int:
    """Length of the body after a head (request line and fields); -1: not a plain upload."""
    found = -1
    for line in head[len(_REQUEST_LINE) :].split(b"\r\n"):
        field = _FIELD.fullmatch(line)
        if field is None or field[1].lower() not in _PLAIN:
            return -1
        if field[1].lower() == b"content-length":
            if found >= 0 or not _LENGTH.fullmatch(field[2]):
                return -1
            found = int(field[2])
    return found if found <= MAX_BODY_BYTES else -1


def plain_body(data: bytes) -> bytes | None:
    """The body, if `data` is one whole plain upload and nothing else."""
    if not data.startswith(_REQUEST_LINE):
        return None
    end = data.find(b"\r\n\r\n", 0, MAX_DIRECT_HEAD_LEN)
    if end < 0 or body_len(data[:end]) != len(data) - end - 4:
        return None
    return data[end + 4 :]


class DirectUploads(BoundedHttp):
    """uvicorn's protocol for an application `UploadsFirst`, with the shortest way before it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        app = self.config.app
        assert isinstance(app, UploadsFirst)
        self._intake = app.intake
        self._direct = False
        self._ending = False
        self._behind: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        """Bytes from the network; what comes behind a direct upload waits for its answer."""
        if self._direct:
            self._behind.append(data)
            self.flow.pause_reading()
            return
        if self.flow.write_paused:  # it sends on and on, and reads none of the answers
            self.transport.abort()
            return
        body = plain_body(data) if self._is_idle() else None
        if body is None:
            super().data_received(data)
            return
        self._unset_keepalive_if_required()
        self._head_is_there()
        self._direct = True
        self._intake.submit(body, self._answer, self.client[0] if self.client else "")

    def shutdown(self) -> None:
        """The server ends: what is in hand is answered before."""
        if self._direct:
            self._ending = True
        else:
            super().shutdown()

    def waiting_since(self) -> float | None:
        """As there; a direct upload is owed its answer."""
        return None if self._direct else super().waiting_since()

    def _is_idle(self) -> bool:
        """Nothing is in hand, and there is room for more."""
        limit = self.limit_concurrency or len(self.connections) + 1
        answered = self.cycle is None or self.cycle.response_complete
        return answered and not self.in_message and len(self.connections) < limit

    def _answer(self, found: Answer) -> None:
        self._direct = False
        if self.transport.is_closing():
            return
        self.transport.write(self._response(found))
        if self._ending:
            self.transport.close()
            return
        self.server_state.total_requests += 1
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )
        if self._behind:
            self._go_on()

    def _go_on(self) -> None:
        behind, self._behind = b"".join(self._behind), []
        self.flow.resume_reading()
        self.data_received(behind)

    def _response(self, found: Answer) -> bytes:
        if isinstance(found, CollectorError):
            line, content = b"HTTP/1.1 %d \r\n" % found.status, as_json(found.body())
            if found.retry_after_s:
                line += b"retry-after: %d\r\n" % found.retry_after_s
        else:
            line, content = b"HTTP/1.1 200 OK\r\n", as_json(found)
        fields = b"".join([b"%b: %b\r\n" % field for field in self.server_state.default_headers])
        form = b"%b%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
        return form % (line, fields, len(content), content)
