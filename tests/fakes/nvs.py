"""NVS of ESP-IDF as far as room goes: entries of 32 bytes, blobs in chunks, old beside new.

As in nvs_flash: a blob takes an index entry and, for each chunk of 4000 bytes, one more and
its data; the new one is written before the old one goes. `install` puts it in place of `esp32`.
"""

import sys

PAGE_ENTRIES = 126
NO_ROOM, NOT_FOUND = 0x1105, 0x1102


def entries_of(length):
    """Entries that a blob of so many bytes takes."""
    chunks = max(1, -(-length // 4000))
    return 1 + chunks + -(-length // 32)


class NVS:
    """One namespace; `size_bytes`: of the partition, one page of which is always kept free."""

    size_bytes = 0x6000
    blobs = {}

    def __init__(self, namespace):
        assert len(namespace) <= 15

    def free(self):
        usable = (self.size_bytes // 4096 - 1) * PAGE_ENTRIES - 1  # one for the namespace
        return usable - sum(entries_of(len(blob)) for blob in self.blobs.values())

    def get_blob(self, name, buffer):
        if name not in self.blobs:
            raise OSError(-NOT_FOUND)
        blob = self.blobs[name]
        if len(blob) > len(buffer):
            raise OSError(-0x110C)
        buffer[: len(blob)] = blob
        return len(blob)

    def set_blob(self, name, blob):
        assert len(name) <= 15
        if entries_of(len(blob)) > self.free():
            raise OSError(-NO_ROOM)
        self.blobs[name] = bytes(blob)

    def erase_key(self, name):
        if name not in self.blobs:
            raise OSError(-NOT_FOUND)
        del self.blobs[name]

    def commit(self):
        pass


class Esp32:
    """The module, as far as the store wants it."""

    def __init__(self):
        self.NVS = NVS


def install(size_bytes):
    """An empty store of a partition of this size; the class of the store."""
    NVS.size_bytes, NVS.blobs = size_bytes, {}
    sys.modules["esp32"] = Esp32()
    from agent.ports import nvs

    nvs.esp32 = sys.modules["esp32"]  # perhaps it was loaded with another one
    return nvs.NvsStore
