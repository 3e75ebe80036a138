"""HTTP with heads of bounded length: what a client may make a worker remember before the body."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_LEN: Final = 65_536


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol; a request line and headers that do not end are answered with 400."""

    in_message = False
    _in_head = False
    _head_len = 0

    def on_message_begin(self) -> None:
        """A head begins."""
        self.in_message = self._in_head = True
        self._head_len = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is there."""
        self._in_head = False
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
