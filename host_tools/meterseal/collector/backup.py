"""Backup of a running collector, and the way back.

A backup is a directory: the database as it was at one moment (SQLite; of PostgreSQL its own tools
make a backup), the key of the receipts, the access tokens, the published updates, and a list of
all files with their hashes. What came after a backup is not lost when it is restored: stations
keep what was acknowledged as long as they have room, and are asked to send it again.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from meterseal.collector.database import parse_url
from meterseal.collector.tokens import FILE as TOKENS
from meterseal.errors import ConfigurationError, EnvironmentProblem

MANIFEST: Final = "backup.json"
DATABASE: Final = "collector.sqlite"
_FORMAT: Final = "meterseal-backup"
_FILES: Final = ("receipt.key", "receipt.pem", TOKENS)
_UPDATES: Final = "updates"


def backup(data: Path, database: str, out: Path) -> dict[str, Any]:
    """Back up the collector whose directory is `data` into the new directory `out`; what is in it.

    `database`: its URL, empty for SQLite in `data`. The collector may run, and take batches.
    Raises EnvironmentProblem `backup-source`, `backup-target`, `collector-database`.
    """
    if out.exists():
        text = f"expected to make the directory {out}, found that it exists"
        raise EnvironmentProblem("backup-target", text, "Name a new directory.")
    if not (data / "receipt.key").exists():
        text = f"expected the directory of a collector, found no receipt.key in {data}"
        raise EnvironmentProblem("backup-source", text, "Give its --data.")
    path = _sqlite_path(data, database)
    made = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        made.mkdir(parents=True, mode=0o700)
        if path is not None:
            _copy_database(path, made / DATABASE)
        for name in _FILES:
            if (data / name).exists():
                shutil.copy2(data / name, made / name)
        if (data / _UPDATES).exists():
            shutil.copytree(data / _UPDATES, made / _UPDATES)
        manifest = _manifest(made, "postgresql" if path is None else "sqlite")
        made.rename(out)
    except (OSError, sqlite3.Error, shutil.Error) as problem:
        shutil.rmtree(made, ignore_errors=True)
        text = f"expected to back up {data} to {out}: {problem}"
        raise EnvironmentProblem("backup-source", text, "Check room and rights.") from problem
    return manifest


def restore(source: Path, data: Path) -> dict[str, Any]:
    """Make the directory of a collector, which must not exist yet, out of a backup.

    Raises ConfigurationError `backup-altered`, EnvironmentProblem `backup-source`,
    `backup-target`.
    """
    manifest = _checked(source)
    if data.exists() and any(data.iterdir()):
        text = f"expected to make the directory {data}, found something in it"
        remedy = "Stop the collector, move its directory away, and restore again."
        raise EnvironmentProblem("backup-target", text, remedy)
    made = data.with_name(f".{data.name}.{os.getpid()}")
    try:
        shutil.copytree(source, made, ignore=shutil.ignore_patterns(MANIFEST))
        if data.exists():
            data.rmdir()
        made.rename(data)
    except (OSError, shutil.Error) as problem:
        shutil.rmtree(made, ignore_errors=True)
        text = f"expected to restore {source} to {data}: {problem}"
        raise EnvironmentProblem("backup-target", text, "Check room and rights.") from problem
    return manifest


def _sqlite_path(data: Path, database: str) -> Path | None:
    """File of the database; None: it is PostgreSQL."""
    if not database:
        return data / DATABASE
    url = parse_url(database)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def _copy_database(source: Path, target: Path) -> None:
    """One consistent view, while others write (SQLite's online backup)."""
    uri = f"{source.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(f"the database is damaged: {found}")


def _manifest(made: Path, database: str) -> dict[str, Any]:
    files = {
        str(path.relative_to(made)): _sha256(path)
        for path in sorted(made.rglob("*"))
        if path.is_file()
    }
    manifest = {"format": _FORMAT, "version": 1, "database": database, "files": files}
    manifest["made_unix_ms"] = time.time_ns() // 1_000_000
    with (made / MANIFEST).open("w", encoding="utf-8") as stream:
        json.dump(manifest, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    return manifest


def _checked(source: Path) -> dict[str, Any]:
    """The list of a backup all of whose files are there as they were."""
    try:
        manifest: dict[str, Any] = json.loads((source / MANIFEST).read_bytes())
        if (manifest["format"], manifest["version"]) != (_FORMAT, 1):
            raise ValueError("another format")
        files = dict(manifest["files"])
        altered = [name for name, sha256 in files.items() if _sha256(source / name) != sha256]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        text = f"expected a backup in {source}: {problem}"
        raise EnvironmentProblem("backup-source", text, "Name its directory.") from problem
    if altered:
        text = f"expected the files of the backup as they were made, found another {altered[0]}"
        raise ConfigurationError("backup-altered", text, "Take another backup.")
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
