"""Where the batches of each device stand in files, and the files read in the order of the chains.

Exports overlap, come in any order, and hold several devices. An audit wants each chain by number,
without keeping more of it in memory than one place for each run of batches.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from meterseal.verify.sources import block_of_file, files, pieces_of_file
from meterseal.wire.envelope import MAX_BATCH_LEN, batch_end, batch_place, payload_span

_KID: Final = slice(12, 20)
_BLOCK_LEN: Final = 2 * MAX_BATCH_LEN
"""So much of a span is in memory at one time; it holds a whole batch."""


class Span(NamedTuple):
    """Bytes of a file: batches `first` to `last` of a chain, one behind the other.

    `chain` is its rank among the chains of the device, by first appearance; -1: no batch.
    """

    chain: int
    first: int
    path: str
    offset: int
    last: int
    length: int


def spans_of_files(paths: Iterable[Path]) -> dict[bytes, tuple[Span, ...]]:
    """By device (kid); under b"" what is no batch. Raises EnvironmentProblem."""
    found: dict[bytes, list[Span]] = {}
    ranks: dict[bytes, dict[bytes, int]] = {}
    for path in files(paths):
        name = str(path.absolute())
        for offset, raw in pieces_of_file(path):
            kid = raw[_KID] if payload_span(raw, 0) else b""
            spans, known = found.setdefault(kid, []), ranks.setdefault(kid, {})
            chain, number = batch_place(raw) or (b"", len(spans))
            rank = known.setdefault(chain, len(known)) if chain else -1
            one = Span(rank, number, name, offset, number, len(raw))
            if spans and _goes_on(spans[-1], one):
                spans[-1] = spans[-1]._replace(last=number, length=spans[-1].length + len(raw))
            else:
                spans.append(one)
    return {kid: tuple(sorted(spans)) for kid, spans in found.items()}


def batches_of(spans: Sequence[Span]) -> Iterator[bytes]:
    """Batches by chain and number; the same bytes once, however often they stand there.

    Spans are sorted, so that only those that overlap are read at one time; however many they are,
    one file is open.
    """
    open_spans: list[_Open] = []
    before: tuple[int, int] = (-1, -1)
    given: set[bytes] = set()
    waiting = iter(enumerate(spans))
    ahead = next(waiting, None)
    while open_spans or ahead is not None:
        while ahead is not None and (not open_spans or ahead[1][:2] <= open_spans[0][:2]):
            index, span = ahead
            _push(open_spans, span.chain, span.first, index, _read(span))
            ahead = next(waiting, None)
        if not open_spans:
            continue
        chain, number, index, raw, rest = heapq.heappop(open_spans)
        _push(open_spans, chain, number + 1, index, rest)
        if (chain, number) != before:
            before = chain, number
            given.clear()
        if chain < 0 or raw not in given:
            given.add(raw)
            yield raw


_Open = tuple[int, int, int, bytes, Iterator[bytes]]
"""Chain, number, rank of the span (so that nothing behind it is compared), batch, the rest."""


def _goes_on(span: Span, one: Span) -> bool:
    end = span.path, span.offset + span.length
    return one.chain >= 0 and (span.chain, span.last + 1, *end) == one[:4]


def _push(
    open_spans: list[_Open], chain: int, number: int, index: int, rest: Iterator[bytes]
) -> None:
    """The next batch of a span, if it has one."""
    raw = next(rest, None)
    if raw is not None:
        heapq.heappush(open_spans, (chain, number, index, raw, rest))


def _read(span: Span) -> Iterator[bytes]:
    at, end = span.offset, span.offset + span.length
    while at < end:
        length = end - at if span.chain < 0 else min(end - at, _BLOCK_LEN)
        block = block_of_file(Path(span.path), at, length)
        if not block:
            return
        batches = [block] if span.chain < 0 else _whole(block)
        yield from batches
        at += sum(map(len, batches))


def _whole(block: bytes) -> list[bytes]:
    """The batches of a block but for one that is cut; the block itself if it begins with none."""
    found, at = [], 0
    while (end := batch_end(block, at)) is not None and end <= len(block):
        found.append(block[at:end])
        at = end
    return found or [block]
