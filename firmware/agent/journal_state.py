"""What the batches ring knows without reading batches, and its records on flash.

Pure. A STATE record holds all of it and begins every sector of the batches ring; BATCH and ACK
records behind it are replayed, so that the newest sector alone gives the whole state. A chain that
follows another gets a new generation, so that (generation, number) rises along the ring.
"""

import struct
from collections import namedtuple

from agent.constant import const
from agent.journal_flash import SECTOR
from agent.journal_lost import LostList

# Of one sealed batch. `chain`: b"" unless it begins a generation; `start`: address of its data;
# `length`, `crc`: of its bytes; `chain_at`, `hash_at`: what is not stored of them (journal_elide).
Batch = namedtuple(
    "Batch",
    "generation number hash first_sequence end_sequence mark start length crc chain_at hash_at"
    " chain",
)

MAX_BAD_KEPT = 32
_BATCH = const(">HI32sIHIHBHHIBB")
_ACK = const(">HIIHI")
BATCH_LEN = 6 + struct.calcsize(_BATCH) + 16  # bytes of a BATCH record at most
_STATE = const(">HI16s32sIIHHIHIIHII")


class State:
    """Head of the chain, acknowledgement, tail (oldest batch that must be kept), lost ranges."""

    def __init__(self):
        self.generation = 0
        self.number = 0
        self.chain = bytes(16)
        self.hash = bytes(32)
        self.end_sequence = 0  # first sequence number that no sealed batch covers
        self.mark = 0  # address in the records ring: what stands before it is sealed or given up
        self.acked_generation = 0
        self.acked_number = 0
        self.tail_generation = 0
        self.tail_number = 1  # number of the batch expected at the tail
        self.tail = 0  # address in the batches ring: what stands before it may be overwritten
        self.tail_sequence = 0
        self.overwrote = False  # what stood in front of the mark was overwritten unsealed
        self.lost = LostList()

    def pack(self, bad):
        """Payload of a STATE record; `bad` are the numbers of bad sectors, the first 32 kept."""
        kept = sorted(bad)[:MAX_BAD_KEPT]
        fixed = struct.pack(
            _STATE,
            self.generation,
            self.number,
            self.chain,
            self.hash,
            self.end_sequence,
            *divmod(self.mark, SECTOR),
            self.acked_generation,
            self.acked_number,
            self.tail_generation,
            self.tail_number,
            *divmod(self.tail, SECTOR),
            self.tail_sequence,
            self.overwrote,
        )
        listed = bytes((len(kept),)) + b"".join(struct.pack(">H", sector) for sector in kept)
        return fixed + self.lost.pack() + listed

    def unpack(self, payload):
        """Take over what `pack` wrote; the bad sectors."""
        size = struct.calcsize(_STATE)
        f = struct.unpack(_STATE, payload[:size])
        self.generation, self.number, self.chain, self.hash = f[0], f[1], bytes(f[2]), bytes(f[3])
        self.end_sequence = f[4]
        self.mark = f[5] * SECTOR + f[6]
        self.acked_generation, self.acked_number = f[7:9]
        self.tail_generation, self.tail_number = f[9:11]
        self.tail = f[11] * SECTOR + f[12]
        self.tail_sequence, self.overwrote = f[13], bool(f[14])
        offset = self.lost.unpack(payload, size)
        places = range(offset + 1, offset + 1 + 2 * payload[offset], 2)
        return [payload[at] << 8 | payload[at + 1] for at in places]

    def sealed(self, batch):
        """The head moves to a batch that became durable."""
        if batch.generation != self.generation:
            self.generation = batch.generation
            self.chain = batch.chain or bytes(16)
            self.lost.restart()
        self.number = batch.number
        self.hash = batch.hash
        self.end_sequence = batch.end_sequence
        if batch.mark > self.mark:
            self.mark = batch.mark
            self.overwrote = False

    def pack_ack(self):
        """Payload of an ACK record."""
        place = divmod(self.tail, SECTOR)
        return struct.pack(
            _ACK, self.acked_generation, self.acked_number, *place, self.tail_sequence
        )

    def unpack_ack(self, payload):
        """Replay an ACK record."""
        generation, number, epoch, offset, sequence = struct.unpack(_ACK, payload)
        self.acknowledged(generation, number, epoch * SECTOR + offset, sequence)

    def acknowledged(self, generation, number, tail, sequence):
        """Everything up to a batch is with the collector; `tail` is the address behind it."""
        self.acked_generation = generation
        self.acked_number = number
        if tail > self.tail:
            self.move_tail(generation, number + 1, tail, sequence)
        if generation == self.generation:
            self.lost.acknowledged(number)

    def acknowledged_here(self):
        """Number up to which the present chain is acknowledged; 0 for none of it."""
        return self.acked_number if self.acked_generation == self.generation else 0

    def move_tail(self, generation, number, tail, sequence):
        """What stands before `tail` may be overwritten; the next batch expected is `number`."""
        self.tail_generation = generation
        self.tail_number = number
        self.tail = tail
        self.tail_sequence = sequence


def pack_batch(batch, address):
    """Payload of the BATCH record at `address`, at most 255 sectors behind its data."""
    mark = divmod(batch.mark, SECTOR)
    start_epoch, start_offset = divmod(batch.start, SECTOR)
    fixed = struct.pack(
        _BATCH,
        batch.generation,
        batch.number,
        batch.hash,
        batch.end_sequence,
        batch.end_sequence - batch.first_sequence,
        *mark,
        address // SECTOR - start_epoch,
        start_offset,
        batch.length,
        batch.crc,
        batch.chain_at,
        batch.hash_at,
    )
    return fixed + batch.chain


def unpack_batch(payload, epoch):
    """The Batch of a BATCH record that stands in the sector of `epoch`."""
    size = struct.calcsize(_BATCH)
    f = struct.unpack(_BATCH, payload[:size])
    mark = f[5] * SECTOR + f[6]
    start = (epoch - f[7]) * SECTOR + f[8]
    head = (f[0], f[1], bytes(f[2]), f[3] - f[4], f[3], mark, start)
    return Batch(*head, *f[9:13], bytes(payload[size:]))


def unpack_state(payload, _epoch):
    """The State of a STATE record."""
    state = State()
    state.unpack(payload)
    return state
