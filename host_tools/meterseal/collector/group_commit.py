"""Many uploads share one commit, so that they share one fsync; each is answered after its own.

While one transaction is on its way to the disk, the next uploads gather. One thread writes; the
event loop never waits for the disk.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from meterseal.collector.errors import CollectorError, not_stored
from meterseal.collector.records import Head, Upload
from meterseal.collector.store import Store

MAX_UPLOADS: Final = 1000
MAX_BATCHES: Final = 4000
LINGER_S: Final = 0.015
"""How long a group waits for more when uploads come in company; one alone never waits."""
_LOG: Final = logging.getLogger(__name__)


Stored = list[Head] | CollectorError
"""The heads of the chains of an upload that is on disk, or why it is not."""


class _Waiting(NamedTuple):
    upload: Upload
    done: Callable[[Upload, Stored], None]


class GroupCommit:
    """Belongs to one event loop. `close` writes what is waiting and ends the thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._in_company = False
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def submit(self, upload: Upload, done: Callable[[Upload, Stored], None]) -> None:
        """Store an upload; `done` is called on the event loop after everything in it is durable,
        or with CollectorError `collector-store` if it cannot be stored now.
        """
        self._queue.put(_Waiting(upload, done))

    def close(self) -> None:
        """Write what waits, then stop."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            group, ended = self._gather(first)
            self._in_company = len(group) > 1
            self._commit(group)
            if ended:
                return

    def _gather(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        """What waits by now, at most MAX_UPLOADS and about MAX_BATCHES."""
        if self._in_company:
            time.sleep(LINGER_S)
        group, batches = [first], len(first.upload.kept)
        while len(group) < MAX_UPLOADS and batches < MAX_BATCHES:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return group, False
            if item is None:
                return group, True
            group.append(item)
            batches += len(item.upload.kept)
        return group, False

    def _commit(self, group: list[_Waiting]) -> None:
        """All together; if that fails, each alone, so that none takes the others with it."""
        try:
            results: list[Stored] = []
            results += self._store.keep([waiting.upload for waiting in group])
        except Exception:  # noqa: BLE001 - whatever it is, the next uploads need this thread
            _LOG.exception("a transaction of %d uploads failed", len(group))
            if len(group) > 1:
                for waiting in group:
                    self._commit([waiting])
                return
            results = [not_stored()]
        self._loop.call_soon_threadsafe(_resolve, group, results)


def _resolve(group: list[_Waiting], results: list[Stored]) -> None:
    for waiting, result in zip(group, results, strict=True):
        try:
            waiting.done(waiting.upload, result)
        except Exception:  # noqa: BLE001 - the others in the group need their answers
            _LOG.exception("an upload of %d batches is not answered", len(waiting.upload.kept))
