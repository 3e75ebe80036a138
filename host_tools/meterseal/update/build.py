"""An update's files and its unsigned manifest, from this package's firmware or a directory."""

import ast
import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from meterseal.errors import EnvironmentProblem, UpdateError
from meterseal.provision.image import agent_sources, compile_modules
from meterseal.resources import firmware_dir
from meterseal.update.manifest import FileEntry, Kind, Manifest

DESCRIPTION: Final = "update.json"
FILES: Final = "files"
PACK: Final = "code.pack"
_NOT_IN_SLOTS: Final = ("agent/p256_table_frozen.py",)


def build_code(source: Path | None, boards: Sequence[str], out: Path, compiled: bool) -> Manifest:
    """The agent and main.py of `source` (default: this package's firmware) below `out`.

    `compiled`: as .mpy. Version and number are those of its agent/version.py; the journal's format
    is that of its agent/journal_ring.py.
    """
    source = source or firmware_dir()
    version = str(_constant(source / "agent/version.py", "VERSION"))
    number = int(_constant(source / "agent/version.py", "BUILD_UNIX_S"))
    _empty(out)
    with tempfile.TemporaryDirectory() as place:
        _place_modules(source, Path(place), compiled)
        modules = sorted(path for path in Path(place).rglob("*.*py") if path.is_file())
        contents = {path.relative_to(place).as_posix(): path.read_bytes() for path in modules}
    (out / FILES / PACK).write_bytes(pack(contents))
    (out / FILES / "agent").mkdir()
    shutil.copyfile(source / "agent/p256_table.bin", out / FILES / "agent/p256_table.bin")
    return _describe(out, Kind.CODE, boards, number, version, source=source)


def pack(contents: dict[str, bytes]) -> bytes:
    """The modules of a code update in one file, see firmware/agent/update_pack.py."""
    lines, offset = [], 0
    for path, content in contents.items():
        lines.append(f"{path} {offset} {len(content)}\n")
        offset += len(content)
    index = "".join(lines).encode()
    return f"{len(index)}\n".encode() + index + b"".join(contents.values())


def _constant(path: Path, name: str) -> str | int:
    """A constant of a module of the firmware, read and not run. UpdateError `update-version`."""
    try:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                value = node.value.args[0] if isinstance(node.value, ast.Call) else node.value
                found = ast.literal_eval(value)
                if isinstance(found, str | int):
                    return found
    except (OSError, SyntaxError, ValueError, IndexError):
        pass  # said below
    raise UpdateError(
        "update-version",
        f"expected {name} in {path}",
        "Give the directory that holds main.py and agent/.",
    )


def build_settings(source: Path, boards: Sequence[str], number: int, out: Path) -> Manifest:
    """Settings: config.json, profiles/*.json, ca.der as `source` holds them; never secrets."""
    names = ["config.json", "ca.der", "ca2.der"]
    found = [source / name for name in names if (source / name).is_file()]
    found += sorted((source / "profiles").glob("*.json"))
    if not found:
        raise UpdateError(
            "update-empty",
            f"expected config.json or profiles in {source}, found none",
            "Add them.",
        )
    _empty(out)
    for path in found:
        _place(path, out / FILES / path.relative_to(source))
    return _describe(out, Kind.SETTINGS, boards, number, f"settings {number}")


def build_image(
    image: Path, boards: Sequence[str], number: int, version: str, out: Path
) -> Manifest:
    """A whole image, as MicroPython's build made it (micropython.bin)."""
    _empty(out)
    _place(image, out / FILES / "image.bin")
    return _describe(out, Kind.IMAGE, boards, number, version)


def build_owners(keys: Sequence[bytes], number: int, out: Path) -> Manifest:
    """The owners' keys that are to count from now on, the signing one among them."""
    _empty(out)
    return _describe(out, Kind.OWNERS, (), number, f"owners {number}", keys)


def load_description(directory: Path) -> Manifest:
    """The manifest that was built there, its files checked against it."""
    try:
        found: dict[str, Any] = json.loads((directory / DESCRIPTION).read_text(encoding="utf-8"))
        entries = tuple(_entry_of(directory / FILES, path) for path in found["files"])
        keys = tuple(bytes.fromhex(key) for key in found["keys"])
        kind, boards = Kind[found["kind"].upper()], tuple(found["boards"])
        return Manifest(
            kind, boards, found["number"], found["version"], entries, keys, found["journal"]
        )
    except (OSError, ValueError, KeyError) as problem:
        raise UpdateError(
            "update-missing",
            f"expected a built update in {directory}: {problem}",
            "Make one with `meterseal update build`.",
        ) from problem


def _empty(out: Path) -> None:
    shutil.rmtree(out / FILES, ignore_errors=True)
    (out / FILES).mkdir(parents=True)


def _place_modules(source: Path, out: Path, compiled: bool) -> None:
    found = [source / "main.py", *agent_sources(source)]
    paths = [path for path in found if str(path.relative_to(source)) not in _NOT_IN_SLOTS]
    if not compiled:
        for path in paths:
            _place(path, out / path.relative_to(source))
        return
    try:
        compile_modules(source, paths, out)
    except EnvironmentProblem as problem:
        raise UpdateError("update-compile", problem.text, "Correct the source.") from problem


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _describe(
    out: Path,
    kind: Kind,
    boards: Sequence[str],
    number: int,
    version: str,
    keys: Sequence[bytes] = (),
    source: Path | None = None,
) -> Manifest:
    journal = _constant((source or firmware_dir()) / "agent/journal_ring.py", "LAYOUT")
    paths = sorted(p.relative_to(out / FILES).as_posix() for p in (out / FILES).rglob("*.*"))
    description = {
        "kind": kind.name.lower(),
        "boards": list(boards),
        "number": number,
        "version": version,
        "files": paths,
        "keys": [key.hex() for key in keys],
        "journal": int(journal),
    }
    (out / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    return load_description(out)


def _entry_of(root: Path, path: str) -> FileEntry:
    data = (root / path).read_bytes()
    return FileEntry(path, len(data), hashlib.sha256(data).digest())
