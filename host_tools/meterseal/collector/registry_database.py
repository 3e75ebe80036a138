"""Opens the registry in the collector's database, or in a database of its own."""

from pathlib import Path

from meterseal.collector.database import Database
from meterseal.registry import Registry


def open_registry(database: str | Path) -> Registry:
    """The registry at a SQLAlchemy URL, or in a SQLite file; made on first use.

    Raises EnvironmentProblem `collector-database`.
    """
    text = str(database)
    opened = Database(text if "://" in text else f"sqlite:///{text}")
    opened.migrate()
    return Registry(opened)
