"""A whole image into the partition that does not run, read back before it may boot.

`image` is the port's: `size`, `write(offset, piece)` (erases each block when it is reached),
`read(offset, length)`, `digest(length)`, `running_slot`, `next_slot`, `set_boot()`, `keep()`. The
boot loader goes back by itself at the first reset without `keep`; update_boot then tries again.
Must never call `set_boot` before the image, read back from the flash, has the hash that an owner
signed.
"""

import hashlib

from .constant import const
from .errors import UpdateError
from .update_files import CHUNK
from .update_install import Installer
from .update_slots import DIGEST_LEN

_BLOCK = const(4096)


class ImageInstaller(Installer):
    """As Installer, for the one file `image.bin`."""

    def __init__(self, image, *arguments):
        super().__init__(*arguments)
        self._image = image

    async def install(self, manifest, check=None):
        """On trial from the next boot on."""
        if self._image is None:
            raise UpdateError("update-no-ota", "this board has no second partition for an image")
        self.check(manifest)
        files = list(manifest.files())
        if len(files) != 1:
            raise UpdateError("update-path", "expected image.bin alone")
        _, length, sha256_32 = files[0]
        if length > self._image.size:
            raise UpdateError(
                "update-no-space",
                "expected at most %d bytes, found %d" % (self._image.size, length),
            )
        await self._write(length, sha256_32)
        if await self._read_back(length) != sha256_32:
            raise UpdateError("update-digest", "the image in the flash is not what was signed")
        self._try(manifest, length, sha256_32[:DIGEST_LEN])

    def _try(self, manifest, length, digest):
        """Pointer first: an image that boots without one would never be judged."""
        slots, highest = self._slots, self._slots.highest
        place = self._image.next_slot
        slots.install(manifest.number, manifest.version, digest, place, length)
        try:
            self._image.set_boot()
        except OSError as error:
            slots.withdraw(highest)
            raise UpdateError("update-image", "the boot loader refuses the image: %s" % error)

    async def _write(self, length, sha256_32):
        for block in range(0, length, _BLOCK):
            piece = b""
            while len(piece) < min(_BLOCK, length - block):
                offset = block + len(piece)
                wanted = min(CHUNK, length - offset)
                found = await self._fetch(sha256_32, offset, wanted)
                if len(found) != wanted:
                    raise UpdateError("update-truncated", "image.bin ends at byte %d" % offset)
                piece += found
            self._image.write(block, piece)
            await self._pause()

    async def _read_back(self, length):
        digest = hashlib.sha256()
        for offset in range(0, length, CHUNK):
            digest.update(self._image.read(offset, min(CHUNK, length - offset)))
            if not offset % (16 * CHUNK):
                await self._pause()
        return digest.digest()
