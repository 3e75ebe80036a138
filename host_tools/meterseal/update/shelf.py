"""Published updates in a directory of the collector: bytes as the owner signed them, and the plan.

    shelf/files/<sha256>                     every file once, by its content
    shelf/<number>-<kind>/manifest.cose      what the owner signed
    shelf/<number>-<kind>/plan.json          rings and limits
    shelf/<number>-<kind>/offered/<device>   when a station first was offered it (Unix seconds)
    shelf/<number>-<kind>/paused             why it is offered to nobody now
    shelf/<number>-<kind>/excused            devices that failed before the owner let it go on
    shelf/boards/<device>                    the board that a station says it is

Any number of workers read and write it: every file is made or replaced by one rename.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from meterseal.errors import UpdateError
from meterseal.update.build import FILES, load_description
from meterseal.update.manifest import Manifest, read_manifest
from meterseal.update.rings import Plan, check_known, check_ring

SIGNED = "manifest.cose"
_WHOLE = "[!.]*"
"""Names of what is whole: with a dot it is being written, or was when a process died."""


@dataclass(frozen=True)
class Published:
    """One update on the shelf."""

    directory: Path
    signed: bytes
    manifest: Manifest
    plan: Plan

    def offered(self) -> dict[str, int]:
        """Device id -> when it was first offered, in Unix seconds."""
        marks = (self.directory / "offered").glob(_WHOLE)
        found = {path.name: _text(path) for path in marks}
        return {device: int(text) for device, text in found.items() if text}

    def offer_to(self, device: str) -> None:
        """Note the first offer; the time of the first one stays."""
        with contextlib.suppress(FileExistsError):
            _create(self.directory / "offered" / device, str(int(time.time())).encode())

    @property
    def paused(self) -> str:
        """Why it is offered to nobody now; empty while it goes on."""
        return _text(self.directory / "paused")

    def pause(self, reason: str) -> None:
        """Offer it to nobody until the owner lets it go on."""
        with contextlib.suppress(FileExistsError):
            _create(self.directory / "paused", reason.encode())

    @property
    def excused(self) -> frozenset[str]:
        """Devices whose failure the owner knows of."""
        return frozenset(_text(self.directory / "excused").split())

    def resume(self, excused: Collection[str]) -> None:
        """Offer it again; these devices have failed, and that is known."""
        _replace(self.directory / "excused", "\n".join(sorted({*self.excused, *excused})).encode())
        (self.directory / "paused").unlink(missing_ok=True)


class Shelf:
    """The published updates below a directory, which may not exist yet."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def updates(self) -> list[Published]:
        """All of them, the newest first."""
        found = [self._load(path.parent) for path in self._root.glob(f"{_WHOLE}/{SIGNED}")]
        return sorted(found, key=lambda one: one.manifest.number, reverse=True)

    def _load(self, directory: Path) -> Published:
        signed = (directory / SIGNED).read_bytes()
        plan = json.loads((directory / "plan.json").read_text(encoding="utf-8"))
        plan["rings"] = tuple(plan["rings"])
        return Published(directory, signed, read_manifest(signed)[0], Plan(**plan))

    def piece(self, sha256: str, offset: int, length: int) -> bytes | None:
        """Bytes of a file by its hash in hexadecimal; None if there is none."""
        try:
            with (self._root / "files" / sha256).open("rb") as stream:
                stream.seek(offset)
                return stream.read(length)
        except FileNotFoundError:
            return None

    def boards(self) -> dict[str, str]:
        """Device id -> board, as the stations say."""
        return {path.name: _text(path) for path in (self._root / "boards").glob(_WHOLE)}

    def tell_board(self, device: str, board: str) -> None:
        """A station says what it is."""
        path = self._root / "boards" / device
        if self._root.is_dir() and board and (not path.exists() or path.read_text() != board):
            path.parent.mkdir(exist_ok=True)
            _replace(path, board.encode())

    def publish(self, built: Path, plan: Plan, known: Collection[str] = ()) -> Published:
        """Take over a built and signed update; offered from now on. `known`: device ids.

        Raises UpdateError `update-unsigned`, `update-changed`, `update-older`, `update-ring`.
        """
        for ring in plan.rings:
            check_ring(ring)
        check_known(plan.rings, known)
        manifest = load_description(built)
        signed = _signed(built, manifest)
        for other in self.updates():
            if other.manifest.kind is manifest.kind and other.manifest.number >= manifest.number:
                raise UpdateError(
                    "update-older",
                    f"expected a number above {other.manifest.number}, found {manifest.number}",
                    "Raise BUILD_UNIX_S in agent/version.py, or --number, and build again.",
                )
        self._take_files(built, manifest)
        name = f"{manifest.number}-{manifest.kind.name.lower()}"
        made = self._root / f".{name}"
        (made / "offered").mkdir(parents=True, exist_ok=True)
        (made / SIGNED).write_bytes(signed)
        (made / "plan.json").write_text(json.dumps(plan._asdict()), encoding="utf-8")
        made.rename(self._root / name)
        return self._load(self._root / name)

    def _take_files(self, built: Path, manifest: Manifest) -> None:
        (self._root / "files").mkdir(parents=True, exist_ok=True)
        for entry in manifest.files:
            data = (built / FILES / entry.path).read_bytes()
            target = self._root / "files" / entry.sha256.hex()
            if hashlib.sha256(data).digest() != entry.sha256:
                raise UpdateError("update-changed", f"{entry.path} changed", "Sign it again.")
            if not target.exists():
                _create(target, data)


def _signed(built: Path, manifest: Manifest) -> bytes:
    try:
        signed = (built / SIGNED).read_bytes()
    except OSError as problem:
        raise UpdateError(
            "update-unsigned",
            f"expected a signature in {built / SIGNED}: {problem}",
            "An owner signs it with `meterseal update sign`.",
        ) from problem
    if read_manifest(signed)[0] != manifest:
        raise UpdateError(
            "update-changed",
            "expected what the owner signed, found other content",
            "Sign it again.",
        )
    return signed


def _text(path: Path) -> str:
    """What a file says; nothing if there is none, or none any more."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _replace(path: Path, data: bytes) -> None:
    made = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    made.write_bytes(data)
    made.replace(path)


def _create(path: Path, data: bytes) -> None:
    """A new file, whole or not at all; FileExistsError if there is one."""
    if path.exists():
        raise FileExistsError(path)
    made = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    made.write_bytes(data)
    try:
        os.link(made, path)
    finally:
        made.unlink()
