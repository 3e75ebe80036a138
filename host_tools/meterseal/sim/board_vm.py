"""One life of the interpreter of a virtual board, from reset to reset.

Its terminal is a pseudo-terminal of its own. It puts that into raw mode while it waits at a
prompt, and back while code runs: that is how the supervisor knows which of the two it is.
"""

import contextlib
import os
import pty
import signal
import subprocess
import termios
import time
import tty
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from meterseal.resources import micropython_binary

_CHUNK: Final = 4096
_HEAP: Final = "4m"
_MARK: Final = b"\0mseal:"
_PROMPT: Final = b">>> "
_WHOLE_S: Final = 0.1
"""A mark is written at once: a beginning that stays alone for so long is none."""
_RAW_REPL: Final = b"\x01"
_RAW_BANNER: Final = b"raw REPL; CTRL-B to exit\r\n"


class Vm:
    """A running interpreter. `ended`: "" while it lives, then "reset" or "soft"."""

    def __init__(self, script: Path, arguments: Sequence[str], raw: bool) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(self.master, False)
        self.up = False  # its interrupt handler is in place
        self.ended = ""
        self._raw = raw
        self._silent = False  # what it says on the way to the raw prompt is not for the cable
        self._hidden = b""
        self._pending = b""
        self._heard_at = 0.0
        command = [str(micropython_binary()), "-X", f"heapsize={_HEAP}", "-i", str(script)]
        self._process = subprocess.Popen(
            [*command, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=os.environ | {"METERSEAL_CONSOLE": "1"},
            start_new_session=True,
        )
        os.close(slave)

    @property
    def running(self) -> bool:
        """Whether code runs, and not the prompt."""
        try:
            return int(termios.tcgetattr(self.master)[3]) != 0
        except termios.error:
            return False

    def interrupt(self) -> None:
        """Ctrl-C."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def write(self, data: bytes) -> int:
        """Give it input; how many bytes it took."""
        try:
            return os.write(self.master, data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # it is gone

    def read(self) -> bytes:
        """What it said, without marks; notices its end."""
        try:
            self._pending += os.read(self.master, _CHUNK)
            self._heard_at = time.monotonic()
        except BlockingIOError:
            pass
        except OSError:
            self.ended = self.ended or "soft"
        if self._process.poll() is not None:
            self.ended = self.ended or "soft"
        told = b""
        while True:
            text, mark, rest = self._pending.partition(_MARK)
            name, end, rest = rest.partition(b"\0")
            if not mark or not end:
                break
            told += self._say(text)
            self._pending = rest
            self._obey(name.decode())
        return told + self._rest()

    def kill(self) -> None:
        """Take its power away."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            os.close(self.master)

    def _obey(self, name: str) -> None:
        if name == "up":
            self.up = True
        elif name == "end":
            self._silent = self._raw
        else:
            self.ended = name

    def _rest(self) -> bytes:
        """What is no part of a mark; what the board says in binary may begin like one."""
        keep = next(
            (n for n in range(len(_MARK) - 1, 0, -1) if self._pending.endswith(_MARK[:n])), 0
        )
        if time.monotonic() - self._heard_at > _WHOLE_S:
            keep = 0
        if _MARK in self._pending:
            keep = len(self._pending) - self._pending.index(_MARK)
        text = self._pending[: len(self._pending) - keep]
        self._pending = self._pending[len(self._pending) - keep :]
        return self._say(text)

    def _say(self, text: bytes) -> bytes:
        """Text for the cable. On the way to the raw prompt: from that prompt on."""
        if not self._silent:
            return text
        self._hidden += text
        if self._hidden.endswith(_PROMPT) and not self.running:
            self._hidden = b""
            self.write(_RAW_REPL)
        at = self._hidden.find(_RAW_BANNER)
        if at < 0:
            return b""
        self._silent = False
        return self._hidden[at:]
