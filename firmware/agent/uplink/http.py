"""HTTP/1.1 over verified TLS, as little of it as the uplink needs: one connection, kept open.

Every await has a timeout, every length a limit, and the whole answer has to come within the
timeout too, so that a server that sends a byte now and then cannot hold the uplink. The TLS
context comes from the port, always with a required certificate and host name check; no byte of a
request leaves before the handshake has verified them.
"""

import asyncio

from agent.errors import UploadError

from ..constant import const
from .kept import KeptConnection
from .reader import malformed

_MOST_HEADER_BYTES = const(4096)
_HTTPS_PORT = const(443)


def split_url(url):
    """(host, port, path prefix) of an https URL; UploadError `url-not-https`."""
    if not url.startswith("https://"):
        raise UploadError(
            "url-not-https", "expected uplink.url to begin with https://; readings travel by TLS"
        )
    authority, _, path = url[8:].partition("/")
    host, _, port = authority.partition(":")
    return host, int(port) if port else _HTTPS_PORT, "/" + path if path else ""


def over_tls(context):
    """`connect` of a Connection; `context` must require a certificate and its authority."""

    async def connect(address, port, host):
        return await asyncio.open_connection(address, port, ssl=context, server_hostname=host)

    return connect


class Connection(KeptConnection):
    """One kept-alive connection to a collector."""

    def __init__(self, url, *rest):
        host, port, self._prefix = split_url(url)
        super().__init__((host, port), *rest)

    async def request(self, method, path, length, pieces, most):
        """Send one request with a body of `length` bytes from `pieces`; the body of the answer.

        UploadError `http-status`, `http-malformed`, `http-timeout`, `http-cut`, `tls-*`,
        `connect-*`.
        """
        send = self._send(method, path, length, pieces)
        body, keep = await self._exchange(send, self._answer, most)
        if not keep:
            await self.close()
        return body

    async def _send(self, method, path, length, pieces):
        head = (
            "%s %s%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/cbor-seq\r\n"
            "Content-Length: %d\r\nConnection: keep-alive\r\n\r\n"
            % (method, self._prefix, path, self._host, length)
        )
        await self._write(head.encode())
        await self._write_pieces(pieces)

    async def _answer(self, most):
        """(body, whether the connection may be used again)."""
        status, headers = await self._head()
        if status != 200:
            raise UploadError(
                "http-status",
                "expected status 200, found %d; nothing was changed" % status,
                status=status,
            )
        length = body_len(headers, most)
        body = await (self._chunks(most) if length is None else self._reader.exactly(length))
        keep = headers.get("connection", "").lower() != "close"
        return body, keep and self._reader.is_empty

    async def _head(self):
        line = await self._reader.line(_MOST_HEADER_BYTES)
        parts = line.split(" ")
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
            raise malformed("an HTTP/1.1 status line")
        headers = {}
        room = _MOST_HEADER_BYTES
        while True:
            line = await self._reader.line(room)
            if not line:
                return int(parts[1]), headers
            room -= len(line)
            name, _, value = line.partition(":")
            name = name.strip().lower()
            if name in headers and name in ("content-length", "transfer-encoding"):
                raise malformed("one %s" % name)
            headers[name] = value.strip()

    async def _chunks(self, most):
        body = b""
        while True:
            length = chunk_len(await self._reader.line(32), most - len(body))
            piece = await self._reader.exactly(length)
            await self._reader.line(0)
            if not length:
                return body
            body += piece


def body_len(headers, most):
    """Length by the headers, None for chunks; UploadError `http-malformed` beyond `most`."""
    length = headers.get("content-length")
    if "transfer-encoding" in headers:
        if length is not None or headers["transfer-encoding"].lower() != "chunked":
            raise malformed("chunks or a Content-Length")
        return None
    if length is None or not length.isdigit() or len(length) > 9 or int(length) > most:
        raise malformed("a Content-Length of at most %d" % most)
    return int(length)


def chunk_len(line, room):
    """Length of a chunk from its first line; UploadError `http-malformed` beyond `room`."""
    digits = line.split(";")[0].strip().lower()
    strange = [digit for digit in digits if digit not in "0123456789abcdef"]
    if not digits or strange or int(digits, 16) > room:
        raise malformed("a chunk of at most %d bytes" % room)
    return int(digits, 16)
