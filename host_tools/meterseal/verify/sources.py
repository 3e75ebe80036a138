"""Batches out of files, directories and CBOR sequences (RFC 8742), in constant memory.

A damaged batch does not hide the ones behind it: what does not look like a batch comes as one
piece, up to where the next batch begins.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from meterseal.errors import EnvironmentProblem
from meterseal.wire.envelope import CONTENT_BATCH, MAX_BATCH_LEN, batch_end, opening

SUFFIXES: Final = (".cborseq", ".cbor", ".cose")
"""Files that are taken from a directory; a file that is named itself may have any name."""

_PARTS: Final = re.compile(r"(\D*)(\d*)")
_CHUNK_LEN: Final = 1 << 20
_NEEDED_LEN: Final = MAX_BATCH_LEN + 1
_OPENING: Final = opening(CONTENT_BATCH)


class Piece(NamedTuple):
    """Bytes that are a batch, or what stands where one should be."""

    offset: int
    raw: bytes


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files to read, in order; those of a directory by name, with its subdirectories.

    Numbers in names count as numbers: part2 comes before part10.

    Raises EnvironmentProblem `input-unreadable` for a path that is not there.
    """
    for path in paths:
        if path.is_dir():
            found = sorted(
                (one for one in path.rglob("*") if one.suffix in SUFFIXES), key=_by_name
            )
            yield from (one for one in found if one.is_file())
        elif path.exists():
            yield path
        else:
            raise _unreadable(path, "there is no such file or directory")


def _by_name(path: Path) -> list[tuple[str, int]]:
    """Sorts by text and by the numbers in it."""
    return [(text, int(digits or 0)) for text, digits in _PARTS.findall(str(path))]


def pieces_of_file(path: Path, offset: int = 0) -> Iterator[Piece]:
    """Batches of a file from a byte on; places count from there.

    Raises EnvironmentProblem `input-unreadable`.
    """
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            yield from pieces(stream)
    except OSError as problem:
        raise _unreadable(path, str(problem)) from problem


def block_of_file(path: Path, offset: int, length: int) -> bytes:
    """Bytes of a file, which is closed again. Raises EnvironmentProblem `input-unreadable`."""
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            return stream.read(length)
    except OSError as problem:
        raise _unreadable(path, str(problem)) from problem


def pieces(stream: BinaryIO) -> Iterator[Piece]:
    """Batches of a stream of bytes."""
    buffer = b""
    base = at = 0
    ended = False
    while True:
        if len(buffer) - at < _NEEDED_LEN and not ended:
            more = stream.read(_CHUNK_LEN)
            ended = not more
            buffer = buffer[at:] + more
            base, at = base + at, 0
            continue
        if at == len(buffer):
            return
        end = batch_end(buffer, at)
        if end is None or end > len(buffer):
            end = buffer.find(_OPENING, at + 1)
            end = len(buffer) if end < 0 else end
        yield Piece(base + at, buffer[at:end])
        at = end


def _unreadable(path: Path, why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        "input-unreadable",
        f"expected batches in {path}: {why}",
        f"Name files, or directories with files *{', *'.join(SUFFIXES)}.",
    )
