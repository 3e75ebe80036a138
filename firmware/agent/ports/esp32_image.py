"""The app partition that does not run, for whole images: see agent.update_image.

Never run on hardware by this project yet; checked against the type stubs of the ESP32 port. The
boot loader must be built with rollback (sdkconfig.board of the boards with OTA).
"""

import hashlib

import esp32

from ..constant import const

_BLOCK = const(4096)


class OtaImage:
    """`running_slot`, `next_slot`: 1 for ota_0, 2 for ota_1."""

    def __init__(self):
        which = esp32.Partition.RUNNING
        running = esp32.Partition(which)  # type: ignore[arg-type] # the stub knows labels only
        self._next = running.get_next_update()
        self.size = self._next.info()[3]
        self.running_slot = _slot(running)
        self.next_slot = _slot(self._next)

    def write(self, offset, piece):
        """Erase and program one block."""
        self._next.writeblocks(offset // _BLOCK, piece + b"\xff" * (_BLOCK - len(piece)))

    def read(self, offset, length):
        """Bytes from the flash, within one block."""
        buffer = bytearray(length)
        self._next.readblocks(offset // _BLOCK, buffer, offset % _BLOCK)
        return buffer

    def digest(self, length):
        """SHA-256 of the first bytes of the partition that does not run."""
        digest = hashlib.sha256()
        for offset in range(0, length, _BLOCK):
            digest.update(self.read(offset, min(_BLOCK, length - offset)))
        return digest.digest()

    def set_boot(self):
        """Boot it next, on trial."""
        self._next.set_boot()

    def keep(self):
        """It stays."""
        esp32.Partition.mark_app_valid_cancel_rollback()


def open_image():
    """The OtaImage of this board, or None if its table has no second app partition."""
    try:
        return OtaImage()
    except (OSError, ValueError):
        return None


def _slot(partition):
    return int(partition.info()[4][-1]) + 1
