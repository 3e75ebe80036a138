"""A TCP connection that is opened when needed and given up when it makes trouble; every step has a
time limit.

`asyncio.open_connection` is injected as `connect`, so that tests can run on simulated time. On a
board it blocks while it resolves a host name: configure meters by their addresses. Must
never leave a connection in use that may hold half a frame.
"""

import asyncio

from ..constant import const
from ..errors import ModbusBusError

_CLOSE_MS = const(500)
_CHUNK_LEN = const(512)
_HELD_MS = const(10)  # a timeout that fires so late was held up by another task
_LOOK_MS = const(5)
_MOST_LOOKS = const(4)


class Stream:
    """`open`, `send`, `receive`, `close`; failures are ModbusBusError and close the connection."""

    def __init__(self, host, port, timing, connect=None, connect_ms=3000):
        self._where = (host, port)
        self._timing = timing
        self._connect = connect or asyncio.open_connection
        self._connect_ms = connect_ms
        self._reader = None
        self._writer = None

    async def open(self):
        """Connect, unless connected; True if the connection is new."""
        if self._writer is not None:
            return False
        self._reader, self._writer = await self._limited(
            self._connect(self._where[0], self._where[1]), self._connect_ms, "connect"
        )
        return True

    async def send(self, data, limit_ms):
        """Send all of `data`."""
        await self._limited(self._written(data), limit_ms, "send")

    async def receive(self, buf, wait_ms):
        """Add what comes within `wait_ms` to `buf`; False if nothing came.

        A limit that passed while another task held the loop says nothing: look once more.
        """
        before = len(buf)
        for _ in range(_MOST_LOOKS):
            start = self._timing.ms()
            try:
                more = await self._timing.wait_for_ms(self._read_into(buf), wait_ms)
            except asyncio.TimeoutError:
                if len(buf) > before:
                    return True  # read as the limit passed: MicroPython throws the result away
                if self._timing.since_ms(start) < wait_ms + _HELD_MS:
                    return False
                wait_ms = _LOOK_MS
                continue
            except OSError as error:
                await self._fail("receive", error)
            if not more:
                await self._fail("receive", "end of the connection")
            return True
        return False

    async def _read_into(self, buf):
        data = await self._reader.read(_CHUNK_LEN)
        buf.extend(data)
        return bool(data)

    async def close(self):
        """Give the connection up."""
        writer, self._writer, self._reader = self._writer, None, None
        if writer is None:
            return
        try:
            writer.close()
            await self._timing.wait_for_ms(writer.wait_closed(), _CLOSE_MS)
        except (OSError, asyncio.TimeoutError):
            pass  # it is given up in any case

    async def _written(self, data):
        """MicroPython connects without waiting and sends in `write`: either fails here."""
        self._writer.write(data)
        await self._writer.drain()

    async def _limited(self, awaitable, limit_ms, what):
        try:
            return await self._timing.wait_for_ms(awaitable, limit_ms)
        except asyncio.TimeoutError:
            await self._fail(what, "nothing within %d ms" % limit_ms)
        except OSError as error:
            await self._fail(what, error)

    async def _fail(self, what, found):
        await self.close()
        raise ModbusBusError(
            "modbus-bus",
            "%s:%d: expected to %s, found %s; check address, port and network"
            % (self._where[0], self._where[1], what, found),
        )
