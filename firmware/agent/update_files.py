"""Files of an update in a slot's directory: what is there, what has to come, whether it is right.

A power cut leaves a part of them: whatever has the right length and hash is not fetched again, and
a file that was begun is gone on with. Nothing here decides what runs. Must never touch a file
outside of the directory that it was made for, and never trust a file that it has not read back.
"""

import binascii
import hashlib
import os

from agent.constant import const
from agent.errors import UpdateError

CHUNK = 2048
_BLOCK = const(4096)
_RESERVE = const(8)  # blocks that a file system needs to go on working
_DIRECTORY = const(0x4000)


class SlotFiles:
    """`directory` of one slot; made when the first file is written."""

    def __init__(self, directory):
        self.directory = directory

    def matches(self, path, length, sha256_32):
        """Whether the file is there with this content, read from the flash."""
        try:
            return self.hashed(path) == (length, sha256_32)
        except OSError:
            return False

    def hashed(self, path):
        """(length, SHA-256) of a file, read from the flash; OSError."""
        digest, length = hashlib.sha256(), 0
        with open(self._place(path), "rb") as file:
            while True:
                piece = file.read(CHUNK)
                if not piece:
                    return length, digest.digest()
                digest.update(piece)
                length += len(piece)

    def digest(self):
        """Of all files, see `digest_of`; OSError if one cannot be read."""
        return digest_of((path, self.hashed(path)[1]) for path in self.paths())

    def paths(self):
        """Every file, in order."""
        return sorted(self._paths(""))

    def clear(self, wanted):
        """Remove every file for which `wanted(path)` does not hold."""
        for path in self.paths():
            if not wanted(path):
                os.remove(self._place(path))

    def check_room(self, missing_bytes, files):
        """UpdateError `update-no-space` unless so much can be written, and a reserve remains."""
        stat = os.statvfs(self._parent())
        free = stat[0] * stat[3] - _RESERVE * _BLOCK
        needed = missing_bytes + files * _BLOCK
        if needed > free:
            raise UpdateError(
                "update-no-space",
                "expected %d bytes of room, found %d; nothing was changed"
                % (needed, max(free, 0)),
            )

    def begun(self, path, sha256_32):
        """Bytes of this file that came already, whole chunks."""
        try:
            size = os.stat(self._place(part_of(path, sha256_32)))[6]
        except OSError:
            return 0
        return size - size % CHUNK

    def go_on(self, path, sha256_32, begun, digest):
        """The file, open for writing behind the `begun` bytes, which go into `digest`."""
        self._make_parents(path)
        place = self._place(part_of(path, sha256_32))
        if not begun:
            return open(place, "wb")
        file = open(place, "r+b")
        for _ in range(0, begun, CHUNK):
            digest.update(file.read(CHUNK))
        file.seek(begun)
        return file

    def finish(self, path, sha256_32):
        """It is whole."""
        os.rename(self._place(part_of(path, sha256_32)), self._place(path))

    def remove(self, path):
        """Remove a file that turned out wrong."""
        os.remove(self._place(path))

    def read(self, path):
        """The bytes of a file."""
        with open(self._place(path), "rb") as file:
            return file.read()

    def _place(self, path):
        return self.directory + "/" + path

    def _parent(self):
        return self.directory.rpartition("/")[0] or "/"

    def _make_parents(self, path):
        place = self.directory
        for part in [""] + path.split("/")[:-1]:
            place += "/" + part if part else ""
            try:
                os.mkdir(place)
            except OSError as error:
                if error.args[0] != 17:  # EEXIST
                    raise

    def _paths(self, below):
        try:
            names = os.listdir(self.directory + "/" + below if below else self.directory)
        except OSError:
            return  # nothing was ever written here
        for name in names:
            path = below + "/" + name if below else name
            if os.stat(self._place(path))[0] & _DIRECTORY:
                for deeper in self._paths(path):
                    yield deeper
            else:
                yield path


def part_of(path, sha256_32):
    """Name of a file as long as it is not whole: another version's is another one."""
    return path + "." + binascii.hexlify(sha256_32[:4]).decode()


def digest_of(files):
    """What names the content of a slot; `files`: (path, SHA-256) in the order of the paths."""
    whole = hashlib.sha256()
    for path, sha256_32 in files:
        whole.update(path.encode() + b"\0" + sha256_32)
    return whole.digest()[:16]
