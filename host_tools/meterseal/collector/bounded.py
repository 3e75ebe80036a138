"""HTTP within bounds of length and time: what a client may hold before it has asked, and after.

A head has to end, soon; what is answered has to be read.
"""

from asyncio import TimerHandle, Transport
from collections.abc import Callable
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_LEN: Final = 65_536
HEAD_S: Final = 10.0
"""From the connection, or from the first byte of a later request, to the end of its head."""

UNREAD_LEN: Final = 65_536
UNREAD_S: Final = 60.0
"""Answers may pile up to so many bytes (and 64 KiB below TLS), and then for so long."""


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol; a request line and headers that do not end are answered with 400.

    `leave` is called when the connection is gone.
    """

    in_message = False
    leave: Callable[[], None] = staticmethod(lambda: None)
    _in_head = False
    _head_len = 0
    _head_timer: TimerHandle | None = None
    _since = 0.0
    _unread_timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """A connection; its first head has to come soon."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=UNREAD_LEN)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._head_is_there()
        self._is_read()
        super().connection_lost(exc)
        self.leave()

    def on_message_begin(self) -> None:
        """A head begins."""
        self.in_message = self._in_head = True
        self._head_len = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is there."""
        self._in_head = False
        self._head_is_there()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is there, whole."""
        self.in_message = False
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Bytes from the network; they count as long as the head before them is open."""
        if self._in_head:
            self._head_len += len(data)
            if self._head_len > MAX_HEAD_LEN:
                self.send_400_response(f"Expected a head of at most {MAX_HEAD_LEN} bytes.")
                return
        super().data_received(data)
        if self._in_head and self._head_timer is None:
            self._expect_head()

    def pause_writing(self) -> None:
        """Answers pile up: the client does not read them."""
        super().pause_writing()
        self._since = self.loop.time()
        self._unread_timer = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It does."""
        super().resume_writing()
        self._is_read()

    def waiting_since(self) -> float | None:
        """Since when (of the loop's clock) the client owes something; None: it is owed an answer.

        It owes the rest of a head or of a body, or has asked for nothing since its last answer,
        or does not read what it is answered.
        """
        if self._unread_timer is not None:
            return self._since
        if self.timeout_keep_alive_task is not None:
            return self.timeout_keep_alive_task.when() - self.timeout_keep_alive
        answered = self.cycle is None or self.cycle.response_complete
        return self._since if answered or self.in_message else None

    def _expect_head(self) -> None:
        self._since = self.loop.time()
        self._head_timer = self.loop.call_later(HEAD_S, self._too_slow)

    def _head_is_there(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _is_read(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()
