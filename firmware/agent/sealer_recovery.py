"""What the sealer has to know once the journal is mounted: does the chain go on, and what waits?

Loaded then and forgotten, see forget. Raises the mark to what the journal holds and does nothing
else: no other decision of sealer_chain goes on from what the journal says.
"""

from agent import log
from agent.errors import ReadingError
from agent.journal_record import READING
from agent.keystore import REASON_FIRST, REASON_JOURNAL_LOST
from agent.reading import unpack
from agent.sealer_chain import ADOPT, CONTINUE, FIRST, decide


def reason_to_begin(keystore, recovery):
    """Why a new chain has to begin, or None if the present one goes on."""
    head = recovery.head_chain, recovery.head_number, recovery.head_hash
    decision = decide(keystore, *head)
    log.info("seal", decision, number=recovery.head_number)
    if decision == ADOPT:
        keystore.raise_mark(recovery.head_number, recovery.head_hash, recovery.next_sequence)
    if decision in (ADOPT, CONTINUE):
        return None
    return REASON_FIRST if decision == FIRST else REASON_JOURNAL_LOST


def counted(journal, mark):
    """(readings that wait, sequence number of the next one)."""
    last = mark.next_sequence - 1
    waiting = 0
    for kind, payload in journal.unsealed():
        if kind == READING:
            try:
                last = unpack(payload, 0, last).sequence
            except ReadingError:
                continue
            waiting += 1
    return waiting, last + 1
