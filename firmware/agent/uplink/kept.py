"""One kept connection over verified TLS: what HTTP and MQTT have in common.

Every await has a timeout; any failure closes the connection, so that what is left of an answer is
never taken for the next one. Must never send before the handshake has verified the other end: the
TLS context of `connect` sees to that.
"""

import asyncio
import gc

from agent import forget
from agent.errors import UploadError
from agent.modbus.timing import wait_for_ms

from ..constant import const
from .reader import Reader

_CHUNK = const(1024)


def refusal(error, otherwise):
    """The UploadError for what the network did; its words are loaded only then."""
    from .failures import network_error

    try:
        return network_error(error, otherwise)
    finally:
        forget.scarce("uplink.failures")


class KeptConnection:
    """Opens, writes, closes. `place`: (host, port). `connect`: see `http.over_tls`.

    `sent_ms`: when the last request had been handed to the network, by `mono_ms()`.
    `heard_from_ms`: since when whatever was answered may come; None where an answer is always
    that to the last request.
    """

    heard_from_ms = None

    def __init__(self, place, connect, timeout_ms, resolver, mono_ms):
        self._host, self._port = place
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
        the first request is written, before its first byte leaves.
        """
        try:
            address = await self._resolver.address(self._host, self._port)
            await self._within(self._open(address), "connect-timeout")
        except (OSError, ValueError, EOFError) as error:
            await self._unusable()
            raise refusal(error, "connect-failed")
        except UploadError:
            await self._unusable()
            raise

    async def _open(self, address):
        stream, self._writer = await self._connect(address, self._port, self._host)
        self._reader = Reader(stream)

    async def _exchange(self, send, answer, most):
        """What `answer(most)` gives after `send`; UploadError `http-timeout`, `http-cut`."""
        try:
            await send
            self.sent_ms = self._mono_ms()
            return await self._within(answer(most), "http-timeout")
        except (OSError, ValueError, EOFError) as error:
            await self._unusable()
            raise refusal(error, "http-cut")
        except (UploadError, MemoryError):
            await self.close()  # what is left of the answer must not be taken for the next one
            raise

    async def _write(self, data):
        self._writer.write(data)
        await self._within(self._writer.drain(), "http-timeout")

    async def _write_pieces(self, pieces):
        for piece in pieces:
            for at in range(0, len(piece), _CHUNK):
                await self._write(piece[at : at + _CHUNK])

    async def _within(self, awaitable, code):
        self.check_in()
        try:
            return await wait_for_ms(awaitable, self._timeout_ms)
        except asyncio.TimeoutError:
            raise UploadError(
                code, "nothing happened for %d ms; the next try comes later" % self._timeout_ms
            )

    async def _unusable(self):
        """Perhaps the address has changed; and a socket given up half-way is collected."""
        self._resolver.forget(self._host)
        await self.close()
        gc.collect()

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
