"""Writing the batches ring: seal, acknowledge, and make room when there is none.

A batch is written as DATA records, as many as it needs over one or more sectors, and counts from
the moment the BATCH record behind them holds: torn, it is as if it had never been sealed. One
sector always stays free, so that an acknowledgement or a loss can be made durable (in the STATE
record of that sector) before anything is erased because of it. This module must never free what
is neither acknowledged nor stated as lost.
"""

import struct
from binascii import crc32

from agent.constant import const
from agent.errors import JournalError, JournalFull
from agent.journal_elide import checksum, cuts, left_out, places, stored
from agent.journal_flash import SECTOR
from agent.journal_lost import REASON_FULL, Lost
from agent.journal_record import (
    ACK,
    BATCH,
    DATA_OVERHEAD,
    HEADER,
    STATE,
    data_header,
    encoded_len,
)
from agent.journal_state import BATCH_LEN, Batch, pack_batch

MAX_BATCH_LEN = 65535
_MIN_PART = const(32)  # a smaller rest of a sector is not worth a DATA record


class BatchWriter:
    """Seals into `ring` and keeps `state`; `reader` finds what is there."""

    def __init__(self, ring, state, reader, bad, drop_oldest):
        self._ring = ring
        self._state = state
        self._reader = reader
        self._bad = bad
        self._drop_oldest = drop_oldest
        self.durable_tail = 0  # the tail that a power cut would leave

    def seal(self, number, chain, batch_hash, data, mark, first_sequence, end_sequence):
        """Make a batch durable; JournalFull under policy `stop`, then nothing has changed."""
        state = self._state
        generation = self._generation(number, chain)
        follows = generation == state.generation
        at = places(data, state.chain, state.hash) if follows else (0, 0)
        left = cuts(*at, state.chain, state.hash)
        self._check_space(len(data) - left_out(left))
        if not self._reader.waiting():
            state.move_tail(generation, number, state.tail, first_sequence)
        first = max(first_sequence, end_sequence - 0xFFFF)
        pieces = stored(data, left)
        crc = checksum(crc32(pieces[1], crc32(pieces[0])), left)
        head = (generation, number, batch_hash, first, end_sequence, mark)
        tail = (len(data), crc) + at + (b"" if follows else chain,)
        self._ring.cover_torn()
        while True:
            start = self._write_data(pieces)
            batch = Batch(*head, start, *tail)
            if start is not None and self._commit(batch):
                break
        state.sealed(batch)
        state.lost.sealed(number)
        if not follows:  # a second place from which the chain id is known
            self._ring.append(STATE, state.pack(self._bad))

    def _generation(self, number, chain):
        state = self._state
        if state.generation == 0 or chain != state.chain:
            return state.generation + 1
        if number <= state.number:
            raise JournalError(
                "journal-order",
                "expected a number above %d, found %d; start a new chain" % (state.number, number),
            )
        return state.generation

    def _write_data(self, pieces):
        """Program the DATA records; the address of the first, or None if one did not hold."""
        ring = self._ring
        start = None
        piece, rest = pieces
        left = len(piece) + len(rest)
        while left:
            if ring.room() < DATA_OVERHEAD + _MIN_PART:
                self.open_sector()
            if start is None:
                start = ring.address()
            length = min(left, ring.room() - DATA_OVERHEAD)
            left -= length
            held = ring.put(data_header(length))
            while held and length:
                part = piece[:length]
                held = not part or ring.put(part)
                length -= len(part)
                piece = piece[len(part) :]
                if not piece:
                    piece, rest = rest, b""
            if not held:
                return None
        return start

    def _commit(self, batch):
        """Program the BATCH record; False if the data are to be written again."""
        ring = self._ring
        if ring.room() < BATCH_LEN:
            self.open_sector()
        return ring.append(BATCH, pack_batch(batch, ring.address())) is not None

    def _check_space(self, length):
        """Refuse before anything is written what cannot be written to its end."""
        if not 0 < length <= MAX_BATCH_LEN:
            raise _too_large(length)
        ring = self._ring
        fresh = SECTOR - HEADER - encoded_len(STATE, len(self._state.pack(self._bad)))
        sectors = _sectors_needed(length, ring.room(), fresh)
        if sectors + 2 > ring.usable():
            raise _too_large(length)
        if sectors and not self._drop_oldest:
            epoch = ring.head
            for _ in range(sectors + 1):
                epoch = ring.following(epoch)
            if not self._is_free(epoch):
                raise _full()

    def _is_free(self, epoch):
        return epoch - self._ring.count < self._state.tail // SECTOR

    def open_sector(self):
        """Begin the next sector with the state and keep one free behind it, or JournalFull."""
        ring = self._ring
        while True:
            epoch = ring.following(ring.head)
            was_free = self._is_free(epoch)
            while not self._is_free(ring.following(epoch)):
                if not self._drop_oldest:
                    raise _full()
                self._drop_sector()
            if not was_free:  # the free sector failed: state the loss where there is still room
                ring.append(STATE, self._state.pack(self._bad))
            own = struct.pack(">HIH", self._state.generation, self._state.number, 0)
            if ring.start(epoch, own, STATE, self._state.pack(self._bad)):
                self.durable_tail = self._state.tail
                return

    def save_state(self):
        """Make the state durable now."""
        if self._ring.append(STATE, self._state.pack(self._bad)) is None:
            self.open_sector()
        self.durable_tail = self._state.tail

    def _drop_sector(self):
        """Give up the batches that begin in the oldest sector in use, and state them as lost."""
        state = self._state
        limit = (state.tail // SECTOR + 1) * SECTOR
        for batch, end, _ in self._reader.headers(state.tail):
            if batch.start >= limit:
                break
            self._give_up(batch)
            state.move_tail(batch.generation, batch.number + 1, end, batch.end_sequence)
        if state.tail < limit:
            expected = (state.tail_generation, state.tail_number)
            state.move_tail(*expected, limit, state.tail_sequence)

    def _give_up(self, batch):
        state = self._state
        if batch.generation != state.generation:
            return  # of an ended chain: the new chain's genesis has named its last head
        first, sequence = batch.number, batch.first_sequence
        if state.tail_generation == batch.generation and state.tail_number < first:
            first, sequence = state.tail_number, state.tail_sequence
        last_sequence = batch.end_sequence - 1
        state.lost.add(Lost(first, batch.number, REASON_FULL, batch.hash, sequence, last_sequence))

    def acknowledge(self, batch, end):
        """Everything up to `batch`, which ends at address `end`, is with the collector."""
        state = self._state
        state.acknowledged(batch.generation, batch.number, end, batch.end_sequence)
        if state.tail_generation != state.generation:
            self._enter_generation()
        # No room: the next sector's STATE says it. Lost in a power cut, it costs sending twice.
        if self._ring.append(ACK, state.pack_ack()) is not None:
            self.durable_tail = state.tail

    def _enter_generation(self):
        """The tail has reached the end of a chain: expect the first batch of the next."""
        state = self._state
        for batch, _, _ in self._reader.headers(state.tail):
            if batch.generation > state.tail_generation:
                place = (state.tail, state.tail_sequence)
                state.move_tail(batch.generation, batch.number, *place)
            return


def _sectors_needed(length, room, fresh):
    """Sectors to open for a batch of `length` bytes, with `room` left and `fresh` in a new one."""
    sectors = 0
    while length > 0:
        if room < DATA_OVERHEAD + _MIN_PART:
            room = fresh
            sectors += 1
        part = min(length, room - DATA_OVERHEAD)
        length -= part
        room -= part + DATA_OVERHEAD
    return sectors + (room < BATCH_LEN)


def _full():
    return JournalFull(
        "journal-full",
        "expected space that is acknowledged, found none and the policy is `stop`; upload, or"
        " configure `drop_oldest`",
    )


def _too_large(length):
    return JournalError(
        "journal-too-large",
        "expected a batch of 1 to %d bytes that fits the ring, found %d; seal fewer readings"
        % (MAX_BATCH_LEN, length),
    )
