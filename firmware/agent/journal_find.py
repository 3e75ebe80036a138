"""Reading the batches ring: find, check and offer sealed batches.

Nothing here writes to flash. Batches are found by one short header per sector (binary search) and
a walk inside the sector, so that no index has to be kept in RAM. A batch that should be there and
is not, or whose bytes fail their CRC, is noted in the state's `lost` and stepped over: it must
never block the ones behind it, and never be handed out.
"""

import struct
from binascii import crc32

from agent import cbor
from agent.errors import JournalError
from agent.journal_flash import SECTOR
from agent.journal_lost import REASON_UNREADABLE, Lost
from agent.journal_record import BATCH, DATA, DATA_OVERHEAD, HEADER, STATE, load
from agent.journal_state import State, unpack_batch


class BatchReader:
    """Finds batches in `ring`; `state` says which of them matter."""

    def __init__(self, flash, ring, state):
        self._flash = flash
        self._ring = ring
        self._state = state

    def headers(self, address):
        """Yield (Batch, address behind it) of every sealed batch from `address` on, in order."""
        ring = self._ring
        epoch, offset = divmod(address, SECTOR)
        if epoch < ring.oldest:
            epoch, offset = ring.oldest, 0
        last = (0, 0)
        while epoch <= ring.head:
            for _, kind, payload, end in ring.walk(epoch, max(offset, HEADER)):
                if kind != BATCH:
                    continue
                batch = unpack_batch(payload, epoch)
                if (batch.generation, batch.number) > last:  # not a copy left by a failed program
                    last = (batch.generation, batch.number)
                    yield batch, epoch * SECTOR + end
            epoch += 1
            offset = 0

    def waiting(self):
        """How many batches are not acknowledged."""
        state = self._state
        if state.generation == state.tail_generation:
            return state.number + 1 - state.tail_number
        return sum(1 for _ in self.headers(state.tail)) if state.generation else 0

    def find(self, generation, number):
        """(Batch, address behind it) of one batch, or None if it is not held."""
        for batch, end in self.headers(self._near(generation, number)):
            if (batch.generation, batch.number) >= (generation, number):
                found = (batch.generation, batch.number) == (generation, number)
                return (batch, end) if found else None
        return None

    def generation_of(self, chain):
        """The generation of a chain id, or None if nothing of it is held."""
        if chain == self._state.chain:
            return self._state.generation
        for batch, _ in self.headers(0):
            if batch.chain == chain:
                return batch.generation
        return None

    def _near(self, generation, number):
        """The last epoch whose header says that the batch comes later, or one before it."""
        low, high = self._ring.oldest, self._ring.head
        while low < high:
            middle = (low + high + 1) // 2
            known = middle
            before = self._sealed_before(known)
            while before is None and known < high:  # bad or damaged: ask the one behind it
                known += 1
                before = self._sealed_before(known)
            if before is not None and before < (generation, number):
                low = known
            else:
                high = middle - 1
        return low

    def _sealed_before(self, epoch):
        own = self._ring.own_bytes(epoch)
        return struct.unpack(">HI", own[:6]) if own else None

    def _state_at(self, epoch):
        """The state with which a sector begins, or None."""
        if epoch < 0:
            return None
        record = load(self._flash, self._ring.sector(epoch), epoch, HEADER)
        if not record or record[0] != STATE:
            return None
        then = State()
        then.unpack(record[1])
        return then

    def readable(self, generation, number):
        """Yield (Batch, read) from a batch on; notes what should be there and cannot be read."""
        state = self._state
        key = (generation, number)
        near = self._near(generation, number)
        last = self._state_at(near)
        for batch, end in self.headers(near * SECTOR):
            if (batch.generation, batch.number) >= key:
                self._note_gap(key, last, batch, end)
                if self._is_intact(batch, end) or self._is_intact(batch, end):  # a read may fail
                    yield batch, _bound(self._bytes_of, batch, end)
                else:
                    self._note(key, last, batch, batch.number, batch.hash, batch.end_sequence)
            last = batch
        if last:
            self._note(key, last, last, state.number, state.hash, state.end_sequence)

    def _note_gap(self, key, last, batch, end):
        """Numbers between two batches that follow each other: their records are unreadable."""
        if last and (last.generation, last.number) == (batch.generation, batch.number - 1):
            return
        then = self._state_at(end // SECTOR)
        known = then and (then.generation, then.number) == (batch.generation, batch.number - 1)
        before = then.hash if known else self._previous_hash(batch, end)
        self._note(key, last, batch, batch.number - 1, before, batch.first_sequence)

    def _previous_hash(self, batch, end):
        """`previous` of WIRE_FORMAT.md section 3 out of a batch; 32 zero bytes if it has none."""
        pattern = bytearray(b"\x02")  # key 2, number; key 3, a byte string of 32
        cbor.append(pattern, batch.number)
        pattern.extend(b"\x03\x58\x20")
        for sector, offset, length in self._parts(batch, end):
            head = bytes(self._flash.read(sector, offset, min(length, 160)))
            at = head.find(bytes(pattern)) + len(pattern)
            return head[at : at + 32] if len(pattern) <= at <= len(head) - 32 else bytes(32)
        return bytes(32)

    def _note(self, key, last, batch, number, last_hash, end_sequence):
        """Batches behind `last` up to `number` cannot be read; those behind the tail are lost."""
        state = self._state
        first, sequence = state.tail_number, state.tail_sequence
        if state.generation != batch.generation or state.generation != state.tail_generation:
            return  # of an ended chain: the new chain cannot state it
        if key[0] == state.generation and key[1] > first:
            first, sequence = key[1], end_sequence
        if last and last.generation == state.generation and last.number + 1 >= first:
            first, sequence = last.number + 1, last.end_sequence
        if first > number or state.lost.covers(first, number):
            return
        if not state.lost.has_room(state.acknowledged_here()):
            return
        sequences = (min(sequence, end_sequence), end_sequence - 1)
        state.lost.add(Lost(first, number, REASON_UNREADABLE, last_hash, *sequences))

    def _parts(self, batch, end):
        """Yield (sector, offset, length) of a batch's bytes; fewer than its length if damaged."""
        ring = self._ring
        epoch, offset = divmod(batch.start, SECTOR)
        left = batch.length
        while left > 0:
            record = load(self._flash, ring.sector(epoch), epoch, offset)
            if not record or record[0] != DATA:
                return
            length = record[2] - offset - DATA_OVERHEAD
            yield ring.sector(epoch), offset + DATA_OVERHEAD, length
            left -= length
            if left > 0:
                epoch, offset = self._continuation(epoch, end // SECTOR)
                if epoch is None:
                    return

    def _continuation(self, epoch, last):
        for following in range(epoch + 1, last + 1):
            for offset, kind, _, _ in self._ring.walk(following):
                if kind == DATA:
                    return following, offset
                if kind != STATE:
                    break
        return None, None

    def _is_intact(self, batch, end):
        crc = 0
        for sector, offset, length in self._parts(batch, end):
            crc = self._flash.crc32(sector, offset, offset + length, crc)
        return crc & 0xFFFFFFFF == batch.crc

    def _bytes_of(self, batch, end):
        data = bytearray(batch.length)
        done = 0
        for sector, offset, length in self._parts(batch, end):
            self._flash.read_into(sector, offset, memoryview(data)[done : done + length])
            done += length
        if crc32(data) & 0xFFFFFFFF != batch.crc:
            raise JournalError(
                "journal-unreadable",
                "expected batch %d as it was sealed, found it overwritten or damaged; go on with"
                " the next" % batch.number,
            )
        return data


def _bound(function, batch, end):
    return lambda: function(batch, end)
