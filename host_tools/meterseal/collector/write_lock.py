"""Writers of one SQLite file take turns: threads by a lock, processes by a lock file.

SQLite itself lets a second writer only sleep and try again, which costs far more than waiting.
The lock file carries no information; the system frees it when its holder dies.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

try:
    import fcntl
except ImportError:  # Windows: SQLite's own busy timeout has to do.
    fcntl = None  # type: ignore[assignment]


class WriteLock:
    """A context manager. `path`: None for databases that have a lock of their own."""

    def __init__(self, path: Path | None) -> None:
        self._threads = threading.Lock()
        self._path = path if fcntl else None
        self._file = -1

    def __enter__(self) -> None:
        self._threads.acquire()
        if self._path is None:
            return
        try:
            if self._file < 0:
                self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError:
            self._threads.release()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._path is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._threads.release()

    def close(self) -> None:
        """Give the file up; the next turn opens it again."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Hold a lock file for one change of the file beside it."""
    lock = WriteLock(path)
    try:
        with lock:
            yield
    finally:
        lock.close()
