"""The state store of a board: named blobs in NVS, the flash area that ESP-IDF wears evenly.

Key and pointers must always find room, whatever copies of files take: a reserve, and what was kept
only to save time, give way to them. Never run on hardware by this project yet.
"""

import esp32

from ..constant import const
from ..errors import StoreError, unreadable

_NAMESPACE = const("meterseal")
_USUAL_BLOB = const(256)
_MOST_BLOB = const(6144)
_NOT_FOUND = const(-0x1102)  # of ESP-IDF, negated as MicroPython has them
_INVALID_LENGTH = const(-0x110C)
_RESERVE = const("reserve")
_RESERVE_LEN = const(2048)
_CHECKED, _COPY = const("checked"), const("f_")  # see agent.checked and agent.files


class NvsStore:
    """Names of at most 15 characters. `set` is durable on return; OSError if there is no room."""

    def __init__(self):
        self._nvs = esp32.NVS(_NAMESPACE)
        try:
            if self.get(_RESERVE) is None:
                self._put(_RESERVE, bytes(_RESERVE_LEN))
        except (OSError, StoreError):
            pass  # it was needed, and still is; or whoever asks next is told

    def get(self, name):
        """The blob, or None if there is none; StoreError `store-unreadable`."""
        for size in (_USUAL_BLOB, _MOST_BLOB):
            buffer = bytearray(size)
            try:
                return bytes(buffer[: self._nvs.get_blob(name, buffer)])
            except OSError as error:
                if error.args[0] == _NOT_FOUND:
                    return None
                if error.args[0] != _INVALID_LENGTH or size == _MOST_BLOB:
                    raise unreadable(name, error)

    def set(self, name, blob):
        """Replace the blob: NVS keeps the old one until the new one is whole."""
        try:
            return self._put(name, blob)
        except OSError:
            if name == _CHECKED or name[:2] == _COPY:
                raise  # only a copy: it is done without
        for spare in (_RESERVE, _CHECKED):
            try:
                self._nvs.erase_key(spare)
            except OSError:
                pass  # there was none
        self._put(name, blob)

    def _put(self, name, blob):
        self._nvs.set_blob(name, blob)
        self._nvs.commit()
