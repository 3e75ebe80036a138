"""Files of an update in a slot's directory: what is there, what has to come, whether it is right.

A power cut leaves a part of them; whatever has the right length and hash is not fetched again.
Nothing here decides what runs. Must never touch a file outside of the directory that it was made
for, and never trust a file that it has not read back.
"""

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
        digest = hashlib.sha256()
        try:
            with open(self._place(path), "rb") as file:
                while True:
                    piece = file.read(CHUNK)
                    if not piece:
                        break
                    digest.update(piece)
                    length -= len(piece)
        except OSError:
            return False
        return not length and digest.digest() == sha256_32

    def clear(self, wanted):
        """Remove every file for which `wanted(path)` does not hold."""
        for path in list(self._paths("")):
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

    def create(self, path):
        """A new file, open for writing; the caller closes it."""
        self._make_parents(path)
        return open(self._place(path), "wb")

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
