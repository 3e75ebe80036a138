"""Raw batches of many devices, from CBOR sequence files, directories of them, or a collector.

Gives the batches of one device at a time in canonical order: chain (by the boot that began it),
number, SHA-256; each once. The order in which files or batches lie in the archive thus cannot
change a report. A file that holds one chain in order is streamed; anything else is indexed first.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from meterseal.errors import EnvironmentProblem
from meterseal.wire.envelope import CONTENT_BATCH, MAX_BATCH_LEN, batch_end, opening, payload_span

_CHUNK_LEN: Final = 1 << 20
_OPENING: Final = opening(CONTENT_BATCH)
_KID_AT: Final = 12
_KID_LEN: Final = 8
_SUFFIXES: Final = (".cborseq", ".cbor")
# A payload of version 1 begins with a map head, key 0: version 1, key 1: chain of 16 bytes.
_CHAIN_HEAD: Final = b"\x00\x01\x01\x50"
_PREVIOUS_HEAD: Final = b"\x03\x58\x20"
_NUMBER_LENGTHS: Final = {0x18: 1, 0x19: 2, 0x1A: 4, 0x1B: 8}


class Identity(NamedTuple):
    """Chain, number and sealing boot, read without verifying anything."""

    chain: bytes
    number: int
    boot: int


class Place(NamedTuple):
    """Where a batch lies; sorts in the canonical order."""

    chain_boot: int
    chain: bytes
    number: int
    sha256: bytes
    path: int
    offset: int
    length: int


class Archive:
    """Batches of the devices that a report needs."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Raises EnvironmentProblem `archive-unreadable`."""
        self.files = [file for path in paths for file in _files(path)]
        self.damaged_bytes = 0
        self._devices: dict[str, list[int]] = {}
        self._ordered: dict[int, bool] = {}
        for number, path in enumerate(self.files):
            self._scan(number, path)

    def devices(self) -> list[str]:
        """Ids of all devices with batches here, ascending."""
        return sorted(self._devices)

    def state(self) -> tuple[tuple[int, int], ...]:
        """Size and time of change of each file."""
        found = (path.stat() for path in self.files)
        return tuple((one.st_size, one.st_mtime_ns) for one in found)

    def batches(self, device: str) -> Iterator[bytes]:
        """Raw batches of a device in canonical order."""
        files = self._devices.get(device, [])
        if len(files) == 1 and self._ordered[files[0]]:
            yield from (raw for _, raw in _read_batches(self.files[files[0]]))
            return
        last = None
        for place in self._index(device, files):
            if last is None or place[:4] != last[:4]:
                yield _read_at(self.files[place.path], place)
            last = place

    def _scan(self, number: int, path: Path) -> None:
        """Which devices a file holds, and whether it is one chain in order."""
        devices: set[bytes] = set()
        chains: set[bytes] = set()
        ordered, last, good = True, 0, 0
        for _, raw in _read_batches(path):
            chain, batch_number, _ = identify(raw)
            good += len(raw)
            devices.add(raw[_KID_AT : _KID_AT + _KID_LEN])
            chains.add(chain)
            ordered, last = ordered and batch_number > last, batch_number
        self.damaged_bytes += path.stat().st_size - good
        self._ordered[number] = ordered and len(devices) == 1 and len(chains) == 1
        for device in devices:
            self._devices.setdefault(device.hex(), []).append(number)

    def _index(self, device: str, files: list[int]) -> list[Place]:
        kid = bytes.fromhex(device)
        found = []
        began: dict[bytes, tuple[int, int]] = {}
        for number in files:
            for offset, raw in _read_batches(self.files[number]):
                if raw[_KID_AT : _KID_AT + _KID_LEN] == kid:
                    one = identify(raw)
                    first = one.number, one.boot
                    began[one.chain] = min(first, began.get(one.chain, first))
                    digest = hashlib.sha256(raw).digest()
                    found.append((one, digest, number, offset, len(raw)))
        return sorted(
            Place(began[one.chain][1], one.chain, one.number, digest, number, offset, length)
            for one, digest, number, offset, length in found
        )


def identify(raw: bytes) -> Identity:
    """Chain id, number and boot of a batch; nothing if its payload does not begin as it should."""
    span = payload_span(raw, 0)
    start = span[0] if span else 0
    if not span or raw[start + 1 : start + 5] != _CHAIN_HEAD or raw[start + 21] != 2:
        return Identity(b"", 0, 0)
    number, at = _uint(raw, start + 22)
    if raw[at : at + 3] == _PREVIOUS_HEAD:
        at += len(_PREVIOUS_HEAD) + 32
    boot = _uint(raw, at + 1)[0] if raw[at] == 4 else 0
    return Identity(raw[start + 5 : start + 21], number, boot)


def _uint(raw: bytes, at: int) -> tuple[int, int]:
    """An unsigned integer, and where it ends."""
    head = raw[at]
    if head < 0x18:
        return head, at + 1
    end = at + 1 + _NUMBER_LENGTHS.get(head, 0)
    return int.from_bytes(raw[at + 1 : end], "big"), end


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES)
    if path.is_file():
        return [path]
    raise EnvironmentProblem(
        "archive-unreadable",
        f"expected a .cborseq file or a directory of them, found nothing at {path}",
        "Correct --archive.",
    )


def _read_batches(path: Path) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of everything in a file that has the form of a batch."""
    with path.open("rb") as file:
        buffer, at, base = b"", 0, 0
        while True:
            end = batch_end(buffer, at) if len(buffer) - at >= _KID_AT + _KID_LEN else None
            if end is not None and end <= len(buffer):
                yield base + at, buffer[at:end]
                at = end
                continue
            if len(buffer) - at <= MAX_BATCH_LEN and (more := file.read(_CHUNK_LEN)):
                base += at
                buffer, at = buffer[at:] + more, 0
                continue
            found = buffer.find(_OPENING, at + 1)
            if found < 0:
                return
            at = found


def _read_at(path: Path, place: Place) -> bytes:
    with path.open("rb") as file:
        return _exactly(file, place)


def _exactly(file: BinaryIO, place: Place) -> bytes:
    file.seek(place.offset)
    return file.read(place.length)
