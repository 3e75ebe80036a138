"""Verifies batches of many uploads together, in turns, on the event loop.

The signature check displaces the interpreter from the processor's caches: each step done for many
batches before the next step costs a third less. Long uploads take turns with short ones.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from meterseal.collector.ingest import sort_in, split_sequence
from meterseal.collector.records import Upload
from meterseal.errors import VerificationError
from meterseal.models import SealedBatch

OpenAll = Callable[[Sequence[bytes]], list[SealedBatch | VerificationError]]
"""Checks envelope, signature and schema of some batches: what they are, or why not."""

_TOGETHER: Final = 32
_OF_ONE_UPLOAD: Final = 16
"""Batches of one turn (a few milliseconds), and how many of them one upload may bring."""


class _Waiting(NamedTuple):
    upload: Upload
    pieces: Iterator[bytes]
    done: Callable[[Upload], None]


class Judging:
    """Belongs to one event loop."""

    def __init__(self, open_all: OpenAll) -> None:
        self._open_all = open_all
        self._waiting: deque[_Waiting] = deque()

    def submit(self, body: bytes, done: Callable[[Upload], None]) -> None:
        """Judge the batches of an upload; `done` gets them, kept or refused, in order."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)
        self._waiting.append(_Waiting(Upload([], []), split_sequence(body), done))

    def _turn(self) -> None:
        """One turn; what arrives meanwhile is seen before the next."""
        pieces: list[bytes] = []
        shares: list[tuple[_Waiting, int]] = []
        while self._waiting and len(pieces) < _TOGETHER:
            waiting = self._waiting.popleft()
            mine = list(islice(waiting.pieces, _OF_ONE_UPLOAD))
            pieces += mine
            shares.append((waiting, len(mine)))
        opened = iter(zip(pieces, self._open_all(pieces), strict=True))
        for waiting, count in shares:
            sort_in(islice(opened, count), waiting.upload)
            if count < _OF_ONE_UPLOAD:
                waiting.done(waiting.upload)
            else:
                self._waiting.append(waiting)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)
