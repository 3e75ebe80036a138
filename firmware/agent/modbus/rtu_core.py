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
_SHORTEST_FRAME = const(5)


class RtuCore(Client):
    """A subclass gives `_prepare`, `_send`, `_receive`."""

    async def _exchange(self, known, function, address, count):
        request = read_request(known.id, function, address, count)
        await self._prepare(known)
        hold_ms = known.limits.first_byte_ms + known.limits.late_ms
        shape = (known.id, function, count)
        self._late.expect(shape, address, hold_ms)
        await self._send(request)
        self._sent(known)
        buf = bytearray()
        try:
            return await self._collect(buf, known, request, function, count)
        except (ModbusCrcError, ModbusMalformed):
            if begun(buf, known.id, function, count):
                self._late.answered(shape, address, known.limits.repeat_ms)
            raise

    async def _collect(self, buf, known, request, function, count):
        """Fill `buf` until the reply is in it; the error if it does not get there."""
        size = REPLY_OVERHEAD + 2 * count
        lim = known.limits
        hard_ms = lim.first_byte_ms + 2 * lim.gap_ms + 2 * frame_ms(known.line, size)
        start = self.timing.ms()
        missing = size
        strange = 0
        while True:
            wait_ms = self._wait_ms(lim, buf, start)
            if await self._receive(known, buf, wait_ms, missing if buf else 0):
                words, missing = find_reply(buf, known.id, function, count)
                if words is not None:
                    return words
                if len(buf) > _MOST_BYTES:
                    buf[: len(buf) - size] = b""
                expired = self.timing.since_ms(start) >= hard_ms
            else:
                strange += self._drop_known(known, buf, request)
                expired = self.timing.since_ms(start) >= lim.first_byte_ms
                expired = expired or len(buf) >= _SHORTEST_FRAME
            if expired:
                raise _failure(buf, known, function, count, strange)

    def _wait_ms(self, lim, buf, start):
        """How long silence may last now: a whole frame's start is followed closely, a glitch is
        not.
        """
        if len(buf) >= _SHORTEST_FRAME:
            return lim.gap_ms
        left = lim.first_byte_ms - self.timing.since_ms(start)
        return max(left, lim.gap_ms if buf else 0)

    def _drop_known(self, known, buf, request):
        """Remove our own echo and whole replies to others from the front; how many frames nobody
        had asked for.
        """
        strange = 0
        while buf:
            found = foreign_frame(buf)
            if bytes(buf[: len(request)]) == request:
                buf[: len(request)] = b""
            elif found is None:
                break
            else:
                buf[: found[0]] = b""
                if self._late.arrived(found[1:]):
                    known.counters.late += 1
                else:
                    strange += 1
        return strange


def _failure(buf, known, function, count, strange):
    if strange and not buf:
        return ModbusMalformed(
            "modbus-malformed",
            "unit %d: expected its answer, found one of another unit or another length" % known.id,
            unit=known.id,
        )
    return diagnose(buf, known.id, function, count)
