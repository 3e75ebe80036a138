"""HTTP/1.1 over verified TLS, as little of it as the uplink needs: one connection, kept open.

Every await has a timeout, every length a limit. The TLS context comes from the port, always with
a required certificate and host name check; no byte of a request leaves before the handshake has
verified them. Name look-up (getaddrinfo) blocks the whole board for as long as the resolver takes,
which no timeout here can shorten: the address is kept for as long as it works.
"""

import asyncio

from agent.errors import UploadError
from agent.modbus.timing import wait_for_ms

from .failures import network_error

_MOST_HEADER_BYTES = 4096
_CHUNK = 1024
_HTTPS_PORT = 443


def split_url(url):
    """(host, port, path prefix) of an https URL; UploadError `url-not-https`."""
    if not url.startswith("https://"):
        raise UploadError(
            "url-not-https", "expected uplink.url to begin with https://; readings travel by TLS"
        )
    authority, _, path = url[8:].partition("/")
    host, _, port = authority.partition(":")
    return host, int(port) if port else _HTTPS_PORT, "/" + path if path else ""


class Connection:
    """One kept-alive connection; any failure closes it. `context` verifies or raises."""

    def __init__(self, url, context, timeout_ms):
        self._host, self._port, self._prefix = split_url(url)
        self._context = context
        self._timeout_ms = timeout_ms
        self.check_in = lambda: None
        self._reader = self._writer = None

    @property
    def is_open(self):
        """Whether a connection is held (the other end may have closed it meanwhile)."""
        return self._writer is not None

    async def open(self):
        """Connect and verify; UploadError names what failed."""
        try:
            self._reader, self._writer = await self._within(self._connect(), "connect-timeout")
        except (OSError, ValueError) as error:
            raise network_error(error, "connect-failed")

    async def _connect(self):
        return await asyncio.open_connection(
            self._host, self._port, ssl=self._context, server_hostname=self._host
        )

    async def request(self, method, path, length, pieces, most):
        """Send one request with a body of `length` bytes from `pieces`; the body of the answer.

        UploadError `http-status`, `http-malformed`, `http-timeout`, `tls-*`, `connect-*`.
        """
        try:
            await self._send(method, path, length, pieces)
            body, keep = await self._answer(most)
        except (OSError, ValueError, EOFError) as error:
            await self.close()
            raise network_error(error, "http-cut")
        except UploadError:
            await self.close()
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
        status, headers = await self._head()
        length = headers.get("content-length", "")
        chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        if not chunked and (not length.isdigit() or int(length) > most):
            raise _malformed("a Content-Length of at most %d" % most)
        body = await (self._chunks(most) if chunked else self._exactly(int(length)))
        if status != 200:
            raise UploadError(
                "http-status",
                "expected status 200, found %d; nothing was changed" % status,
                status=status,
            )
        return body, headers.get("connection", "").lower() != "close"

    async def _head(self):
        line = await self._line(_MOST_HEADER_BYTES)
        parts = line.split(" ")
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
            raise _malformed("an HTTP/1.1 status line")
        headers = {}
        room = _MOST_HEADER_BYTES
        while True:
            line = await self._line(room)
            if not line:
                return int(parts[1]), headers
            room -= len(line)
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()

    async def _line(self, room):
        data = await self._within(self._reader.readline(), "http-timeout")
        if not data.endswith(b"\n"):
            raise network_error(EOFError("no end of line"), "http-cut")
        if not data.endswith(b"\r\n") or len(data) > room:
            raise _malformed("header lines of at most %d bytes" % _MOST_HEADER_BYTES)
        try:
            return data[:-2].decode()
        except UnicodeError:
            raise _malformed("headers in ASCII")

    async def _chunks(self, most):
        body = b""
        while True:
            size = await self._line(32)
            try:
                length = int(size.split(";")[0], 16)
            except ValueError:
                raise _malformed("a chunk length")
            if not 0 <= length <= most - len(body):
                raise _malformed("a body of at most %d bytes" % most)
            piece = await self._exactly(length)
            await self._line(2)
            if not length:
                return body
            body += piece

    async def _exactly(self, length):
        if not length:
            return b""
        return await self._within(self._reader.readexactly(length), "http-timeout")

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


def _malformed(expected):
    return UploadError(
        "http-malformed",
        "expected %s; is this the collector, or a login page in between?" % expected,
    )
