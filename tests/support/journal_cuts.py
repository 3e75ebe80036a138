"""Power cuts at every flash operation of a scenario, and what must hold after each.

The flash calls `Cuts` before each operation; for every way in which that operation can end, the
image that the cut leaves is built and a new journal is mounted on it and checked against what was
promised. Then the station goes on, and (on request) the power is cut again at each operation of
that. The run itself is not disturbed, so that n cuts take n recoveries and not n runs.
"""

import hashlib

from agent.journal import CONTEXT, READING
from fakes.nor_faults import Random, torn_erase, torn_program
from fakes.nor_flash import SECTOR, NorFlash

from support.journal_world import World, reading

_ERASES = ("kept", "blank", "mixed", "done")


class Cuts:
    """Cuts at every `every`-th operation, eight times as often at and right after an erase.

    `second`: every so many cuts, the power is cut again at each operation after it.
    """

    def __init__(self, every=1, second=0, offset=0, prefixes=3):
        self.every = every
        self._after_erase = 99
        self._delicate = offset
        self.second = second
        self.operations = offset
        self.prefixes = prefixes
        self.cuts = 0
        self.second_cuts = 0
        self._random = Random(every * 7919 + offset + 1)

    def watch(self, world):
        """Check every operation of this world from now on."""
        self._world = world
        world.flash.before = self._before

    def _before(self, kind, sector, offset, data):
        self.operations += 1
        self._after_erase = 0 if kind == "erase" else self._after_erase + 1
        if self._after_erase < 3:
            self._delicate += 1
            if self._delicate % (self.every // 8 + 1):
                return
        elif self.operations % self.every:
            return
        world = self._world
        for end in self._ends(kind, len(data)):
            flash = _cut(world.flash, kind, sector, offset, data, end, self._random)
            self.cuts += 1
            place = f"{kind} of sector {sector} at {offset}, {len(data)} bytes"
            where = f"cut {self.operations}: {place}, ended as {end}; policy {world.policy}"
            self._check(flash, world, where)

    def _ends(self, kind, length):
        if kind == "erase":
            return _ERASES
        some = {0, length // 2, length - 1, length}
        while len(some) < min(self.prefixes + 2, length + 1):
            some.add(self._random.below(length + 1))
        return sorted(some)

    def _check(self, flash, world, where):
        try:
            after = recovered(flash, world)
            if self.second and self.cuts % self.second == 0:
                self._second_cuts(flash, world)
            go_on(after)
            recovered(after.flash.after_cut(), after)
        except Exception:
            print("FAILED after", where)
            raise

    def _second_cuts(self, flash, world):
        """The same recovery, cut at each of its operations and of the first new ones."""
        counter = recovered(flash.after_cut(), world)
        go_on(counter)
        for operation in range(counter.flash.count.operations):
            again = flash.after_cut()
            again.cut_at = operation
            again.cut_fraction = self._random.below(100) / 100
            again.erase_left = _ERASES[self._random.below(3)]
            second = recovered(again, world)
            try:
                go_on(second)
            except Exception as error:
                if not again.dead:
                    raise
                del error
            self.second_cuts += 1
            third = recovered(again.after_cut(), second)
            go_on(third)
            recovered(third.flash.after_cut(), third)


def _cut(flash, kind, sector, offset, data, end, random):
    """The flash as the cut leaves it."""
    image = bytearray(flash.image)
    unstable = set(flash.unstable)
    at = sector * SECTOR + offset
    old = bytes(image[at : at + (len(data) or SECTOR)])
    if kind == "program":
        image[at : at + len(data)] = torn_program(old, data, end, random)
    elif end == "done":
        image[at : at + SECTOR] = b"\xff" * SECTOR
        unstable.discard(sector)
    else:
        image[at : at + SECTOR] = torn_erase(old, end, random)
        unstable.add(sector)
    after = NorFlash(flash.sectors, image, random.below(1000) + 1, unstable)
    for name in ("refuse_program", "refuse_erase", "does_not_hold", "keeps_bits"):
        setattr(after, name, set(getattr(flash, name)))
    return after


def recovered(flash, before):
    """Mount on this flash, hold it against what `before` promised; the world after the cut."""
    after = World(flash, before.policy, before.promises.copy())
    promises = after.promises
    in_air, promises.in_air = promises.in_air, None
    head = after.recovery.head_number
    if in_air and in_air[0] == "seal" and head == in_air[1]:
        promises.sealed(*in_air[1:])
    if in_air and in_air[0] == "acknowledge" and after.recovery.acknowledged == in_air[1]:
        promises.acked = in_air[1]
    _expect(head == promises.head, "head", promises.head, head)
    if head:
        _expect(after.recovery.head_hash == promises.hashes[head], "hash of the head", "", "")
    _expect(after.recovery.acknowledged <= promises.acked, "acknowledged", promises.acked, "more")
    _expect(after.recovery.next_sequence == promises.end_sequence, "end of sequence", "", "")
    _check_batches(after)
    _check_records(after, in_air)
    return after


def _check_batches(world):
    promises = world.promises
    found = {}
    for number, batch_hash, read in world.journal.batches():
        _expect(batch_hash == promises.hashes[number], "hash", number, "another")
        found[number] = True
        _expect(hashlib.sha256(read()).digest() == batch_hash, "bytes of batch", number, "other")
    lost = world.journal.lost
    for number in range(promises.acked + 1, promises.head + 1):
        if number in found:
            continue
        stated = [x for x in lost if x.first <= number <= x.last]
        _expect(world.policy == "drop_oldest" and stated, "batch", number, "neither held nor lost")
        _expect(stated[0].reason == 1, "reason 1 for batch", number, stated[0])
    for entry in lost:
        _expect(entry.last_hash == promises.hashes[entry.last], "last_hash of", entry.last, entry)
        _expect(entry.last_sequence == promises.ends[entry.last] - 1, "sequence", entry, "")
        _expect(not [n for n in found if entry.first <= n <= entry.last], "not both", entry, found)


def _check_records(world, in_air):
    """Every journaled reading exactly once: sealed, or unsealed and in order."""
    promises = world.promises
    found = []
    kinds = []
    for kind, payload in world.journal.unsealed():
        kinds.append(kind)
        if kind == READING:
            found.append(int.from_bytes(payload[3:7], "big"))
            _expect(payload == reading(found[-1]), "reading", found[-1], payload)
    _expect(not kinds or kinds[0] == CONTEXT, "a context first", CONTEXT, kinds[:1])
    if in_air and in_air[0] == "append" and found and found[-1] == in_air[1]:
        promises.next_sequence = in_air[1] + 1
    expected = list(range(promises.end_sequence, promises.next_sequence))
    _expect(found == expected, "unsealed readings", expected, found)


def go_on(world):
    """What a station does after a restart: read, seal, have acknowledged, look after the flash."""
    world.set_context(b"context after the cut " * 5)
    world.append()
    world.seal(700)
    world.journal.idle()
    if world.promises.head:
        number = world.promises.head
        content = [x for x in world.journal.batches(number)]
        _expect(len(content) == 1 and content[0][0] == number, "newest batch", number, content)
        world.acknowledge(number)
    world.append()


def _expect(condition, what, expected, found):
    if not condition:
        raise AssertionError(f"{what}: expected {expected}, found {found}")
