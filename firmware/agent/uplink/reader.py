"""Lines and exact lengths from a stream, never more in RAM than was asked for and one read.

MicroPython's own `readline` goes on for as long as the other end sends; a server that never ends
its line must not fill the heap. Must be used with a timeout around it.
"""

from agent.constant import const
from agent.errors import UploadError

_CHUNK = const(512)


class Reader:
    """`stream` has `read(n)`, a coroutine that gives at most n bytes, none at the end."""

    def __init__(self, stream):
        self._stream = stream
        self._held = b""

    @property
    def is_empty(self):
        """Whether everything that came was asked for."""
        return not self._held

    async def line(self, most):
        """One line of at most `most` bytes, without its CR LF; UploadError `http-malformed`."""
        while True:
            end = self._held.find(b"\r\n")
            if end > most or (end < 0 and len(self._held) > most):
                raise malformed("lines of at most %d bytes" % most)
            if end >= 0:
                line, self._held = self._held[:end], self._held[end + 2 :]
                return _text(line)
            await self._more()

    async def exactly(self, length):
        """`length` bytes; EOFError if the stream ends before."""
        while len(self._held) < length:
            await self._more()
        data, self._held = self._held[:length], self._held[length:]
        return data

    async def _more(self):
        data = await self._stream.read(_CHUNK)
        if not data:
            raise EOFError("the connection ended")
        self._held += data


def _text(line):
    try:
        return line.decode()
    except UnicodeError:
        raise malformed("headers in UTF-8")


def malformed(expected):
    """The error for what is no answer of a collector."""
    return UploadError(
        "http-malformed",
        "expected %s; is this the collector, or a login page in between?" % expected,
    )
