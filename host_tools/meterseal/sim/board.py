"""A virtual board: the real MicroPython VM behind a pseudo-terminal that mpremote takes for one.

The supervisor does what the chip does around the interpreter: reset and soft reset, Ctrl-C as an
interrupt while code runs, input that waits until somebody reads it. Raw REPL and raw paste are the
VM's own. What happens between reset and prompt stands in boards/UNIX_SIM/vm.py.

    with VirtualBoard(Path("build/board")) as board:
        board.run()   # until `board.stop()` from another thread, or a signal
"""

import contextlib
import os
import pty
import select
import signal
import time
import tty
from pathlib import Path
from typing import Final, Self

from meterseal.resources import boards_dir, firmware_dir
from meterseal.sim.board_vm import Vm

_CHUNK: Final = 4096
_TICK_S: Final = 0.02
_INTERRUPT: Final = 0x03
_HOLD_S: Final = 2.0
_UNREAD_S: Final = 1.0
_RAW_PROMPT: Final = b"raw REPL; CTRL-B to exit\r\n>"
_FRIENDLY_PROMPT: Final = b"\r\n>>> "


class VirtualBoard:
    """`directory` stands for the board: flash, partitions, state store. `port` is its cable.

    `link`: a symbolic link to the port; `tap`: a file that gets every byte that leaves the board.
    """

    def __init__(self, directory: Path, link: Path | None = None, tap: Path | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._home = directory.resolve()
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._link = link
        if link is not None:
            link.unlink(missing_ok=True)
            link.symlink_to(self.port)
        self._tap = tap.open("ab", 0) if tap is not None else None
        self._vm: Vm | None = None
        self._raw = False  # the prompt that the technician sees
        self._tail = b""  # of what the board said
        self._input = b""
        self._held_until = 0.0  # an interrupt is on its way: input waits for the prompt
        self._output = b""
        self._unread_since = 0.0
        self._stopping = False

    def run(self) -> None:
        """Power on, and carry bytes until `stop`."""
        self._start()
        while not self._stopping:
            self._step()

    def stop(self) -> None:
        """Leave `run` soon; safe in a signal handler."""
        self._stopping = True

    def close(self) -> None:
        """Power off."""
        if self._vm is not None:
            self._vm.kill()
        for descriptor in (self._master, self._slave):
            os.close(descriptor)
        if self._tap is not None:
            self._tap.close()
        if self._link is not None and self._link.is_symlink():
            self._link.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _start(self) -> None:
        """Power on, or what follows a reset: main.py runs unless the prompt was the raw one."""
        script = boards_dir() / "UNIX_SIM" / "vm.py"
        mode = "raw" if self._raw else "run"
        self._vm = Vm(script, [str(firmware_dir()), str(self._home), mode], self._raw)

    def _step(self) -> None:
        assert self._vm is not None
        reads = [self._vm.master] + ([self._master] if len(self._input) < _CHUNK else [])
        writes = [self._master] if self._output else []
        select.select(reads, writes, [], _TICK_S)
        with contextlib.suppress(BlockingIOError):
            self._input += os.read(self._master, _CHUNK)
        self._feed()
        self._tell(self._vm.read())
        if self._vm.ended:
            self._again()

    def _again(self) -> None:
        """The interpreter has ended: a reset, or a soft reset, which says so."""
        assert self._vm is not None
        self._vm.kill()
        if self._vm.ended == "reset":
            self._raw, self._tail = False, b""
            self._input = b""
        else:
            self._tell(b"MPY: soft reboot\r\n")
        self._held_until = 0.0
        self._start()

    def _feed(self) -> None:
        """Hand input over; Ctrl-C interrupts what runs, and what follows it waits for a prompt."""
        assert self._vm is not None
        if not self._input or not self._vm.up:
            return
        running = self._vm.running
        if not running:
            self._held_until = 0.0
        elif time.monotonic() < self._held_until:
            return
        at = self._input.find(_INTERRUPT) if running else -1
        if at < 0:
            self._input = self._input[self._vm.write(self._input) :]
        else:
            self._input = self._input[at + 1 :].lstrip(bytes([_INTERRUPT]))
            self._vm.interrupt()
            self._held_until = time.monotonic() + _HOLD_S

    def _tell(self, data: bytes) -> None:
        """Send to the cable; what nobody reads for a while is gone, as on a serial line."""
        if self._tap is not None and data:
            self._tap.write(data)
        self._note_prompt(data)
        self._output += data
        if not self._output:
            return
        try:
            self._output = self._output[os.write(self._master, self._output) :]
            self._unread_since = time.monotonic()
        except BlockingIOError:
            if time.monotonic() - self._unread_since > _UNREAD_S:
                self._output = b""

    def _note_prompt(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-_CHUNK:]
        raw, friendly = self._tail.rfind(_RAW_PROMPT), self._tail.rfind(_FRIENDLY_PROMPT)
        if max(raw, friendly) >= 0:
            self._raw = raw > friendly


def serve(board: VirtualBoard) -> None:
    """Run until SIGTERM or Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: board.stop())
    board.run()
