"""One request and its reply in RTU framing, over whatever carries bytes: a UART or a TCP stream.

The length of the reply is known before it comes, so it ends by length and CRC, not by silence;
silence only ends what cannot become a reply any more. Noise, echo and late replies are skipped. A
time limit is declared only after the bytes that had already come were looked at: another task may
have held the loop meanwhile.
"""

from ..constant import const
from ..errors import ModbusCrcError, ModbusMalformed
from .base import Client
from .frame import (
    REPLY_OVERHEAD,
    begun,
    diagnose,
    find_reply,
    foreign_frame,
    read_request,
)
from .settings import frame_ms

_MOST_BYTES = const(512)


class RtuCore(Client):
    """A subclass gives `_prepare`, `_send`, `_receive`."""

    async def _exchange(self, known, function, address, count):
        request = read_request(known.id, function, address, count)
        await self._prepare(known)
        hold_ms = known.limits.first_byte_ms + known.limits.late_ms
        shape = (known.id, function, count)
        self._late.expect(shape, hold_ms)
        await self._send(request)
        self._sent(known)
        buf = bytearray()
        try:
            return await self._collect(buf, known, request, count)
        except (ModbusCrcError, ModbusMalformed):
            if _begun(buf, request, count):
                self._late.answered(shape, self._repeat_ms(known, count))
            raise

    async def _collect(self, buf, known, request, count):
        """Fill `buf` until the reply is in it; the error if it does not get there.

        Silence ends a reply that has begun; nothing else may end the wait early, or the next
        request would meet the answer to this one.
        """
        size = REPLY_OVERHEAD + 2 * count
        lim = known.limits
        hard_ms = lim.first_byte_ms + 2 * lim.gap_ms + 2 * frame_ms(known.line, size)
        start = self.timing.ms()
        missing = size
        strange = 0
        while True:
            came = _begun(buf, request, count)
            wait_ms = lim.gap_ms if buf else 0
            if not came:
                wait_ms = max(wait_ms, lim.first_byte_ms - self.timing.since_ms(start))
            if await self._receive(known, buf, wait_ms, missing if buf else 0):
                words, missing = find_reply(buf, known.id, request[1], count)
                if words is not None:
                    return words
                _drop_echo(buf, request)
                strange += self._drop_known(known, buf)
                if len(buf) > _MOST_BYTES:
                    buf[: len(buf) - size] = b""
                if self.timing.since_ms(start) < hard_ms:
                    continue
            elif not came and self.timing.since_ms(start) < lim.first_byte_ms:
                continue
            raise _failure(buf, known, request[1], count, strange)

    def _drop_known(self, known, buf):
        """Remove whole replies to others from the front; how many frames nobody had asked for."""
        strange = 0
        found = foreign_frame(buf)
        while found:
            buf[: found[0]] = b""
            if self._late.arrived(found[1:]):
                known.counters.late += 1
            else:
                strange += 1
            found = foreign_frame(buf)
        return strange


def _begun(buf, request, count):
    """True if the reply has begun. Where its beginning is also the request's, that may be a
    damaged echo.
    """
    return request[2] != 2 * count and begun(buf, request[0], request[1], count)


def _drop_echo(buf, request):
    """Take our own transmission out, wherever it is: switching the driver on leaves glitches."""
    at = bytes(buf).find(request)
    if at >= 0:
        buf[at : at + len(request)] = b""


def _failure(buf, known, function, count, strange):
    if strange and not buf:
        return ModbusMalformed(
            "modbus-malformed",
            "unit %d: expected its answer, found one of another unit or another length" % known.id,
            unit=known.id,
        )
    return diagnose(buf, known.id, function, count)
