"""Two app partitions and a boot loader that goes back: ESP-IDF's otadata as far as it matters.

The power can be cut at any operation: KeyboardInterrupt, which nothing in the agent swallows.
"""

import hashlib

BLOCK = 4096


class Partitions:
    """`reset()` is a power cycle; `running()` gives the content that booted, as far as written."""

    def __init__(self, first, blocks):
        self.size = blocks * BLOCK
        self.contents = [bytearray(first + b"\xff" * (self.size - len(first))), None]
        self.contents[1] = bytearray(b"\xff" * self.size)
        self.lengths = [len(first), 0]
        self.valid = 0  # the partition that was marked valid last
        self.selected = 0
        self.state = "valid"  # of the selected one: new, pending, valid
        self.booted = 0
        self.cut_at = None
        self.operations = 0
        self.does_not_hold = False
        self.refuses = False  # ESP-IDF looks at the image too

    def port(self):
        return Image(self)

    def running(self):
        return bytes(self.contents[self.booted][: self.lengths[self.booted]])

    def reset(self):
        """What the boot loader does with CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE."""
        self.cut_at = None
        if self.state == "pending":  # it ran once and nobody kept it
            self.selected, self.state = self.valid, "valid"
        elif self.state == "new":
            self.state = "pending"
        self.booted = self.selected

    def operate(self):
        """True if the power goes in the middle of this operation."""
        self.operations += 1
        return self.cut_at is not None and self.operations > self.cut_at


class Image:
    """The interface that agent.update_image wants of a port."""

    def __init__(self, flash):
        self._flash = flash
        self.size = flash.size
        self.running_slot = flash.booted + 1
        self.next_slot = 2 - flash.booted
        self._next = 1 - flash.booted

    def write(self, offset, piece):
        assert not offset % BLOCK and len(piece) <= BLOCK
        content = self._flash.contents[self._next]
        content[offset : offset + BLOCK] = b"\xff" * BLOCK
        if self._flash.operate():
            content[offset : offset + len(piece) // 2] = piece[: len(piece) // 2]
            raise KeyboardInterrupt
        if self._flash.does_not_hold:
            piece = piece[:-1] + b"\x00"
        content[offset : offset + len(piece)] = piece
        self._flash.lengths[self._next] = offset + len(piece)

    def read(self, offset, length):
        return bytes(self._flash.contents[self._next][offset : offset + length])

    def digest(self, length):
        return hashlib.sha256(self.read(0, length)).digest()

    def set_boot(self):
        if self._flash.refuses:
            raise OSError(0x1503)  # ESP_ERR_OTA_VALIDATE_FAILED
        if self._flash.operate():
            raise KeyboardInterrupt
        self._flash.selected, self._flash.state = self._next, "new"

    def keep(self):
        if self._flash.operate():
            raise KeyboardInterrupt
        self._flash.valid, self._flash.state = self._flash.booted, "valid"
