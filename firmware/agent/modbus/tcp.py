"""Modbus TCP master, and RTU frames over a TCP stream (serial gateways in transparent mode).

A TCP reply names its request by the transaction id, which wraps at 16 bits; the length field says
where it ends. A stream in which half a frame is left, or that was silent twice, is opened anew.
"""

from ..constant import const
from ..errors import ModbusBusError, ModbusMalformed, ModbusTimeout
from .base import Client
from .frame import REPLY_OVERHEAD, diagnose
from .frame_tcp import TCP_UNITS, check_rest, next_transaction, take_frame, tcp_request, words_of
from .rtu_core import RtuCore
from .settings import frame_ms
from .stream import Stream
from .timing import Timing

_MOST_SILENT = const(2)
_FLUSH_MS = const(2)
_MORE_LOOKS = const(4)  # behind the limit, at what came while another task held the loop


class TcpClient(Client):
    """Modbus TCP: `host`, `port` (502 by default)."""

    replies_are_numbered = True
    units = TCP_UNITS

    def __init__(self, host, port=502, timing=None, lim=None, connect=None):
        super().__init__(timing or Timing(), None, lim)
        self._stream = Stream(host, port, self.timing, connect)
        self._buf = bytearray()
        self._transaction = 0
        self._silent = 0

    async def close(self):
        """Give the connection up; the next read opens it again."""
        self._buf = bytearray()
        self._silent = 0
        await self._stream.close()

    async def _exchange(self, known, function, address, count):
        if await self._stream.open():
            self._buf = bytearray()
            self._silent = 0
        self._transaction = next_transaction(self._transaction)
        request = tcp_request(self._transaction, known.id, function, address, count)
        await self._stream.send(request, known.limits.first_byte_ms)
        self._sent(known)
        try:
            body = await self._body(known)
        except ModbusTimeout:
            await self._after_silence()
            raise
        except ModbusMalformed:
            await self.close()
            raise
        self._silent = 0
        return words_of(body, known.id, function, count)

    async def _body(self, known):
        """Body of the reply with our transaction id; replies to earlier requests are dropped."""
        start = self.timing.ms()
        looks = _MORE_LOOKS
        while True:
            frame = take_frame(self._buf)
            if frame is not None:
                if frame[0] == self._transaction:
                    check_rest(self._buf)
                    return frame[1]
                known.counters.late += 1
                continue
            left_ms = known.limits.first_byte_ms - self.timing.since_ms(start)
            over = left_ms <= 1
            if over:
                looks -= 1
            if looks < 0 or (not await self._stream.receive(self._buf, max(left_ms, 1)) and over):
                raise diagnose(b"", known.id, 0, 0)

    async def _after_silence(self):
        self._silent += 1
        if self._buf or self._silent >= _MOST_SILENT:
            await self.close()


class RtuOverTcpClient(RtuCore):
    """RTU frames, CRC included, over a TCP stream."""

    def __init__(self, host, port, timing=None, line=None, lim=None, connect=None):
        super().__init__(timing or Timing(), line, lim)
        self._stream = Stream(host, port, self.timing, connect)
        self._silent = 0

    async def close(self):
        """Give the connection up; the next read opens it again."""
        self._silent = 0
        await self._stream.close()

    async def _prepare(self, known):
        if self._silent >= _MOST_SILENT:
            await self.close()
        await self._stream.open()
        start = self.timing.ms()
        while await self._stream.receive(bytearray(), _FLUSH_MS):
            if self.timing.since_ms(start) >= known.limits.busy_ms:
                raise ModbusBusError(
                    "modbus-bus",
                    "expected a quiet stream within %d ms, found it busy; check the gateway"
                    % known.limits.busy_ms,
                )

    def _repeat_ms(self, known, count):
        """A gateway passes on what it has heard wholly, a line shows a copy from its beginning."""
        return known.limits.repeat_ms + frame_ms(known.line, REPLY_OVERHEAD + 2 * count)

    async def _send(self, request):
        await self._stream.send(request, self._default_limits.first_byte_ms)
        self._silent += 1

    async def _receive(self, known, buf, wait_ms, missing):
        got = await self._stream.receive(buf, max(wait_ms, 1))
        if got:
            self._silent = 0
        return got
