"""What is to be said about a batch at its place in a chain. Looks at the state, no more."""

from meterseal.models import Contents, Finding, SealedBatch
from meterseal.verify.chain import (
    AHEAD,
    BEFORE,
    FILL,
    FIRST,
    FORK,
    LOST_BATCHES,
    NEXT,
    OLD,
    REPLAY,
    ChainState,
    Gap,
    Stated,
)
from meterseal.verify.findings import ERROR, finding
from meterseal.verify.ranges import text_of

_TEXTS = {
    REPLAY: ("replay", "the same batch as before"),
    FORK: ("chain-fork", "another content for a number that was verified before"),
    BEFORE: ("chain-mismatch", "a number before the one that the chain began with"),
    OLD: ("replay-unverified", "a number verified too long ago to compare the content"),
}


def examine(state: ChainState, batch: SealedBatch, place: str) -> list[Finding]:
    """Findings `chain-...`, `previous-mismatch`, `sequence-...`, `replay...` of a batch."""
    contents = batch.contents
    if place == NEXT and not contents.lost:
        if contents.previous == state.last_hash and contents.first_sequence == state.next_sequence:
            return []
    elif place in _TEXTS:
        code, text = _TEXTS[place]
        return [finding(code, text, contents.number)]
    stated = state.stated
    if contents.lost:
        stated = stated.copy()
        stated.add(contents.lost)
    found = _late_statements(state, contents)
    if place == FIRST:
        return found + _first(contents, stated)
    if place == FILL:
        return found + _fill(state, batch)
    gap = state.gap_before(batch)
    return found + _link(gap, contents, stated, place == AHEAD) + missing(gap, stated)


def missing(gap: Gap, stated: Stated, final: bool = False) -> list[Finding]:
    """Whether what is missing was stated as lost; `final`: nothing more will come."""
    severity = ERROR if final else ""
    if numbers := stated.numbers.missing(gap.first, gap.last):
        text = f"batches {text_of(numbers)} are missing and not stated as lost"
        return [finding("chain-gap", text, gap.found_by, severity)]
    if sequences := stated.sequences.missing(gap.sequence_first, gap.sequence_last):
        text = f"readings {text_of(sequences)} are missing and not stated as lost"
        return [finding("sequence-gap", text, gap.found_by, severity)]
    if gap.first <= gap.last:
        text = f"batches {text_of([(gap.first, gap.last)])} are stated as lost"
        return [finding("chain-gap-stated", text, gap.found_by)]
    if gap.sequence_first <= gap.sequence_last:
        text = f"readings {text_of([(gap.sequence_first, gap.sequence_last)])} are stated as lost"
        return [finding("sequence-gap-stated", text, gap.found_by)]
    return []


def _late_statements(state: ChainState, contents: Contents) -> list[Finding]:
    """A batch may state a loss long after the gap: the hash must fit the batch behind the gap."""
    found = []
    for lost in contents.lost:
        for gap in state.gaps:
            ends_here = lost.kind == LOST_BATCHES and gap.first <= lost.last == gap.last
            if ends_here and lost.last_hash != gap.previous:
                found.append(_mismatch(gap.found_by))
    return found


def _first(contents: Contents, stated: Stated) -> list[Finding]:
    if contents.previous != stated.hashes.get(contents.number - 1, contents.previous):
        return [_mismatch(contents.number)]
    if contents.number > 1 and stated.numbers.missing(1, contents.number - 1):
        text = f"the chain is seen from number {contents.number} on, not from its beginning"
        return [finding("chain-start", text, contents.number)]
    return []


def _link(gap: Gap, contents: Contents, stated: Stated, ahead: bool) -> list[Finding]:
    found = []
    expected = stated.hashes.get(contents.number - 1) if ahead else gap.hash_before
    if expected is not None and contents.previous != expected:
        found.append(_mismatch(contents.number))
    if contents.first_sequence < gap.sequence_first:
        text = f"expected readings from {gap.sequence_first} on, found {contents.first_sequence}"
        found.append(finding("sequence-overlap", text, contents.number))
    return found


def _fill(state: ChainState, batch: SealedBatch) -> list[Finding]:
    contents = batch.contents
    gap = state.gap_with(contents.number)
    assert gap is not None  # `place` found it
    found = []
    for part in gap.without(batch):
        if part.first > part.last and part.hash_before != part.previous:
            found.append(_mismatch(contents.number))
        if part.sequence_first > part.sequence_last + 1:
            text = "readings that belong to another batch"
            found.append(finding("sequence-overlap", text, contents.number))
    return found


def _mismatch(number: int) -> Finding:
    text = "`previous` is not the hash of the batch before, nor of the last one stated as lost"
    return finding("previous-mismatch", text, number)
