"""Configuration files with a second copy in the state store, against a corrupt file system.

Each file that is read well is copied to the store when it differs; a file that cannot be read
comes from the copy. Must never write to the file system, and never keep more than it may hold.
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

    def read(self, name):
        """The bytes of a file, or of its copy."""
        try:
            found = self._read_file(name)
        except OSError:
            copy = self._store.get(blob_name(name))
            if copy is None:
                raise
            log.warn("files", "from copy", name=name)
            return copy
        if len(found) <= _MOST_BYTES and self._store.get(blob_name(name)) != found:
            self._copy(name, found)
        return found

    def _copy(self, name, found):
        try:
            self._store.set(blob_name(name), found)
        except OSError as error:
            log.warn("files", "no copy", name=name, errno=error.args[0])
