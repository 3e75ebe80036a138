"""Opens the collector's database: SQLite by default, PostgreSQL by URL, always durable.

Writers take turns, in one process or in many: a transaction that writes begins by taking the one
lock of the database, so that what it read still holds when it commits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy.exc
from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection

from meterseal.collector.errors import CollectorError, not_stored
from meterseal.collector.write_lock import WriteLock
from meterseal.errors import EnvironmentProblem

MIGRATIONS: Final = Path(__file__).parent / "migrations"
LOCK_KEY: Final = 0x6D657465727365  # "meterse": of PostgreSQL's advisory lock

_DURABLE: Final = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000")
_FAST: Final = ("wal_autocheckpoint=16384", "cache_size=-65536")
"""A log of up to 64 MiB, and as much memory: each page is copied back once for many commits."""


class Database:
    """An engine and the lock that writers take. `url`: of SQLAlchemy."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._driver_error: type[Exception] = self.engine.dialect.loaded_dbapi.Error
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._lock = WriteLock(_lock_file(self.engine))
        if self.is_sqlite:
            event.listen(self.engine, "connect", _durable_sqlite)
            event.listen(self.engine, "begin", _begin)

    def migrate(self, revision: str = "head") -> None:
        """Bring the schema up to date, whatever released version made it.

        Raises EnvironmentProblem `collector-database` if the database cannot be opened.
        """
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        try:
            with self.write() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, revision)
        except CollectorError as error:
            raise EnvironmentProblem(
                "collector-database",
                f"expected to open {self.engine.url!r}: {error.__cause__}",
                "Check --database, the rights of the directory and that the server runs.",
            ) from error

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One durable transaction; no other writer runs meanwhile.

        Raises CollectorError `collector-store` if it failed; then nothing of it is there.
        """
        with self._translated(), self._lock, self.engine.connect() as connection:
            connection = connection.execution_options(writes=True)
            with connection.begin():
                if not self.is_sqlite:
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK_KEY})")
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view. Raises CollectorError `collector-store`."""
        with self._translated(), self.engine.connect() as connection:
            if not self.is_sqlite:  # which has nothing less
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Whatever the database or its driver raises, as one error."""
        try:
            yield
        except (sqlalchemy.exc.SQLAlchemyError, self._driver_error, OSError) as error:
            raise not_stored() from error


def parse_url(url: str) -> URL:
    """Raises EnvironmentProblem `collector-database` for what is no URL of a database."""
    try:
        return make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise _unusable(error) from error


def _engine(url: str) -> Engine:
    parsed = parse_url(url)
    try:
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(parsed, pool_size=8, pool_pre_ping=not url.startswith("sqlite"))
    except (sqlalchemy.exc.ArgumentError, ModuleNotFoundError) as error:
        raise _unusable(error) from error


def _unusable(error: Exception) -> EnvironmentProblem:
    return EnvironmentProblem(
        "collector-database",
        f"expected a database URL, found one that cannot be used: {error}",
        "Give --database sqlite:///FILE or postgresql://USER@HOST/NAME.",
    )


def _lock_file(engine: Engine) -> Path | None:
    name = engine.url.database
    return Path(name + ".lock") if engine.dialect.name == "sqlite" and name else None


def _durable_sqlite(connection: DBAPIConnection, _record: object) -> None:
    """Write-ahead log, and a commit that returns only when it is on disk."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (*_DURABLE, *_FAST):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    """SQLite: who is going to write says so before reading."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
