"""Flash and state of a PC that stands for a board, in files that survive `kill -9`.

A write is in the hands of the operating system when it returns. Must behave like NOR flash: bits
go from 1 to 0 only, and only an erase sets them again.
"""

import os

from ..constant import const
from ..errors import unreadable

BLOCK_LEN = 4096
_ENOENT = const(2)
_EEXIST = const(17)
_CHUNK = const(256)  # as little memory as on a board


class PcFiles:
    """The files of the PC. A virtual board, whose "/" is its own flash, brings such an object."""

    @staticmethod
    def open(path, mode):
        """As `open`; what is read and written at once has no buffer."""
        return open(path, mode, 0) if "+" in mode else open(path, mode)

    stat = staticmethod(os.stat)
    rename = staticmethod(os.rename)
    mkdir = staticmethod(os.mkdir)


class FileFlash:
    """NOR flash in a file: programming clears bits, erasing sets them; block protocol."""

    def __init__(self, path, block_count, files=PcFiles):
        try:
            files.stat(path)
        except OSError as error:
            if error.args[0] != _ENOENT:  # there may be a journal, only not to be seen now
                raise unreadable(path, error)
            with files.open(path, "wb") as file:
                for _ in range(block_count):
                    file.write(b"\xff" * BLOCK_LEN)
        self._count = files.stat(path)[6] // BLOCK_LEN
        self._file = files.open(path, "r+b")

    def readblocks(self, block, buf, offset=0):
        """Fill `buf` from `offset` in block number `block`."""
        self._file.seek(block * BLOCK_LEN + offset)
        self._file.readinto(buf)

    def writeblocks(self, block, buf, offset=0):
        """Program `buf`: bits can only go from 1 to 0."""
        held = bytearray(len(buf))
        self.readblocks(block, held, offset)
        for i in range(len(buf)):
            held[i] &= buf[i]
        if held != buf:
            raise OSError(5, "programming would have to set bits: erase first")
        self._file.seek(block * BLOCK_LEN + offset)
        self._file.write(buf)

    def ioctl(self, op, arg):
        """4: number of blocks, 5: their length, 6: erase block `arg`."""
        if op == 4:
            return self._count
        if op == 5:
            return BLOCK_LEN
        if op == 6:
            self._file.seek(arg * BLOCK_LEN)
            for _ in range(0, BLOCK_LEN, _CHUNK):
                self._file.write(b"\xff" * _CHUNK)
        return 0


class FileStore:
    """Small named blobs, each in a file of its own; `set` is atomic and durable."""

    def __init__(self, directory, files=PcFiles):
        self._directory = directory
        self._files = files
        _make_directory(directory, files)

    def get(self, name):
        """The blob, or None if there is none; StoreError `store-unreadable`."""
        try:
            with self._files.open("%s/%s" % (self._directory, name), "rb") as file:
                return file.read()
        except OSError as error:
            if error.args[0] == _ENOENT:
                return None
            raise unreadable(name, error)

    def set(self, name, blob):
        """Replace the blob: after a power cut the old one or the new one is there, whole."""
        path = "%s/%s" % (self._directory, name)
        with self._files.open(path + ".tmp", "wb") as file:
            file.write(blob)
            file.flush()
        self._files.rename(path + ".tmp", path)


def _make_directory(path, files):
    try:
        files.mkdir(path)
    except OSError as error:
        if error.args[0] != _EEXIST:
            raise unreadable(path, error)
