"""Configuration files with a second copy in the state store, against a corrupt file system.

Files that passed their check are copied to the store where they differ; a file that cannot be read
comes from the copy, and so does every file once what was read did not pass. Must never write to
the file system, never replace a good copy by what nobody checked, and never keep more than it may.
"""

import binascii
import hashlib

from . import log
from .constant import const

_MOST_BYTES = const(6144)  # what the state store reads back; every profile fits
_NAME_LEN = const(12)


def blob_name(name):
    """Name of the copy: NVS allows 15 characters."""
    return "f_" + binascii.hexlify(hashlib.sha256(name.encode()).digest()).decode()[:_NAME_LEN]


class BackedFiles:
    """`read_file(name)` raises OSError; so does `read` if neither place has the file."""

    def __init__(self, read_file, store):
        self._read_file = read_file
        self._store = store
        self._damaged = False  # the files are not to be believed
        self._names = []  # of what was read and is not copied

    def read(self, name):
        """The bytes of a file, or of its copy."""
        copy = self._store.get(blob_name(name)) if self._damaged else None
        if copy is not None:
            return copy
        try:
            found = self._read_file(name)
        except OSError:
            copy = self._store.get(blob_name(name))
            if copy is None:
                raise
            log.warn("files", "from copy", name=name)
            return copy
        if name not in self._names:
            self._names.append(name)
        return found

    def passed(self):
        """What was read is right: copy it."""
        if not self._damaged:
            for name in self._names:
                self._copy(name, self._read_file(name))
        self._names = []

    def fall_back(self):
        """What was read is not right: read copies from now on. False if there are none."""
        if self._damaged or not [n for n in self._names if self._store.get(blob_name(n))]:
            return False
        log.error("files", "damaged: from their copies")
        self._damaged = True
        return True

    def _copy(self, name, found):
        blob = blob_name(name)
        try:
            if len(found) <= _MOST_BYTES and self._store.get(blob) != found:
                self._store.set(blob, found)
        except OSError as error:
            log.warn("files", "no copy", name=name, errno=error.args[0] if error.args else 0)
