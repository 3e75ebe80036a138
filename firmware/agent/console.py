"""Answers an inspector over the console cable while the station goes on sampling.

A line that begins with `?` asks; what answers is loaded when it is needed and forgotten again.
Every line of an answer is `@I`, CRC-32 in hexadecimal, base64 of CBOR; log lines stand between.
Must never take long at a time, never change anything but what `inspect` says, and never answer
with anything secret.
"""

import binascii
import select
import sys

from . import cbor, forget
from .constant import const

_LOOK_MS = const(200)
_CLOSED_MS = const(10000)
_MOST = const(200)  # bytes of a question
_MOST_PAUSES = const(40)  # two seconds; a bus that is never idle must not silence the console


class Stdin:
    """The console's input, never waited for."""

    def __init__(self):
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)
        self.closed = False

    def read(self):
        """Bytes that are there, perhaps none."""
        found = b""
        while len(found) < _MOST and self._poll.poll(0):
            byte = sys.stdin.buffer.read(1)
            if not byte:
                self.closed = True
                break
            found += byte
        return found


class Console:
    """`stdin` as above; `write(line)` prints a line; `app` is what is asked about."""

    def __init__(self, stdin, app, sleep_ms, write=print):
        self._stdin = stdin
        self._app = app
        self._sleep_ms = sleep_ms
        self._write = write
        self._line = b""
        self.check_in = lambda: None

    async def run(self, check_in):
        """For ever."""
        self.check_in = check_in
        while True:
            check_in()
            for question in self._questions():
                await self._answer(question)
            await self._sleep_ms(_CLOSED_MS if self._stdin.closed else _LOOK_MS)

    def _questions(self):
        """Whole lines that came in and begin with `?`."""
        self._line += self._stdin.read().replace(b"\r", b"\n")
        *lines, self._line = self._line.split(b"\n")
        if len(self._line) > _MOST:
            self._line = b""
        return [line for line in lines if line[:1] == b"?"]

    async def _answer(self, question):
        from .inspect import answer

        try:
            await answer(self._app, question[1:].decode(), self)
        except Exception as error:  # noqa: BLE001 - told to who asked; the station goes on
            code = getattr(error, "code", "inspect-failed")
            await self.send({0: "refused", 1: code, 2: str(error)})
        finally:
            forget.modules("inspect")

    async def send(self, value):
        """One line of an answer, when no meter is waited for."""
        data = cbor.encode(value)
        text = binascii.b2a_base64(data).decode().rstrip()
        for _ in range(_MOST_PAUSES):
            if self._app.meters.idle_ms():
                break
            await self.pause()
        self._write("@I %08x %s" % (binascii.crc32(data) & 0xFFFFFFFF, text))
        await self.pause(0)

    async def pause(self, ms=50):
        """Let the other tasks run."""
        self.check_in()
        await self._sleep_ms(ms)
