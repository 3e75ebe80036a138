"""`meterseal collect backup` and `restore`: a running collector into a directory, and back."""

from pathlib import Path
from typing import Annotated, Any

import typer

_BACKUP = """Back up a collector, which may run, into a new directory.

With PostgreSQL the database is not in it: back it up with pg_dump, and restore it with pg_restore.

Example:

    meterseal collect backup backup-2026-07-01 --data data
"""
_RESTORE = """Make the directory of a collector out of a backup.

What stations sent after the backup they are asked for again, with their next upload.

Example:

    meterseal collect restore backup-2026-07-01 --data data
"""
_Data = Annotated[Path, typer.Option(help="Directory of the collector.")]
_Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


def register(collect: typer.Typer) -> None:
    """Add the verbs below `collect`."""
    collect.command("backup", help=_BACKUP)(backup)
    collect.command("restore", help=_RESTORE)(restore)


def backup(
    out: Annotated[Path, typer.Argument(help="Directory to make.")],
    data: _Data,
    database: Annotated[str, typer.Option(help="SQLAlchemy URL, as when collecting.")] = "",
    as_json: _Json = False,
) -> None:
    """Back up."""
    from meterseal.collector import backup as backups

    made = backups.backup(data, database, out)
    _tell(made, out, "pg_dump --format=custom --file=collector.dump URL", as_json)


def restore(
    source: Annotated[Path, typer.Argument(help="Directory of the backup.")],
    data: _Data,
    as_json: _Json = False,
) -> None:
    """Restore."""
    from meterseal.collector import backup as backups

    made = backups.restore(source, data)
    _tell(made, data, "pg_restore --dbname=URL collector.dump", as_json)


def _tell(made: dict[str, Any], directory: Path, postgresql: str, as_json: bool) -> None:
    from meterseal.cli import output

    if as_json:
        output.result_json(made | {"directory": str(directory)})
        return
    output.result(f"{directory}: {len(made['files'])} files")
    if made["database"] == "postgresql":
        output.note(f"without the database: {postgresql}")
