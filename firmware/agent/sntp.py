"""Small SNTP client (RFC 4330, client part of NTPv4): one UDP question, one checked answer.

The answer is a candidate and nothing more: anyone on the path can forge it. Must never block
longer than its timeout (resolving the name is up to the caller) and never accept an answer to a
question that was not asked: the transmit timestamp that goes out is random and has to come back.
"""

import asyncio
import socket
import struct

from .constant import const
from .errors import ClockError

PORT = 123
_UNIX_S = 2208988800  # seconds from 1900, NTP's epoch, to 1970
_ERA_S = 1 << 32
_POLL_MS = const(10)


def request(nonce_8):
    """The 48 bytes of a question: version 4, client; `nonce_8` stands in for our time."""
    return b"\x23" + bytes(39) + nonce_8


def parse(answer, nonce_8):
    """UTC in Unix milliseconds of the server's transmit timestamp; raises ClockError."""
    if len(answer) < 48:
        raise ClockError("ntp-malformed", "expected 48 bytes, found %d: ignored" % len(answer))
    first, stratum = answer[0], answer[1]
    if answer[24:32] != nonce_8:
        raise ClockError("ntp-unasked", "the answer does not repeat the question: ignored")
    if first & 7 != 4 or first >> 6 == 3 or not 1 <= stratum <= 15:
        raise ClockError(
            "ntp-unsynchronised",
            "expected a synchronised server, found mode %d, leap %d, stratum %d: ignored"
            % (first & 7, first >> 6, stratum),
        )
    seconds, fraction = struct.unpack(">II", answer[40:48])
    if seconds < 1 << 31:  # era 1 begins in 2036
        seconds += _ERA_S
    return (seconds - _UNIX_S) * 1000 + (fraction * 1000 >> 32)


async def query(address, random_bytes, mono_ms, timeout_ms):
    """Ask the server at a socket address: (t_unix_ms now, error_ms); ClockError or OSError."""
    nonce_8 = random_bytes(8)
    question = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        question.setblocking(False)
        question.connect(address)
        sent_ms = mono_ms()
        question.send(request(nonce_8))
        answer = await _receive(question, mono_ms, sent_ms + timeout_ms)
        received_ms = mono_ms()
    finally:
        question.close()
    half_ms = (received_ms - sent_ms) // 2
    return parse(answer, nonce_8) + half_ms, half_ms + 1


async def _receive(question, mono_ms, deadline_ms):
    while mono_ms() < deadline_ms:
        try:
            return question.recv(64)
        except OSError as error:
            if error.args[0] not in (11, 35):  # EAGAIN on Linux and ESP32, on macOS
                raise
        await asyncio.sleep(_POLL_MS / 1000)
    raise ClockError("ntp-timeout", "no answer from the time server: the next try comes later")
