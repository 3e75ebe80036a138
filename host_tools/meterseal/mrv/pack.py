"""Evidence packs: everything that a report was computed from, in one ZIP of one possible form.

Members are stored uncompressed, in the order of the manifest, with fixed times; the manifest names
length and SHA-256 of each. A pack that differs from its own rebuilt form in a single byte is
refused, so that nothing can hide in it.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Final, NoReturn

from meterseal.errors import EnvironmentProblem, VerificationError
from meterseal.mrv.exact import pretty

FORMAT: Final = "meterseal-pack"
MANIFEST: Final = "manifest.json"
RAW, HASHES = "raw", "hashes"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_CHUNK_LEN: Final = 1 << 20
_MAX_MANIFEST_LEN: Final = 1 << 26

_FIELDS: Final = {
    **dict.fromkeys(("batches", "fetch", "first_day", "last_day", "supersedes"), str),
    **dict.fromkeys(("anchors", "second_anchors", "members"), list),
    **dict.fromkeys(("demo", "final", "damaged_bytes"), int),
}

Source = Callable[[], Iterable[bytes]]
"""Gives a member's bytes in pieces, the same each time."""


@dataclass(frozen=True)
class Member:
    """A member to be written."""

    name: str
    source: Source


def member(name: str, data: bytes) -> Member:
    """A member whose bytes are at hand."""
    return Member(name, lambda: (data,))


def write_pack(path: Path, facts: dict[str, Any], members: list[Member]) -> None:
    """Write a pack; `facts` go into the manifest (canonical JSON values)."""
    listed = [listing(one) for one in members]
    manifest = pretty({"format": FORMAT, "version": 1, **facts, "members": listed})
    with path.open("wb") as file:
        _write(file, [member(MANIFEST, manifest), *members])


def listing(one: Member) -> dict[str, Any]:
    """Name, length and SHA-256 of a member, as the manifest has them."""
    digest, length = hashlib.sha256(), 0
    for piece in one.source():
        digest.update(piece)
        length += len(piece)
    return {"name": one.name, "length": length, "sha256": digest.hexdigest()}


def _write(file: IO[bytes], members: Iterable[Member]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for one in members:
            info = zipfile.ZipInfo(one.name, _EPOCH)
            info.create_system = 3
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=False) as target:
                for piece in one.source():
                    target.write(piece)


class Pack:
    """A pack that has its one form and whose members are what its manifest says.

    Says nothing yet about signatures and figures: recompute.py does.
    """

    def __init__(self, path: Path) -> None:
        """Raises VerificationError `pack-form`, `pack-manifest`, `pack-members`, `pack-member`;
        EnvironmentProblem `pack-unreadable`.
        """
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except OSError as problem:
            raise EnvironmentProblem("pack-unreadable", f"expected a pack: {problem}") from problem
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as problem:
            _refuse("pack-form", "a ZIP file", f"one that is not: {problem}")
        try:
            self._check_stored()
            self.manifest = self._manifest()
            self._check_members()
            self._check_form()
        except (
            zipfile.BadZipFile,
            ValueError,
            KeyError,
            TypeError,
            RuntimeError,
            zlib.error,
        ) as problem:
            if isinstance(problem, VerificationError):
                raise
            _refuse("pack-form", "readable members", repr(problem))
        except (EOFError, OSError, zipfile.LargeZipFile) as problem:
            _refuse("pack-form", "complete members", repr(problem))

    def names(self) -> list[str]:
        """Names of the members behind the manifest, in order."""
        return [str(one["name"]) for one in self.manifest["members"]]

    def read(self, name: str) -> bytes:
        """A member. Raises VerificationError `pack-members` if it is not there."""
        if name not in self.names():
            _refuse("pack-members", f"a member {name}", "none")
        return self._archive.read(name)

    def extract(self, name: str, target: Path) -> None:
        """Write a member to a file."""
        with target.open("wb") as file:
            for piece in self._pieces(name):
                file.write(piece)

    def _check_stored(self) -> None:
        """Nothing unfolds to more than what is there: no member is compressed."""
        room = self.path.stat().st_size
        for info in self._archive.infolist():
            room -= info.file_size
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                _refuse("pack-form", "members that are stored as they are", info.filename)
        if room < 0:
            _refuse("pack-form", "members that fit into the file", "overlapping ones")

    def _manifest(self) -> dict[str, Any]:
        names = self._archive.namelist()
        if names[:1] != [MANIFEST]:
            _refuse("pack-manifest", f"{MANIFEST} as first member", repr(names[:1]))
        if self._archive.getinfo(MANIFEST).file_size > _MAX_MANIFEST_LEN:
            _refuse("pack-manifest", "a manifest of ordinary size", "a huge one")
        return checked_manifest(json.loads(self._archive.read(MANIFEST)))

    def _check_members(self) -> None:
        if self._archive.namelist() != [MANIFEST, *self.names()]:
            _refuse("pack-members", "exactly the members of the manifest, in order", "others")
        if len(set(self.names())) != len(self.names()):
            _refuse("pack-members", "each member once", "one twice")
        for one in self.manifest["members"]:
            if listing(Member(one["name"], self._source(one["name"]))) != one:
                _refuse("pack-member", f"{one['name']} with the hash of the manifest", "another")

    def _check_form(self) -> None:
        """The pack, written again from its manifest and members, has the same bytes."""
        manifest = member(MANIFEST, pretty(self.manifest))
        members = [Member(name, self._source(name)) for name in self.names()]
        with TemporaryDirectory(prefix="meterseal-pack-") as folder:
            again = Path(folder) / "again.zip"
            with again.open("wb") as file:
                _write(file, [manifest, *members])
            if not _same_bytes(self.path, again):
                _refuse("pack-form", "the one form that a pack can have", "another")

    def _source(self, name: str) -> Source:
        return lambda: self._pieces(name)

    def _pieces(self, name: str) -> Iterator[bytes]:
        with self._archive.open(name) as file:
            while piece := file.read(_CHUNK_LEN):
                yield piece


def checked_manifest(found: Any) -> dict[str, Any]:
    """A manifest with every field in its form. Raises VerificationError `pack-manifest`."""
    if not isinstance(found, dict) or (found.get("format"), found.get("version")) != (FORMAT, 1):
        _refuse("pack-manifest", f"{FORMAT} version 1", "another file")
    for name, kind in _FIELDS.items():
        if not isinstance(found.get(name), kind):
            _refuse("pack-manifest", f"a field {name}", repr(found.get(name))[:60])
    for name in ("anchors", "second_anchors"):
        if not all(isinstance(one, str) for one in found[name]):
            _refuse("pack-manifest", f"{name} as text", "others")
    for one in found["members"]:
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            _refuse("pack-manifest", "members with names", repr(one)[:60])
    return found


def _same_bytes(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as first, other.open("rb") as second:
        while piece := first.read(_CHUNK_LEN):
            if piece != second.read(_CHUNK_LEN):
                return False
    return True


def _refuse(code: str, expected: str, found: str) -> NoReturn:
    raise VerificationError(
        code,
        f"expected {expected}, found {found}",
        "Get the pack again from who made it; do not use this one.",
    )
