"""The modules of a code update in one file, imported from there as from a directory.

A file system of 4 KiB blocks spends at least one on every module: a hundred of them, twice, do not
fit beside anything else. `code.pack` is a line with the length of the index, the index with a line
`path offset length` for each module, then their contents. What is not in it is looked for beside
it. Mounted like any file system that is written in Python (mpremote's is another). Must never
write, and never hold more than one module in memory besides the index.
"""

import io

PACK = "code.pack"
PLACE = "/slot"  # where it is mounted


class PackedFiles:
    """A file system for `vfs.mount`, over the directory of a slot; OSError if that has no pack."""

    def __init__(self, directory):
        self._directory = directory
        with open(directory + "/" + PACK, "rb") as file:
            head = file.readline()
            self._index = b"\n" + file.read(int(head))
        self._start = len(head) + len(self._index) - 1

    def mount(self, readonly, mkfs):
        """Nothing to do."""

    def umount(self):
        """Nothing to do."""

    def stat(self, path):
        """A file, or a directory of files; OSError if it is neither."""
        found = self._find(path)
        if found:
            return (0x8000, 0, 0, 0, 0, 0, found[1], 0, 0, 0)
        name = b"\n" + path.strip("/").encode() + b"/"
        if name == b"\n/" or name in self._index:
            return (0x4000, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        raise OSError(2)

    def open(self, path, mode):
        """A module, whole in memory; anything else as it lies beside the pack."""
        found = self._find(path)
        if not found:
            return open(self._directory + "/" + path.strip("/"), mode)
        with open(self._directory + "/" + PACK, "rb") as file:
            file.seek(self._start + found[0])
            return io.BytesIO(file.read(found[1]))

    def _find(self, path):
        """(offset, length) behind the index, or None."""
        at = self._index.find(b"\n" + path.strip("/").encode() + b" ")
        if at < 0:
            return None
        line = self._index[at + 1 : self._index.find(b"\n", at + 1)]
        return [int(number) for number in line.split(b" ")[1:]]


def mount(directory):
    """The place to import from."""
    import vfs

    vfs.mount(PackedFiles(directory), PLACE)
    return PLACE
