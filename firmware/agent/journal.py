"""The journal: readings until they are sealed, batches until they are acknowledged (and longer).

Two rings on one raw flash partition of 64 KiB to 8 MiB: `records` (readings, contexts, anchors,
events) and `batches`. What a call has returned from survives a power cut at any moment; what was
being written is whole or was never there. Space is reused oldest first, only when it is needed
and only if it is sealed (records) or acknowledged (batches). When there is none, policy `stop`
refuses and `drop_oldest` states the loss durably before it overwrites. It must never format.

The block device has sectors of 4096 bytes, MicroPython's protocol with offsets, and must have put
the bytes where a power cut (or kill -9, for a file) leaves them before `writeblocks` returns.
One writer, no threads. Erasing may take 400 ms: call `idle()` while the bus is quiet.
"""

from agent.constant import const
from agent.errors import JournalAckError, JournalFull
from agent.journal_batches import BatchWriter
from agent.journal_find import BatchReader
from agent.journal_flash import SECTOR, Flash
from agent.journal_lost import Lost
from agent.journal_record import ANCHOR, CONTEXT, EVENT, READING
from agent.journal_records import RecordRing
from agent.journal_ring import Ring
from agent.journal_state import State

__all__ = ("ANCHOR", "CONTEXT", "EVENT", "READING", "Journal", "Lost")

_RECORDS = const(1)
_BATCHES = const(2)


def record_sectors(sectors):
    """Sectors of the records ring in a partition of `sectors`: a 64th, 4 to 32."""
    return min(32, max(4, sectors // 64))


class Journal:
    """Call `mount()` first; `config` is the section `journal` (policy `drop_oldest` or `stop`)."""

    def __init__(self, device, config):
        self._flash = Flash(device)
        self._drop_oldest = config.get("policy", "drop_oldest") == "drop_oldest"
        self.recovery = None
        self._forget()

    def _forget(self):
        """As before `mount`: whatever is known is read from flash."""
        self._bad = set()
        split = record_sectors(self._flash.sectors)
        self._records = Ring(self._flash, _RECORDS, 0, split, self._bad)
        rest = self._flash.sectors - split
        self._batches = Ring(self._flash, _BATCHES, split, rest, self._bad)
        self._state = State()
        self._record_ring = RecordRing(self._records, self._state)
        self._reader = BatchReader(self._flash, self._batches, self._state)
        self._writer = BatchWriter(
            self._batches, self._state, self._reader, self._bad, self._drop_oldest
        )
        self._cursor = None  # (generation, number) from which a collector asked again

    def mount(self):
        """Find out what is there; writes nothing, never refuses a partition. A Recovery.

        Again after a write that failed: sectors that failed since the last state was written get
        another chance. Set the context anew then.
        """
        from agent.journal_recovery import recover  # only now: see forget

        if self.recovery:
            self._forget()
        self.recovery = recover(
            self._records, self._batches, self._record_ring, self._state, self._bad
        )
        self._writer.durable_tail = self._state.tail
        return self.recovery

    # -- records

    def set_context(self, context):
        """Packed context of the readings that follow; written before the next record."""
        self._record_ring.set_context(context)

    def append(self, kind, payload):
        """Append READING, ANCHOR or EVENT, durable on return; JournalFull under policy `stop`."""
        self._record_ring.append(kind, payload, self._give_up_records)

    def _give_up_records(self):
        """Free the oldest sector of unsealed records; the sealer sees the jump and states it."""
        if not self._drop_oldest:
            raise JournalFull(
                "journal-full",
                "expected sealed records to overwrite, found none and the policy is `stop`; seal",
            )
        state = self._state
        state.overwrote = True
        state.mark = (state.mark // SECTOR + 1) * SECTOR
        self._writer.save_state()

    def unsealed(self):
        """Yield (kind, payload) of what no durable batch covers, in order, CONTEXT first."""
        return self._record_ring.unsealed()

    def newest(self):
        """Yield (kind, payload) of the newest records, whether sealed or not."""
        from agent.journal_newest import newest  # only now: see forget

        return newest(self._records, self._record_ring)

    @property
    def overwrote_unsealed(self):
        """Whether the ring was full and what stood before the first unsealed record is gone."""
        return self._state.overwrote

    def mark(self):
        """Position behind the record that `unsealed()` yielded last; take it before going on."""
        return self._record_ring.yielded

    # -- batches

    def seal(self, number, chain16, hash32, batch_bytes, mark, last_sequence, first_sequence=None):
        """Make a batch durable and free the records before `mark`; torn, it never happened.

        `last_sequence` is that of its last reading (without one: the last before it, -1 for none);
        `first_sequence` defaults to the one behind the batch before. The batch is taken to state
        what `lost` gave when it was last read.
        """
        if first_sequence is None:
            first_sequence = min(self._state.end_sequence, last_sequence + 1)
        self._writer.seal(
            number, chain16, hash32, batch_bytes, mark, first_sequence, last_sequence + 1
        )

    def batches(self, from_number=None):
        """Yield (number, hash32, read) in order; read() gives the bytes of the batch.

        From the oldest that is not acknowledged, or from where a collector asked again; with
        `from_number`, from that batch of the present chain. What cannot be read goes to `lost`.
        """
        state = self._state
        tail = (state.tail_generation, state.tail_number)
        again = from_number is None and self._cursor is not None and self._cursor < tail
        start = self._cursor if again else tail
        if from_number is not None:
            start = (state.generation, from_number)
        for batch, read in self._reader.readable(start[0], start[1], again):
            yield batch.number, batch.hash, read

    def acknowledge(self, chain16, number, hash32):
        """The collector holds the chain up to `number`: True if that was news.

        Goes forward only, apart from what `resend_from` asked for. JournalAckError `ack-unknown`
        or `ack-hash`: it does not match what is held, and nothing has changed.
        """
        generation = self._reader.generation_of(chain16)
        found = self._reader.find(generation, number) if generation else None
        key = (generation, number)
        old = generation and key <= (self._state.acked_generation, self._state.acked_number)
        if found is None and not old:
            raise _ack_error("ack-unknown", number, "a batch that is held", "none of that number")
        if found and found[0].hash != bytes(hash32):
            raise _ack_error("ack-hash", number, "the hash of the batch", "another")
        resent = self._cursor is not None and key >= self._cursor
        if resent:
            self._cursor = None if not old else (generation, number + 1)
        if not old:
            self._writer.acknowledge(*found)
        return resent or not old

    @property
    def acknowledged(self):
        """Number of the present chain up to which it is acknowledged; 0 for none."""
        return self._state.acknowledged_here()

    def knows(self, chain16):
        """Whether this is the present chain, or an ended one of which something may wait."""
        return self._reader.generation_of(chain16) is not None

    def resend_from(self, number):
        """Offer the present chain again from `number`, as far as it is still there.

        What is not is stated in `lost` once `batches` has come past it.
        """
        self._cursor = (self._state.generation, number)

    def resent(self, number):
        """What was asked for again was sent up to `number`, acknowledged or not: go on behind it.

        False if nothing was asked for again, so that what was sent still waits.
        """
        tail = (self._state.tail_generation, self._state.tail_number)
        if self._cursor is None or self._cursor >= tail:
            return False
        self._cursor = (self._state.generation, number + 1)
        if self._cursor >= tail:
            self._cursor = None
        return True

    @property
    def lost(self):
        """Batches that cannot be delivered: Lost(first, last, reason, last_hash, sequences)."""
        return self._state.lost.ranges()

    # -- maintenance

    def idle(self):
        """One step of maintenance, at most one erase; True if something was done."""
        if self._records.erase_ahead(self._state.mark // SECTOR):
            return True
        return self._batches.erase_ahead(self._writer.durable_tail // SECTOR)

    @property
    def waiting(self):
        """Batches that are not acknowledged."""
        return self._reader.waiting()

    @property
    def fill_permille(self):
        """Share of the batches ring that holds what is not acknowledged."""
        used = max(self._batches.address() - self._state.tail, 0)
        return min(1000, used * 1000 // ((self._batches.usable() - 1) * SECTOR))

    @property
    def records_permille(self):
        """Share of the records ring that holds what is not sealed; seal early when it is high."""
        used = max(self._records.address() - self._state.mark, 0)
        return min(1000, used * 1000 // (self._records.usable() * SECTOR))

    def health(self):
        """Figures as a dict."""
        return {
            "fill_permille": self.fill_permille,
            "records_permille": self.records_permille,
            "waiting": self.waiting,
            "erased": self._flash.erased,
            "bad_sectors": sorted(self._bad),
            "damaged": self._batches.damaged + self._records.damaged,
            "read_errors": self._flash.read_errors,
        }


def _ack_error(code, number, expected, found):
    return JournalAckError(
        code,
        "batch %d: expected %s, found %s; nothing was freed" % (number, expected, found),
        number=number,
    )
