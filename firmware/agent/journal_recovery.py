"""What a boot learns from the journal: one short header per sector, then the newest sectors.

Nothing is written or erased here, so that a power cut during recovery changes nothing and a
brown-out loop wears nothing. What a cut left torn is covered only when the next record is
written. A partition that holds something else is reported as foreign and left as it is: it is
overwritten sector by sector, as space is needed, and never formatted.
"""

from collections import namedtuple

from agent.constant import const
from agent.journal_flash import SECTOR
from agent.journal_record import ACK, BATCH, HEADER, STATE
from agent.journal_state import unpack_batch

# `head_number` 0: no batch is known. `next_sequence`: the first that no sealed batch covers.
# `foreign`: the partition holds something that is no journal; `blank`: it holds nothing.
# `torn`: rings that end in a torn write; `damaged`: stretches skipped in the sectors read;
# `full_sector_reads`: sectors read beyond their header.
Recovery = namedtuple(
    "Recovery",
    "head_chain head_number head_hash acknowledged next_sequence foreign blank torn damaged"
    " bad_sectors full_sector_reads",
)

_STATES_TRIED = const(6)


def recover(records, batches, record_ring, state, bad):
    """Restore `state`, both rings and the bad sectors from flash; a Recovery. Writes nothing."""
    found = batches.scan(), records.scan()
    reads = torn = 0
    if found[0]:
        reads, torn = _restore_state(batches, state, bad)
    elif found[1]:
        state.mark = record_ring.mark_in_header()
    batches.forgive()
    records.forgive()
    if records.head * SECTOR + SECTOR > state.mark and found[1]:
        torn += record_ring.recover()
        reads += 1
    else:  # lost, or nothing yet: never before the mark, where it would count as sealed
        records.head = max(records.head, state.mark // SECTOR if state.mark else -1)
    other = batches.foreign + records.foreign
    return Recovery(
        state.chain if state.number else None,
        state.number,
        state.hash if state.number else None,
        state.acknowledged_here(),
        state.end_sequence,
        not found[0] and other > 0,
        not found[0] and not found[1] and other == 0,
        torn,
        batches.damaged + records.damaged,
        sorted(bad),
        reads,
    )


def _restore_state(ring, state, bad):
    """Replay from the newest sector whose first record holds; (sectors read, torn)."""
    first = ring.head
    while first > max(ring.oldest, ring.head - _STATES_TRIED) and not _begins_with_state(
        ring, first
    ):
        first -= 1
    end = HEADER
    for epoch in range(first, ring.head + 1):
        end = HEADER
        for _, kind, payload, after in ring.walk(epoch):
            end = after
            if kind == STATE:
                bad.update(state.unpack(payload))
            elif kind == BATCH:
                state.sealed(unpack_batch(payload, epoch))
            elif kind == ACK:
                state.unpack_ack(payload)
    return ring.head + 1 - first, ring.settle(end)


def _begins_with_state(ring, epoch):
    for offset, kind, _, _ in ring.walk(epoch):
        return offset == HEADER and kind == STATE
    return False
