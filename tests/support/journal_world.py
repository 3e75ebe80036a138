"""A station's use of the journal, and what the journal has promised so far.

`World` drives a journal through a scenario on a NorFlash: readings, batches, acknowledgements,
idle steps, restarts. `Promises` is the model: what a call returned from must be found after any
cut, what was in the air may be whole or absent. Runs on CPython and MicroPython.
"""

import hashlib
from collections import namedtuple

from agent import cbor
from agent.errors import JournalFull
from agent.journal import READING, Journal
from fakes.nor_faults import Random
from fakes.nor_flash import NorFlash

CHAIN = b"chain-of-16bytes"

# `sizes`: lengths of batches in turn; `ack_every`: 0 never; `full_ends_outage`: acknowledgements
# come only when the journal refuses a reading, for a while; `restart_every`: in batches.
Scenario = namedtuple(
    "Scenario",
    "name policy sectors batches readings sizes ack_every full_ends_outage restart_every seed",
)


def reading(sequence):
    """Payload of a reading of four float registers."""
    fixed = bytes((0,)) + (sequence & 0xFFFF).to_bytes(2, "big") + sequence.to_bytes(4, "big")
    return fixed + hashlib.sha256(fixed).digest()[:16]


def batch_bytes(number, attempt, previous, length):
    """A batch as far as the journal looks into it; another attempt has other content."""
    seed = hashlib.sha256(b"%d %d" % (number, attempt)).digest()
    head = b"payload head\x02" + cbor.encode(number) + b"\x03\x58\x20" + previous
    return (head + seed * (length // 32 + 1))[:length]


class Promises:
    """What the journal has promised, and what was in the air when the power went."""

    def __init__(self):
        self.hashes = {}  # number -> hash of a batch that was durable once
        self.ends = {}  # number -> sequence number behind its last reading
        self.head = 0
        self.acked = 0
        self.end_sequence = 0  # behind the last sealed reading
        self.next_sequence = 0
        self.context = b""
        self.in_air = None  # ("append", sequence), ("seal", ...), ("acknowledge", number)
        self.attempts = 0

    def copy(self):
        """An independent copy."""
        other = Promises()
        other.hashes = dict(self.hashes)
        other.ends = dict(self.ends)
        for name in ("head", "acked", "end_sequence", "next_sequence", "context", "in_air"):
            setattr(other, name, getattr(self, name))
        other.attempts = self.attempts
        return other

    def sealed(self, number, batch_hash, end):
        """A batch became durable: no other content may ever stand under its number."""
        if self.hashes.get(number, batch_hash) != batch_hash:
            raise AssertionError(f"fork: batch {number} with two contents")
        self.hashes[number] = batch_hash
        self.ends[number] = end
        self.head = number
        self.end_sequence = end


class World:
    """One station on one flash."""

    def __init__(self, flash, policy, promises=None):
        self.flash = flash
        self.policy = policy
        self.promises = promises or Promises()
        self.mount()

    def mount(self):
        """Restart: everything in RAM is gone."""
        self.journal = Journal(self.flash, {"policy": self.policy})
        self.recovery = self.journal.mount()

    def append(self):
        """Journal the next reading; False if the journal is full."""
        promises = self.promises
        promises.in_air = ("append", promises.next_sequence)
        try:
            self.journal.append(READING, reading(promises.next_sequence))
        except JournalFull:
            promises.in_air = None
            return False
        promises.next_sequence += 1
        promises.in_air = None
        return True

    def seal(self, length):
        """Seal everything unsealed as the next batch; False if the journal is full."""
        promises = self.promises
        end = promises.end_sequence
        for kind, payload in self.journal.unsealed():
            if kind == READING:
                end = int.from_bytes(payload[3:7], "big") + 1
        number = promises.head + 1
        promises.attempts += 1
        previous = promises.hashes.get(promises.head, bytes(32))
        data = batch_bytes(number, promises.attempts, previous, length)
        batch_hash = hashlib.sha256(data).digest()
        promises.in_air = ("seal", number, batch_hash, end)
        self.journal.lost  # noqa: B018 (what the batch states; the journal notes that it was read)
        try:
            self.journal.seal(number, CHAIN, batch_hash, data, self.journal.mark(), end - 1)
        except JournalFull:
            promises.in_air = None
            return False
        promises.sealed(number, batch_hash, end)
        promises.in_air = None
        return True

    def acknowledge(self, number):
        """The collector confirms up to `number`."""
        promises = self.promises
        promises.in_air = ("acknowledge", number)
        self.journal.acknowledge(CHAIN, number, promises.hashes[number])
        promises.acked = max(promises.acked, number)
        promises.in_air = None

    def set_context(self, context):
        """Another context from the next record on."""
        self.journal.set_context(context)
        self.promises.context = context


def run(scenario, watch):
    """Play a scenario; `watch(world)` is called once before the first operation. The world."""
    random = Random(scenario.seed)
    world = World(NorFlash(scenario.sectors, None, scenario.seed), scenario.policy)
    watch(world)
    outage = scenario.full_ends_outage
    for step in range(scenario.batches):
        if step % 9 == 0:
            world.set_context(b"context %d " % step * 11)
        refused = False
        for _ in range(scenario.readings):
            refused = not world.append() or refused
            world.journal.idle()
        world.seal(scenario.sizes[step % len(scenario.sizes)])
        world.journal.idle()
        if scenario.full_ends_outage:
            outage = not refused if outage else random.below(8) == 0
        if scenario.ack_every and step % scenario.ack_every == 0 and not outage:
            world.acknowledge(max(1, world.promises.head - random.below(2)))
        if scenario.restart_every and step % scenario.restart_every == 3:
            world.mount()
    return world


# Each fills both rings of a 64 KiB partition at least twice.
SCENARIOS = (
    Scenario("acknowledged", "stop", 16, 110, 12, (830, 960, 700), 2, False, 13, 1),
    Scenario("never-acknowledged", "drop_oldest", 16, 110, 12, (830, 960, 700), 0, False, 13, 2),
    Scenario("long-batches", "drop_oldest", 16, 40, 40, (5000, 12288, 300), 5, False, 7, 3),
    Scenario("outages", "stop", 16, 75, 40, (2500, 700), 1, True, 11, 4),
)
