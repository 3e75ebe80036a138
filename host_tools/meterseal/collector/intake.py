"""Takes the body of one upload: judge, store durably, sign a receipt, answer."""

import asyncio
import json
import time
from typing import Any, Final

from meterseal.collector.group_commit import GroupCommit
from meterseal.collector.ingest import Opener, answer, judge, split_sequence
from meterseal.collector.receipt import ReceiptSigner
from meterseal.collector.records import Head, Upload
from meterseal.collector.store import Store

_SLICE_S: Final = 0.003
"""How long one long upload may hold up the others before they get their turn."""


class Intake:
    """What every request of one worker shares. Usable inside a running event loop."""

    def __init__(self, store: Store, opener: Opener, signer: ReceiptSigner) -> None:
        self.store = store
        self._opener = opener
        self._signer = signer
        self._commit: GroupCommit | None = None

    async def take(self, body: bytes) -> dict[str, Any]:
        """The answer to an upload; everything that it acknowledges is on disk.

        Raises CollectorError `collector-store`.
        """
        upload = Upload([], [])
        await self._judge(body, upload)
        heads = await self._group_commit().keep(upload)
        return self.answer(heads, upload)

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

    async def _judge(self, body: bytes, upload: Upload) -> None:
        """A long sequence is judged in slices: signatures cost time, others wait for the loop."""
        until = time.perf_counter() + _SLICE_S
        for raw in split_sequence(body):
            judge(raw, self._opener, upload)
            if time.perf_counter() > until:
                await asyncio.sleep(0)
                until = time.perf_counter() + _SLICE_S

    def _group_commit(self) -> GroupCommit:
        if self._commit is None:
            self._commit = GroupCommit(self.store)
        return self._commit


def as_json(found: dict[str, Any]) -> bytes:
    """Compact JSON."""
    return json.dumps(found, separators=(",", ":")).encode()
