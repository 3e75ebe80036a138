"""State of one chain: what came, what is missing, what was stated as lost (WIRE_FORMAT 3 and 7).

Batches may come in any order once their chain has begun: a later one opens a gap, the missing ones
fill it. Only `accept` changes the state, and only for what the policy let pass.
"""

from dataclasses import dataclass, field
from typing import Final

from meterseal.models import Lost, SealedBatch
from meterseal.verify.ranges import Ranges

LOST_BATCHES: Final = 0

FIRST, NEXT, AHEAD, FILL = "first", "next", "ahead", "fill"
REPLAY, FORK, BEFORE, OLD = "replay", "fork", "before", "old"
"""Where a batch belongs. The last three belong nowhere: another content for a known number, a
number before the chain's first one, a number too old to compare."""
IN_ORDER: Final = frozenset((FIRST, NEXT, AHEAD))
NOWHERE: Final = frozenset((FORK, BEFORE, OLD))

# So much of each hash is kept, of so many batches, to tell a repeated batch from a forked one.
KEPT_HASH_LEN: Final = 16
HISTORY: Final = 1024


@dataclass(slots=True)
class Gap:
    """Batches `first` to `last` did not come (none, if `last` is below `first`: then readings).

    `hash_before` is the hash of batch `first` - 1 and `previous` what batch `last` + 1 names;
    sequence numbers `sequence_first` to `sequence_last` belong to what is missing.
    """

    first: int
    last: int
    hash_before: bytes
    previous: bytes
    sequence_first: int
    sequence_last: int
    found_by: int

    def __bool__(self) -> bool:
        return self.first <= self.last or self.sequence_first <= self.sequence_last

    def without(self, batch: SealedBatch) -> tuple["Gap", "Gap"]:
        """What is left on both sides of a batch that fills a part of it."""
        contents = batch.contents
        number, sequence = contents.number, contents.first_sequence
        left = Gap(
            self.first,
            number - 1,
            self.hash_before,
            contents.previous or b"",
            self.sequence_first,
            sequence - 1,
            number,
        )
        right = Gap(
            number + 1,
            self.last,
            batch.hash,
            self.previous,
            contents.next_sequence,
            self.sequence_last,
            self.found_by,
        )
        return left, right


@dataclass(slots=True)
class Stated:
    """What a chain states as lost."""

    numbers: Ranges = field(default_factory=Ranges)
    sequences: Ranges = field(default_factory=Ranges)
    hashes: dict[int, bytes] = field(default_factory=dict)
    """Batch hash of the last batch of each range, by its number."""

    def add(self, losses: tuple[Lost, ...]) -> None:
        """Add what a batch states; most of it is a repetition."""
        for lost in losses:
            self.sequences.add(lost.first_sequence, lost.last_sequence)
            if lost.kind == LOST_BATCHES:
                self.numbers.add(lost.first, lost.last)
                self.hashes[lost.last] = lost.last_hash

    def copy(self) -> "Stated":
        """A copy that can be added to."""
        return Stated(Ranges(self.numbers), Ranges(self.sequences), dict(self.hashes))


@dataclass(slots=True)
class ChainState:
    """All that is remembered of a chain: as large as its gaps, not as its length."""

    kid: bytes
    chain: bytes
    first_number: int = 0
    last_number: int = 0
    last_hash: bytes = b""
    next_sequence: int = 0
    batches: int = 0
    readings: int = 0
    gaps: list[Gap] = field(default_factory=list)
    stated: Stated = field(default_factory=Stated)
    history: dict[int, bytes] = field(default_factory=dict)
    history_len: int = HISTORY

    def place(self, batch: SealedBatch) -> str:
        """Where a batch belongs in this chain."""
        number = batch.contents.number
        if not self.batches:
            return FIRST
        if number > self.last_number:
            return NEXT if number == self.last_number + 1 else AHEAD
        known = self.history.get(number)
        if known is not None:
            return REPLAY if known == batch.hash[:KEPT_HASH_LEN] else FORK
        if self.gap_with(number) is not None:
            return FILL
        return BEFORE if number < self.first_number else OLD

    def gap_with(self, number: int) -> Gap | None:
        """The gap in which a number is missing."""
        return next((gap for gap in self.gaps if gap.first <= number <= gap.last), None)

    def gap_before(self, batch: SealedBatch) -> Gap:
        """What is missing between the newest batch and one behind it."""
        contents = batch.contents
        return Gap(
            self.last_number + 1,
            contents.number - 1,
            self.last_hash,
            contents.previous or b"",
            self.next_sequence,
            contents.first_sequence - 1,
            contents.number,
        )

    def accept(self, batch: SealedBatch, place: str) -> None:
        """Take a batch into the chain. What belongs nowhere, or came before, changes nothing."""
        if place == REPLAY or place in NOWHERE:
            return
        contents = batch.contents
        if contents.lost:
            self.stated.add(contents.lost)
        if place == FILL:
            self._fill(batch)
        else:
            self._advance(batch, place)
        self.batches += 1
        self.readings += contents.count
        self.history[contents.number] = batch.hash[:KEPT_HASH_LEN]
        if len(self.history) > self.history_len:
            del self.history[next(iter(self.history))]

    def _advance(self, batch: SealedBatch, place: str) -> None:
        contents = batch.contents
        if place == FIRST:
            self.first_number = contents.number
        elif place == AHEAD or contents.first_sequence > self.next_sequence:
            self.gaps.append(self.gap_before(batch))
        self.last_number = contents.number
        self.last_hash = batch.hash
        self.next_sequence = contents.next_sequence

    def _fill(self, batch: SealedBatch) -> None:
        gap = self.gap_with(batch.contents.number)
        assert gap is not None  # `place` found it
        index = self.gaps.index(gap)
        self.gaps[index : index + 1] = [part for part in gap.without(batch) if part]
