"""Sealer: turns unsealed journal records into one signed batch at a time.

Order of the durable steps, and what a power cut behind each leaves:

1. a new chain is begun in the keystore (id and origin), only before batch 1. Cut: the next start
   goes on with the same chain, number 0, and writes the same origin into its genesis.
2. a jump of the sequence is noted in the store. Cut: the next attempt finds the same jump again.
3. `journal.seal` makes the batch durable and frees its records. A cut before it is complete: as if
   it never happened; the number is free, because nothing of that batch could have left the device.
4. the keystore's mark is raised. Cut before: the journal is ahead of the mark by one, same chain;
   `recover` adopts it before the uplink may start.

The uplink may offer a batch only when `may_send` says so: never one above the mark. So two batches
with one number and different content cannot both have left, and a journal that was wiped,
exchanged or put back to an older state is behind the mark and starts a new chain. If step 3 fails
with anything but `journal-full`, nobody knows what the flash holds: no batch is sealed until
`recover`. Never awaits, so that nothing runs between the steps, and never signs anything but what
it built itself.
"""

import gc
from collections import namedtuple

from agent import forget, log
from agent.constant import const
from agent.errors import JournalFull, SealError, SignerError
from agent.keystore import REASON_OPERATOR
from agent.sealer_lost import REASON_FULL, REASON_UNREADABLE
from agent.signer import CONTENT_BATCH

# `totals`: profile id -> ((function, address), ...) of its energy registers, for lost ranges.
Settings = namedtuple("Settings", "interval_ms max_readings max_len totals")
DEFAULTS = Settings(3600000, 60, 12288, {})

_MOST_READINGS = const(1024)  # WIRE_FORMAT.md section 3
_FIXED_LEN = const(1024)  # envelope, chain fields, health
_RETRY_MS = const(10000)  # after the journal was full, or the key did not sign
_MOST_HALVINGS = const(6)
_CROWDED_PERMILLE = const(700)  # of the ring of unsealed records: seal before the interval is over


class Sealer:
    """One for the station; call `recover` after every mount of the journal, before anything else.

    `random(n)` gives n bytes for chain ids; `others()` gives wire fields that others know: health
    (16) and keys 18 and above.
    """

    def __init__(self, parts, identity, random, others, settings=DEFAULTS):
        self._journal, self._keystore, self._signer, self._clock, self._lost = parts
        self._identity = identity
        self._random = random
        self._others = others
        self._settings = settings
        self._begin_reason = None
        self._unraised = None
        self._ready = False
        self._edges = []
        self._waiting = 0
        self._crowded = False
        self._halvings = 0  # of what a batch may hold, for want of memory
        self._refused_until_ms = 0
        self._deadline_ms = self._clock.mono_ms() + settings.interval_ms
        self.next_sequence = 0  # of the next reading, once `recover` has looked

    # -- start

    def recover(self, recovery):
        """Compare the journal's head with the mark and count what waits; see sealer_recovery."""
        from agent.sealer_recovery import counted, reason_to_begin  # only now: see forget

        self._begin_reason = reason_to_begin(self._keystore, recovery)
        self._unraised = None
        self._waiting, self.next_sequence = counted(self._journal, self._keystore.mark)
        self._ready = True
        del counted, reason_to_begin
        forget.scarce("sealer_recovery", "sealer_chain")

    def restart_chain(self, reason=REASON_OPERATOR):
        """Begin a new chain, durably; its first batch will name the last one of the old chain."""
        self._keystore.begin_chain(bytes(self._random(16)), reason)
        self._lost.restate()
        self._begin_reason = None

    # -- while running

    @property
    def number(self):
        """Number of the newest batch of the chain; 0 for none."""
        return self._keystore.mark.number

    @property
    def chain_16(self):
        """Id of the present chain."""
        return self._keystore.chain_16

    def noted(self):
        """A reading was journaled."""
        self._waiting += 1
        self._crowded = self._journal.records_permille >= _CROWDED_PERMILLE

    def due(self):
        """Whether to call `seal_once` now (again): a full batch, little room, or the interval."""
        if self._clock.mono_ms() < self._refused_until_ms:
            return False
        if self._unraised or self._crowded or self._waiting >= self._settings.max_readings:
            return True
        return self._clock.mono_ms() >= self._deadline_ms

    @property
    def crowded(self):
        """Whether little room is left for readings."""
        return self._crowded

    @property
    def ready(self):
        """Whether it is known what the flash holds; if not, mount and `recover`."""
        return self._ready

    def may_send(self, hash_32):
        """Whether this batch of the journal may leave: not before the mark covers it."""
        held = self._unraised[1] if self._unraised else None
        return self._ready and bytes(hash_32) != held

    def seal_once(self):
        """Seal one batch and return (number, batch hash), or None if nothing waits."""
        if not self._ready:
            raise SealError(
                "seal-not-recovered",
                "expected `recover` after the journal was mounted; restart, nothing is lost",
            )
        self._raise_mark()
        try:
            sealed = self._gather_and_seal()
        except MemoryError as error:
            if not self._ready or self._halvings >= _MOST_HALVINGS:
                raise
            self._halvings += 1
            self._deadline_ms = self._clock.mono_ms()  # still due
            forget.sealing()
            log.warn("seal", "memory", halvings=self._halvings, text=str(error))
            return None
        self._halvings = max(0, self._halvings - 1)
        return sealed

    def _gather_and_seal(self):
        gc.collect()
        gathered = self._gathered()
        if gathered is None:
            return None
        forget.scarce("sealer_gather", "sealer_payload")
        payload, facts = self._encoded(*gathered)
        del gathered
        forget.sealing()
        content, hash_32 = self._signed(payload)
        number = self._keystore.mark.number + 1
        self._commit(number, hash_32, content, *facts)
        return number, hash_32

    def _gathered(self):
        """(fields, contexts, rows, mark) of the next batch, or None if nothing waits."""
        from agent.sealer_gather import gather  # only now: see forget

        gathered = gather(
            self._journal,
            self._keystore.mark.next_sequence - 1,
            max(1, min(self._settings.max_readings, _MOST_READINGS) >> self._halvings),
            (self._settings.max_len - _FIXED_LEN) >> self._halvings,
        )
        self._schedule(gathered)
        if not gathered.records:
            return None
        return self._fields(gathered), gathered.contexts, gathered.rows, gathered.mark

    def _schedule(self, gathered):
        if gathered.malformed:
            log.warn("seal", "malformed", records=gathered.malformed)
        self._crowded = False
        now = self._clock.mono_ms()
        if gathered.complete or now < self._deadline_ms:
            self._deadline_ms = now + self._settings.interval_ms

    def _fields(self, gathered):
        from agent.sealer_payload import lost_batches, payload_fields

        if self._begin_reason is not None:
            self.restart_chain(self._begin_reason)
        self._lost.acknowledged(self._journal.acknowledged)
        self._state_jump(gathered)
        station = self._keystore, self._clock, self._identity, self._signer.key_class
        lost = lost_batches(self._journal.lost) + self._lost.wire()
        return payload_fields(*station, gathered, lost, self._others())

    def _encoded(self, fields, contexts, rows, mark):
        """The payload, and what is to be known of it behind: see `_commit`."""
        from agent.batch import encode_payload

        payload = encode_payload(fields, contexts, rows)
        count = len(rows)
        if not count:
            return payload, (mark, self._keystore.mark.next_sequence, 0, self._edges)
        newest = (rows[i] for i in range(count - 1, -1, -1))
        return payload, (mark, rows.first_sequence, count, self._edges_in(contexts, newest))

    def _edges_in(self, contexts, rows):
        from agent.sealer_edges import edges

        return edges(contexts, rows, self._settings.totals)

    def _signed(self, payload):
        try:
            return self._signer.sign1(CONTENT_BATCH, payload)
        except SignerError:
            self._refused_until_ms = self._clock.mono_ms() + _RETRY_MS
            raise

    def _state_jump(self, gathered):
        """State readings as lost whose numbers were given out but which no batch will hold."""
        mark, rows = self._keystore.mark, gathered.rows
        self._lost.retract(mark.next_sequence)
        if not len(rows) or rows.first_sequence == mark.next_sequence:
            return
        gone = mark.next_sequence, rows.first_sequence - 1
        reason = REASON_FULL if self._journal.overwrote_unsealed else REASON_UNREADABLE
        beside = self._edges, self._edges_in(gathered.contexts, rows)
        self._lost.add(*gone, reason, mark.number + 1, *beside)

    def _commit(self, number, hash_32, content, mark, first, count, newest_edges):
        """Make durable a batch of `count` readings from `first` on; `mark`: see Journal.mark."""
        next_sequence = first + count
        self._ready = False  # until it is known what the flash holds
        try:
            chain_16 = self._keystore.chain_16
            self._journal.seal(number, chain_16, hash_32, content, mark, next_sequence - 1, first)
        except JournalFull:
            self._ready = True  # a clean refusal; signing in a loop would starve everything else
            self._refused_until_ms = self._clock.mono_ms() + _RETRY_MS
            raise
        self._ready = True
        self._unraised = (number, hash_32, next_sequence)
        self._waiting = max(0, self._waiting - count)
        self._edges = newest_edges
        self._raise_mark()

    def _raise_mark(self):
        if self._unraised:
            self._keystore.raise_mark(*self._unraised)
            self._unraised = None
