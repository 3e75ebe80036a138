"""A serial cable made of two pseudo-terminals: the device opens one end, the pymodbus server the
other.

Both slave ends stay open here, so that either side may come and go without an end-of-file.
"""

import asyncio
import contextlib
import os
import pty
import tty
from pathlib import Path

_CHUNK_LEN = 1024


class PtyPair:
    """Two connected pseudo-terminals; `device_path` is for the master of the bus, `server_path`
    for the meter.

    `link` is an optional symbolic link to `device_path`; it is replaced if it is a link, and
    removed at the end.
    """

    def __init__(self, link: Path | None = None) -> None:
        self._masters, self._slaves = [], []
        for _ in range(2):
            master, slave = pty.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            self._masters.append(master)
            self._slaves.append(slave)
        self.device_path, self.server_path = (os.ttyname(slave) for slave in self._slaves)
        self._link = link
        if link is not None:
            self._make_link(link)

    def _make_link(self, link: Path) -> None:
        if link.is_symlink():
            link.unlink()
        link.symlink_to(self.device_path)

    def connect(self, loop: asyncio.AbstractEventLoop) -> None:
        """Carry bytes both ways while `loop` runs."""
        for source, target in (self._masters, self._masters[::-1]):
            loop.add_reader(source, self._carry, source, target)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Pull the cable."""
        for master in self._masters:
            loop.remove_reader(master)
        for descriptor in (*self._masters, *self._slaves):
            os.close(descriptor)
        if self._link is not None and self._link.is_symlink():
            self._link.unlink()

    @staticmethod
    def _carry(source: int, target: int) -> None:
        # A full buffer means that nobody reads the other end: a real line would lose the bytes as
        # well.
        with contextlib.suppress(BlockingIOError):
            os.write(target, os.read(source, _CHUNK_LEN))
