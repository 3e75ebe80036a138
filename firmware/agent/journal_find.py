"""Reading the batches ring: find, check and offer sealed batches.

Nothing here writes to flash. Batches are found by one short header per sector (binary search) and
a walk inside the sector, so that no index has to be kept in RAM. A batch that should be there and
is not, or whose bytes fail their CRC, is noted in the state's `lost` and stepped over: it must
never block the ones behind it, and never be handed out.
"""

import struct
from binascii import crc32

from agent.errors import JournalError
from agent.journal_elide import checksum, cuts, restore, stored_len
from agent.journal_flash import SECTOR
from agent.journal_lost import REASON_GONE, REASON_UNREADABLE, Lost
from agent.journal_record import BATCH, DATA, DATA_OVERHEAD, HEADER, STATE
from agent.journal_state import unpack_batch, unpack_state


class BatchReader:
    """Finds batches in `ring`; `state` says which of them matter."""

    def __init__(self, flash, ring, state):
        self._flash = flash
        self._ring = ring
        self._state = state
        self._ended = []  # [(generation, chain id, last number)] of chains that ended and may wait
        self._ended_of = 0  # the generation behind them

    def headers(self, address):
        """Yield (Batch, address behind it, hash of the one before) of every batch from an address.

        The hash is that of the sealed batch in front of it, from its record or the sector's STATE.
        """
        ring = self._ring
        epoch = max(address // SECTOR, ring.oldest)
        last = (0, 0)
        before = b""
        while epoch <= ring.head:
            for offset, kind, payload, end in ring.walk(epoch):
                if kind == STATE:
                    before = unpack_state(payload, epoch).hash
                elif kind == BATCH:
                    batch = unpack_batch(payload, epoch)
                    key = (batch.generation, batch.number)
                    # Not a copy that a failed program left behind.
                    if key > last and epoch * SECTOR + offset >= address:
                        yield batch, epoch * SECTOR + end, before
                    last = max(last, key)
                    before = batch.hash
            epoch += 1

    def waiting(self):
        """How many batches are not acknowledged."""
        state = self._state
        count = 0
        for generation, _, last in self._ended_chains() + [(state.generation, b"", state.number)]:
            first = state.tail_number if generation == state.tail_generation else 1
            count += max(0, last + 1 - first)
        return count

    def find(self, generation, number):
        """(Batch, address behind it) of one batch, or None if it is not held."""
        key = (generation, number)
        for batch, end, _ in self.headers(self._near(generation, number) * SECTOR):
            if (batch.generation, batch.number) >= key:
                return (batch, end) if (batch.generation, batch.number) == key else None
        return None

    def generation_of(self, chain):
        """The generation of a chain id, or None if it has nothing that may wait."""
        if chain == self._state.chain:
            return self._state.generation
        for generation, ended, _ in self._ended_chains():
            if chain == ended:
                return generation
        return None

    def _chain_of(self, generation):
        if generation == self._state.generation:
            return self._state.chain
        for ended, chain, _ in self._ended_chains():
            if ended == generation:
                return chain
        return b""

    def _ended_chains(self):
        """Looked up once for each chain that ended before all of it was acknowledged."""
        state = self._state
        if self._ended_of != state.generation:
            ended = range(max(1, state.tail_generation), state.generation)
            self._ended = [self._end_of(generation) for generation in ended]
            self._ended_of = state.generation
        return [ended for ended in self._ended if ended[0] >= state.tail_generation]

    def _end_of(self, generation):
        """(generation, chain id, last number) of a chain, from where the next one begins."""
        chain, last = b"", 0
        epoch = self._near(generation + 1, 1)
        while epoch >= self._ring.oldest and not chain:  # the first may be damaged
            for known in self._known(epoch):
                if known.generation == generation:
                    last = max(last, known.number)
                    chain = known.chain or chain
            epoch -= 1
        return generation, chain, last

    def _known(self, epoch):
        """Every State and Batch of a sector and of what follows it in the next one."""
        for at in (epoch, epoch + 1) if epoch < self._ring.head else (epoch,):
            for _, kind, payload, _ in self._ring.walk(at):
                if kind in (STATE, BATCH):
                    yield (unpack_state if kind == STATE else unpack_batch)(payload, at)

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
        record = self._ring.load(epoch, HEADER)
        return unpack_state(record[1], epoch) if record and record[0] == STATE else None

    def readable(self, generation, number, again=False):
        """Yield (Batch, read) from a batch on; notes what should be there and cannot be read.

        `again`: a collector asks once more for what was acknowledged; that is missed then, too.
        """
        state = self._state
        key = (generation, number)
        wanted = key if again else max(key, (state.tail_generation, state.tail_number))
        near = self._near(generation, number)
        last = self._state_at(near)
        while last is None and near > self._ring.oldest:
            near -= 1
            last = self._state_at(near)
        newest = last
        if last and (last.generation, last.number) >= key:
            last = None  # what it speaks of was overwritten
        for batch, end, before in self.headers(near * SECTOR):
            if (batch.generation, batch.number) >= key:
                left = cuts(
                    batch.chain_at, batch.hash_at, self._chain_of(batch.generation), before
                )
                if self._is_intact(batch, end, left) or self._is_intact(batch, end, left):
                    # If one in front of it is missing, the CRC has proven `before` to be its hash.
                    proven = before if batch.hash_at else bytes(32)
                    self._note(wanted, last, batch, batch.number - 1, proven, batch.first_sequence)
                    yield batch, _bound(self._bytes_of, batch, end, left)
                else:
                    self._note(wanted, last, batch, batch.number, batch.hash, batch.end_sequence)
            newest = last = batch
        if newest:
            self._note(wanted, last, newest, state.number, state.hash, state.end_sequence)

    def _note(self, key, last, batch, number, last_hash, end_sequence):
        """Batches behind `last` up to `number` cannot be read: lost, if anybody wants them."""
        state = self._state
        first, sequence = state.tail_number, state.tail_sequence
        if state.generation != batch.generation or state.generation != state.tail_generation:
            return  # of an ended chain: the new chain cannot state it
        if key[0] == state.generation and key[1] != first:
            # Asked again from before the tail: nobody knows any more where those began.
            first, sequence = key[1], 1 if key[1] < first else end_sequence
        if last and last.generation == state.generation and last.number + 1 >= first:
            first, sequence = last.number + 1, last.end_sequence
        if first > number or state.lost.covers(first, number):
            return
        if not state.lost.has_room(state.acknowledged_here()):
            return
        sequences = (min(sequence, end_sequence), end_sequence - 1)
        reason = REASON_GONE if number < state.tail_number else REASON_UNREADABLE
        state.lost.add(Lost(first, number, reason, last_hash, *sequences))

    def _parts(self, batch, end):
        """Yield (sector, offset, length) of a batch's bytes; fewer than its length if damaged."""
        ring = self._ring
        epoch, offset = divmod(batch.start, SECTOR)
        left = stored_len(batch)
        while left > 0:
            record = ring.load(epoch, offset)
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

    def _is_intact(self, batch, end, left):
        crc = 0
        for sector, offset, length in self._parts(batch, end):
            crc = self._flash.crc32(sector, offset, offset + length, crc)
        return checksum(crc, left) == batch.crc

    def _bytes_of(self, batch, end, left):
        data = bytearray(batch.length)
        done = batch.length - stored_len(batch)
        view = memoryview(data)
        crc = 0
        for sector, offset, length in self._parts(batch, end):
            part = view[done : done + length]
            self._flash.read_into(sector, offset, part)
            crc = crc32(part, crc)
            done += length
        if done != batch.length or checksum(crc, left) != batch.crc:
            raise JournalError(
                "journal-unreadable",
                "expected batch %d as it was sealed, found it overwritten or damaged; go on with"
                " the next" % batch.number,
            )
        restore(data, left)
        return data


def _bound(function, batch, end, left):
    return lambda: function(batch, end, left)
