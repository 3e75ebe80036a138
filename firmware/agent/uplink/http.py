"""HTTP/1.1 over verified TLS, as little of it as the uplink needs: one connection, kept open.

Every await has a timeout, every length a limit, and the whole answer has to come within the
timeout too, so that a server that sends a byte now and then cannot hold the uplink. The TLS
context comes from the port, always with a required certificate and host name check; no byte of a
request leaves before the handshake has verified them.
"""

import asyncio
import gc

from agent import forget
from agent.errors import UploadError
from agent.modbus.timing import wait_for_ms

from ..constant import const
from .reader import Reader, malformed

_MOST_HEADER_BYTES = const(4096)
_CHUNK = const(1024)
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


def refusal(error, otherwise):
    """The UploadError for what the network did; its words are loaded only then."""
    from .failures import network_error

    try:
        return network_error(error, otherwise)
    finally:
        forget.scarce("uplink.failures")


def over_tls(context):
    """`connect` of a Connection; `context` must require a certificate and its authority."""

    async def connect(address, port, host):
        return await asyncio.open_connection(address, port, ssl=context, server_hostname=host)

    return connect


class Connection:
    """One kept-alive connection; any failure closes it. `connect`: see `over_tls`.

    `sent_ms`: when the last request had been handed to the network, by `mono_ms()`.
    """

    def __init__(self, url, connect, timeout_ms, resolver, mono_ms):
        self._host, self._port, self._prefix = split_url(url)
        self._connect = connect
        self._timeout_ms = timeout_ms
        self._resolver = resolver
        self._mono_ms = mono_ms
        self.sent_ms = 0
        self.check_in = lambda: None
        self._reader = self._writer = None

    @property
    def is_open(self):
        """Whether a connection is held (the other end may have closed it meanwhile)."""
        return self._writer is not None

    async def open(self):
        """Connect; UploadError names what failed. Certificates are checked at the latest when
        the request is written, before its first byte leaves.
        """
        try:
            address = await self._resolver.address(self._host, self._port)
            await self._within(self._open(address), "connect-timeout")
        except (OSError, ValueError) as error:
            await self._unusable()
            raise refusal(error, "connect-failed")
        except UploadError:
            await self._unusable()
            raise

    async def _open(self, address):
        stream, self._writer = await self._connect(address, self._port, self._host)
        self._reader = Reader(stream)

    async def _unusable(self):
        """Perhaps the address has changed; and a socket given up half-way is collected."""
        self._resolver.forget(self._host)
        await self.close()
        gc.collect()

    async def request(self, method, path, length, pieces, most):
        """Send one request with a body of `length` bytes from `pieces`; the body of the answer.

        UploadError `http-status`, `http-malformed`, `http-timeout`, `http-cut`, `tls-*`,
        `connect-*`.
        """
        try:
            await self._send(method, path, length, pieces)
            self.sent_ms = self._mono_ms()
            body, keep = await self._within(self._answer(most), "http-timeout")
        except (OSError, ValueError, EOFError) as error:
            await self._unusable()
            raise refusal(error, "http-cut")
        except (UploadError, MemoryError):
            await self.close()  # what is left of the answer must not be taken for the next one
            raise
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
        for piece in pieces:
            for at in range(0, len(piece), _CHUNK):
                await self._write(piece[at : at + _CHUNK])

    async def _write(self, data):
        self._writer.write(data)
        await self._within(self._writer.drain(), "http-timeout")

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

    async def _within(self, awaitable, code):
        self.check_in()
        try:
            return await wait_for_ms(awaitable, self._timeout_ms)
        except asyncio.TimeoutError:
            raise UploadError(
                code, "nothing happened for %d ms; the next try comes later" % self._timeout_ms
            )

    async def close(self):
        """Give the connection up; errors of a dead one no longer matter."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is None:
            return
        try:
            writer.close()
            await wait_for_ms(writer.wait_closed(), self._timeout_ms)
        except (OSError, ValueError, asyncio.TimeoutError):
            pass  # it is gone either way


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
