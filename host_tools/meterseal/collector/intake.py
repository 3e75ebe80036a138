"""Takes the body of one upload: judge, store durably, sign a receipt, answer."""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from meterseal.collector.errors import CollectorError, too_much
from meterseal.collector.group_commit import GroupCommit, Stored
from meterseal.collector.ingest import answer
from meterseal.collector.judging import Judged, Judging, OpenAll
from meterseal.collector.rates import Rates
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
        self.rates = Rates()
        self._commit: GroupCommit | None = None

    @property
    def receipt_pem(self) -> bytes:
        """Public key of the receipts, PEM."""
        return self._signer.public_pem

    async def take(self, body: bytes, source: str = "") -> dict[str, Any]:
        """The answer to an upload; everything that it acknowledges is on disk. `source`: who
        counts for what does not verify, as an address.

        Raises CollectorError `collector-store`, `collector-judging`, `upload-rate`.
        """
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.submit(body, partial(_resolve, waiting), source)
        found = await waiting
        if isinstance(found, CollectorError):
            raise found
        return found

    def submit(self, body: bytes, done: Callable[[Answer], None], source: str = "") -> None:
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
            elif found.refused and (wait_s := self.rates.wait_s(source, found.refused)):
                if not found.kept:
                    done(too_much(wait_s))
                    return
                without = Upload(found.kept, [])
                commit.submit(without, lambda _, result: stored(found, result))
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
