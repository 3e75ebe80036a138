"""Opens the registry in the collector's database, or in a database of its own."""

from pathlib import Path

from meterseal.collector.database import Database
from meterseal.errors import EnvironmentProblem
from meterseal.registry import Registry


def open_registry(database: str | Path, *, create: bool = True) -> Registry:
    """The registry at a SQLAlchemy URL, or in a SQLite file; made on first use if `create`.

    Raises EnvironmentProblem `collector-database`, `registry-missing`.
    """
    text = str(database)
    if not create and "://" not in text and not Path(text).exists():
        raise EnvironmentProblem(
            "registry-missing",
            f"expected a registry in the file {text}, found none",
            "Name it with --registry, or begin one with `meterseal devices add`.",
        )
    opened = Database(text if "://" in text else f"sqlite:///{text}")
    opened.migrate()
    return Registry(opened)
