"""What is different since the last boot that wrote a reading: configuration, firmware.

Kept in the state store, told in the events of the first reading (WIRE_FORMAT.md section 6, kinds 6
and 7). Must never forget a change before the journal holds it.
"""

from agent.constant import const

CONFIG_CHANGED, FIRMWARE_CHANGED = 6, 7

_NAME = const("software")
_HASH_LEN = const(8)


class Changes:
    """Compares `config_hash_8` and `version` with what the store remembers."""

    def __init__(self, store, config_hash_8, version):
        self._store = store
        self._now = config_hash_8 + version.encode()
        self._before = store.get(_NAME) or self._now

    def events(self):
        """(kind, detail) of each change; none at the first boot of all."""
        told = []
        old, new = self._before, self._now
        if old[:_HASH_LEN] != new[:_HASH_LEN]:
            told.append((CONFIG_CHANGED, [old[:_HASH_LEN], new[:_HASH_LEN]]))
        if old[_HASH_LEN:] != new[_HASH_LEN:]:
            told.append((FIRMWARE_CHANGED, [old[_HASH_LEN:].decode(), new[_HASH_LEN:].decode()]))
        return told

    def reported(self):
        """The events are durable in the journal."""
        if self._store.get(_NAME) != self._now:
            self._store.set(_NAME, self._now)
        self._before = self._now
