"""`meterseal collect backup` and `restore`: a running collector into a directory, and back."""

from pathlib import Path
from typing import Annotated

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
    from meterseal.cli import output
    from meterseal.collector import backup as backups

    made = backups.backup(data, database, out)
    if as_json:
        output.result_json(made | {"directory": str(out)})
        return
    output.result(f"{out}: {len(made['files'])} files")
    if made["database"] == "postgresql":
        output.note("without the database: pg_dump --format=custom --file=collector.dump URL")


def restore(
    source: Annotated[Path, typer.Argument(help="Directory of the backup.")],
    data: _Data,
    as_json: _Json = False,
) -> None:
    """Restore."""
    from meterseal.cli import output
    from meterseal.collector import backup as backups

    made = backups.restore(source, data)
    if as_json:
        output.result_json(made | {"directory": str(data)})
        return
    output.result(f"{data}: {len(made['files'])} files")
    if made["database"] == "postgresql":
        output.note("without the database: pg_restore --dbname=URL collector.dump")
