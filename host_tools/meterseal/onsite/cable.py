"""The console cable of a running board, opened as mpremote opens it; the board is not interrupted.

A question is a line beginning with `?`; each line of the answer is `@I`, CRC-32, base64 of CBOR.
What stands between are log lines of the station. The raw REPL, which would stop the station, is
never entered.
"""

import base64
import time
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final, Protocol

from meterseal.errors import EnvironmentProblem, Error, VerificationError
from meterseal.wire.cbor import decode_map

BAUD: Final = 115_200
SILENCE_S: Final = 30.0
_READ_S: Final = 0.2
_MARK: Final = b"@I "
_REFUSED: Final = b"refused: "
"""How main.py says that the station does not start: `refused: CODE: TEXT`."""
_KEPT_LINES: Final = 12
_SHOWN_LINES: Final = 6

Answer = dict[int, Any]


class InspectionError(Error):
    """The board refused a question, or its answer was garbled on the way."""


class NotStarted(InspectionError):
    """The station said why it does not run; the code is the board's."""


class Line(Protocol):
    """A serial line as pyserial has it."""

    def write(self, data: bytes) -> object:
        """Send."""

    def read(self, size: int) -> bytes:
        """What came, after a fraction of a second at the latest."""


class Cable:
    """A console at a serial line."""

    def __init__(self, line: Line, silence_s: float = SILENCE_S) -> None:
        self._line = line
        self._silence_s = silence_s
        self._received = b""
        self.said: deque[str] = deque(maxlen=_KEPT_LINES)
        """Newest lines of the console that were no answers."""

    def ask(self, question: str, silence_s: float = 0.0) -> Iterator[Answer]:
        """Lines of the answer. `silence_s`: how long none may come; default as the cable's.

        Raises EnvironmentProblem `inspect-silent`; InspectionError `inspect-garbled`, or with the
        board's code; NotStarted.
        """
        self._line.write(b"\r\n?" + question.encode() + b"\r\n")
        for line in self._lines(silence_s or self._silence_s):
            if not line.startswith(_MARK):
                self._hear(line)
                continue
            value = _decode(line)
            if value.get(0) == "end":
                return
            if value.get(0) == "refused":
                raise InspectionError(value[1], f"the board refused {question!r}: {value[2]}")
            yield value

    def _hear(self, line: bytes) -> None:
        self.said.append(line.decode(errors="replace"))
        if line.startswith(_REFUSED):
            code, _, text = self.said[-1].removeprefix(_REFUSED.decode()).partition(": ")
            raise NotStarted(code, f"the station does not start: {text}", "Correct that.")

    def _lines(self, silence_s: float) -> Iterator[bytes]:
        """Whole lines, until none has come for so long."""
        end = time.monotonic() + silence_s
        while time.monotonic() < end:
            self._received += self._line.read(4096)
            *lines, self._received = self._received.split(b"\n")
            for line in lines:
                if line.startswith(_MARK):
                    end = time.monotonic() + silence_s
                yield line.rstrip(b"\r")
        raise EnvironmentProblem(
            "inspect-silent",
            f"expected an answer of the station within {silence_s:.0f} s, found none"
            f"{quoted(self.said)}",
            "Check that the station runs (it does not in safe mode), and that no other program "
            "has the port.",
        )


def quoted(lines: Iterable[str]) -> str:
    """The end of a message: the newest lines of the board."""
    shown = [f"\n    {line}" for line in lines if line.strip()][-_SHOWN_LINES:]
    return ". The board said last:" + "".join(shown) if shown else ""


def open_cable(port: str) -> Cable:
    """The console at a serial port. Raises EnvironmentProblem `port-missing`."""
    return Cable(open_line(port))


def open_line(port: str) -> "SerialLine":
    """The line of a serial port. Raises EnvironmentProblem `port-missing`."""
    from mpremote.transport import TransportError  # type: ignore[import-untyped]
    from mpremote.transport_serial import SerialTransport  # type: ignore[import-untyped]

    try:
        transport = SerialTransport(port, BAUD, timeout=_READ_S)
    except (TransportError, OSError) as problem:
        raise EnvironmentProblem(
            "port-missing",
            f"expected a board at {port}: {problem}",
            "Plug the cable in; `mpremote devs` lists the ports.",
        ) from problem
    return SerialLine(transport.serial)


class SerialLine:
    """pyserial's line: what is there, waiting a fraction of a second for the first byte."""

    def __init__(self, serial: Any) -> None:
        self._serial = serial
        serial.timeout = _READ_S

    def write(self, data: bytes) -> object:
        """Send."""
        return self._serial.write(data)

    def read(self, size: int) -> bytes:
        """What came. OSError if the port is gone."""
        first: bytes = self._serial.read(1)
        waiting = 0
        with suppress(OSError):
            waiting = self._serial.in_waiting
        rest: bytes = self._serial.read(min(waiting, size)) if first and waiting else b""
        return first + rest

    def close(self) -> None:
        """Let the port go."""
        self._serial.close()


def _decode(line: bytes) -> Answer:
    try:
        mark, crc, text = line.split(b" ")
        data = base64.b64decode(text, validate=True)
        if mark + b" " != _MARK or int(crc, 16) != zlib.crc32(data):
            raise ValueError("another check sum")
        return dict(decode_map(data))
    except (ValueError, VerificationError) as problem:
        raise InspectionError(
            "inspect-garbled",
            f"expected a line of an answer as it was sent, found {problem}",
            "Ask again; if it stays so, change the cable.",
        ) from problem
