"""Puts an update beside the running version and, when all of it is right, on trial.

Order: manifest verified; board, number, paths and room checked; files fetched in pieces of bounded
size; every file read back from the flash; then one write of the state store. A power cut before
that write leaves the old version, one behind it the new one on trial. Must never write into the
slot that runs, and never be imported unless there is something to install.
"""

import hashlib

from agent import update_manifest as manifests
from agent.constant import const
from agent.errors import UpdateError
from agent.journal_ring import LAYOUT
from agent.update_files import CHUNK, SlotFiles, digest_of, part_of
from agent.update_pack import PACK

_CODE = (PACK, "agent/p256_table.bin")
_SETTINGS = ("config.json", "ca.der", "ca2.der")
_FLUSH = const(16384)  # so much of a file at a time survives a power cut


class Installer:
    """`fetch(sha256_32, offset, length)` is a coroutine that gives bytes of a file.

    `slots`: see update_slots; `running`: number of what runs; `pause()`: a coroutine that lets the
    other tasks run, and returns when the bus is idle; `cable(paths)`: hash of what they lie over.
    """

    cable = None

    def __init__(self, board_name, root, slots, running, fetch, pause):
        self._board_name = board_name
        self._slots = slots
        self._running = running
        self._fetch = fetch
        self._pause = pause
        self.files = SlotFiles(slots.directory(root, slots.target))

    async def install(self, manifest, check=None):
        """On trial from the next boot on. `check(files)` may refuse what is all there."""
        self.check(manifest)
        await self._pause()
        right, missing, count = [], 0, 0
        for path, length, sha256_32 in manifest.files():
            await self._pause()
            if self.files.matches(path, length, sha256_32):
                right.append(path)
            else:
                right.append(part_of(path, sha256_32))
                missing += max(0, length - self.files.begun(path, sha256_32))
                count += 1
        self.files.clear(lambda path: path in right)
        self.files.check_room(missing, count)
        for path, length, sha256_32 in manifest.files():
            if path not in right:
                await self._fetch_file(path, length, sha256_32)
                await self._pause()
        digest = digest_of(sorted((path, sha256_32) for path, _, sha256_32 in manifest.files()))
        if self.files.digest() != digest:
            raise _wrong("what the flash holds")
        if check:
            check(self.files)
        cable_8 = self.cable(self.files.paths()) if self.cable else b""
        self._slots.install(manifest.number, manifest.version, digest, cable_8=cable_8)

    def check(self, manifest):
        """UpdateError unless it is for this board, newer, of this journal, of permitted paths."""
        if self._board_name not in manifest.boards:
            raise UpdateError(
                "update-board",
                "expected an update for %s, found one for %s"
                % (self._board_name, ", ".join(manifest.boards)),
            )
        newest = max(self._running, self._slots.highest)
        if manifest.number <= newest:
            raise UpdateError(
                "update-older",
                "expected a number above %d, found %d; the version only rises"
                % (newest, manifest.number),
            )
        if manifest.journal_format != LAYOUT:
            raise UpdateError(
                "update-journal",
                "expected journal format %d, found %d: going back would not be possible"
                % (LAYOUT, manifest.journal_format),
            )
        for path, _, _ in manifest.files():
            if not permitted(manifest.kind, path):
                raise UpdateError("update-path", "a file %s has no place in this kind" % path)

    async def _fetch_file(self, path, length, sha256_32):
        digest = hashlib.sha256()
        begun = self.files.begun(path, sha256_32)
        file = self.files.go_on(path, sha256_32, begun, digest)
        try:
            for offset in range(begun, length, CHUNK):
                wanted = min(CHUNK, length - offset)
                piece = await self._fetch(sha256_32, offset, wanted)
                if len(piece) != wanted:
                    raise UpdateError(
                        "update-truncated",
                        "%s: expected %d bytes at %d, found %d"
                        % (path, wanted, offset, len(piece)),
                    )
                digest.update(piece)
                file.write(piece)
                if not (offset + CHUNK) % _FLUSH:
                    file.flush()
        finally:
            file.close()
        if digest.digest() != sha256_32:
            self.files.remove(part_of(path, sha256_32))
            raise _wrong(path)
        self.files.finish(path, sha256_32)


def permitted(kind, path):
    """Whether a kind of update may bring a file of this name; secrets come by the cable alone."""
    if kind == manifests.CODE:
        return path in _CODE
    if kind == manifests.SETTINGS:
        return path in _SETTINGS or (path.startswith("profiles/") and path.endswith(".json"))
    return path == "image.bin"


def _wrong(what):
    return UpdateError(
        "update-digest", "%s: expected the content that the owner signed, found another" % what
    )
