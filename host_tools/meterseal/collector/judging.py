"""Verifies batches of many uploads together, in turns, on the event loop.

The signature check displaces the interpreter from the processor's caches: each step done for many
batches before the next step costs a third less. Long uploads take turns with short ones. If a turn
fails, its uploads are judged one by one, so that the one at fault is answered and the others too.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from meterseal.collector.errors import CollectorError, not_judged
from meterseal.collector.ingest import sort_in, split_sequence
from meterseal.collector.records import Upload
from meterseal.errors import VerificationError
from meterseal.models import SealedBatch

OpenAll = Callable[[Sequence[bytes]], list[SealedBatch | VerificationError]]
"""Checks envelope, signature and schema of some batches: what they are, or why not."""

_TOGETHER: Final = 32
_OF_ONE_UPLOAD: Final = 16
"""Batches of one turn (a few milliseconds), and how many of them one upload may bring."""
_LOG: Final = logging.getLogger(__name__)
Judged = Upload | CollectorError
"""The batches of an upload, kept or refused, in order; or why they could not be judged."""


class _Waiting(NamedTuple):
    upload: Upload
    pieces: Iterator[bytes]
    done: Callable[[Judged], None]


_Opened = tuple[bytes, SealedBatch | VerificationError]
_Share = tuple[_Waiting, list[bytes]]
"""What one upload brings to a turn."""


class Judging:
    """Belongs to one event loop."""

    def __init__(self, open_all: OpenAll) -> None:
        self._open_all = open_all
        self._waiting: deque[_Waiting] = deque()

    def submit(self, body: bytes, done: Callable[[Judged], None]) -> None:
        """Judge the batches of an upload; `done` gets them, or CollectorError `collector-judging`,
        once.
        """
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)
        self._waiting.append(_Waiting(Upload([], []), split_sequence(body), done))

    def _turn(self) -> None:
        """One turn; what arrives meanwhile is seen before the next."""
        shares: list[_Share] = []
        count = 0
        while self._waiting and count < _TOGETHER:
            waiting = self._waiting.popleft()
            shares.append((waiting, list(islice(waiting.pieces, _OF_ONE_UPLOAD))))
            count += len(shares[-1][1])
        self._judge(shares)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)

    def _judge(self, shares: list[_Share]) -> None:
        """All together; if that fails, each alone."""
        pieces = [piece for _, mine in shares for piece in mine]
        try:
            found = iter(list(zip(pieces, self._open_all(pieces), strict=True)))
        except Exception:  # noqa: BLE001 - whatever it is, the other uploads need this worker
            _LOG.exception("judging %d uploads failed", len(shares))
            if len(shares) == 1:
                _tell(shares[0][0], not_judged())
                return
            for share in shares:
                self._judge([share])
            return
        for waiting, mine in shares:
            self._settle(waiting, list(islice(found, len(mine))))

    def _settle(self, waiting: _Waiting, opened: list[_Opened]) -> None:
        """Put in place what a turn found of an upload; the rest of it waits for the next."""
        try:
            sort_in(opened, waiting.upload)
        except Exception:  # noqa: BLE001 - as above
            _LOG.exception("an upload of %d batches cannot be sorted in", len(opened))
            _tell(waiting, not_judged())
            return
        if len(opened) < _OF_ONE_UPLOAD:
            _tell(waiting, waiting.upload)
        else:
            self._waiting.append(waiting)


def _tell(waiting: _Waiting, result: Judged) -> None:
    try:
        waiting.done(result)
    except Exception:  # noqa: BLE001 - the other uploads need their answers
        _LOG.exception("an upload is not answered")
