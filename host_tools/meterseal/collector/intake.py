"""Takes the body of one upload: judge, store durably, sign a receipt, answer."""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from meterseal.collector.errors import CollectorError
from meterseal.collector.group_commit import GroupCommit, Stored
from meterseal.collector.ingest import answer
from meterseal.collector.judging import Judged, Judging, OpenAll
from meterseal.collector.receipt import ReceiptSigner
from meterseal.collector.records import Head, Upload
from meterseal.collector.store import Store

Answer = dict[str, Any] | CollectorError
"""What is sent back."""


class Intake:
    """What every request of one worker shares. Usable inside a running event loop."""

    def __init__(self, store: Store, open_all: OpenAll, signer: ReceiptSigner) -> None:
        self.store = store
        self._judging = Judging(open_all)
        self._signer = signer
        self._commit: GroupCommit | None = None

    async def take(self, body: bytes) -> dict[str, Any]:
        """The answer to an upload; everything that it acknowledges is on disk.

        Raises CollectorError `collector-store`.
        """
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.submit(body, partial(_resolve, waiting))
        found = await waiting
        if isinstance(found, CollectorError):
            raise found
        return found

    def submit(self, body: bytes, done: Callable[[Answer], None]) -> None:
        """As `take`, for callers without a task: `done` is called once, on the event loop."""
        commit = self._group_commit()

        def stored(upload: Upload, result: Stored) -> None:
            if isinstance(result, CollectorError):
                done(result)
            else:
                done(self.answer(result, upload))

        def judged(found: Judged) -> None:
            if isinstance(found, CollectorError):
                done(found)
            else:
                commit.submit(found, stored)

        self._judging.submit(body, judged)

    def answer(self, heads: list[Head], upload: Upload | None = None) -> dict[str, Any]:
        """Answer with a receipt over what it acknowledges."""
        found = answer(heads, upload.refused if upload else [])
        receipt = self._signer.sign(heads, found["time_unix_ms"])
        if receipt:
            found["receipt"] = receipt.hex()
        return found

    def close(self) -> None:
        """Write what waits."""
        if self._commit is not None:
            self._commit.close()

    def _group_commit(self) -> GroupCommit:
        if self._commit is None:
            self._commit = GroupCommit(self.store)
        return self._commit


def _resolve(waiting: asyncio.Future[Answer], found: Answer) -> None:
    if not waiting.done():
        waiting.set_result(found)


def as_json(found: dict[str, Any]) -> bytes:
    """Compact JSON."""
    return json.dumps(found, separators=(",", ":")).encode()
