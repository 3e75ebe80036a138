"""The newest records of the journal, sealed or not. Needed once, at the start: see forget."""

from agent.journal_record import CONTEXT


def newest(ring, records):
    """Yield (kind, payload) of the newest two sectors of the records ring, contexts included."""
    context = b""
    for epoch in range(max(ring.oldest, ring.head - 1), ring.head + 1):
        context, bind = records.context_at(epoch, context)
        yield CONTEXT, context or b""
        for _, kind, payload, _ in ring.walk(epoch, bind):
            if kind == CONTEXT:
                context = bytes(payload)
            yield kind, bytes(payload)
