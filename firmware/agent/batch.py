"""Payload of a batch (WIRE_FORMAT.md section 3): one deterministic CBOR map, written in one pass.

Pure: the caller says what the batch states, this module says how it is written. It never signs,
never reads a clock or the journal, and never writes floats. Readings come with their contexts
and are grouped by boot and meter epoch.
"""

from agent import cbor
from agent.batch_groups import append_groups, group_rows
from agent.constant import const
from agent.errors import BatchError

FORMAT_VERSION = 1
MAX_READINGS = 1024
MAX_BATCH_LEN = 65535
_ENVELOPE_LEN = const(90)  # tag, array, protected header, empty map, heads and signature
_MAX_METERS = const(32)

CHAIN = 1
NUMBER = 2
PREVIOUS = 3
BOOT = 4
SEALED_MONO_MS = 5
FIRST_SEQUENCE = 6
COUNT = 7
ANCHORS = 8
FIRMWARE = 9
CONFIG_HASH = 10
KEY_CLASS = 11
METERS = 12
GROUPS = 13
EVENTS = 14
LOST = 15
HEALTH = 16
GENESIS = 17
OCMF = 18
_IF_ANY = (ANCHORS, EVENTS, LOST)
_ALWAYS = (CHAIN, NUMBER, BOOT, SEALED_MONO_MS, FIRMWARE, CONFIG_HASH, KEY_CLASS, HEALTH)


class MeterTable:
    """Meter epochs of a batch in the order of the contexts, no two alike (section 4.1)."""

    def __init__(self):
        self.epochs = []

    def add(self, context):
        """Table index of each meter of a context."""
        return [self._index(meter) for meter in context.meters]

    def would_hold(self, context):
        """Whether the table has room for the meters of this context."""
        new = [meter for meter in context.meters if _epoch(meter) not in self.epochs]
        return len(self.epochs) + len(new) <= _MAX_METERS

    def _index(self, meter):
        epoch = _epoch(meter)
        if epoch not in self.epochs:
            if len(self.epochs) == _MAX_METERS:
                raise BatchError(
                    "batch-meters", "expected at most %d meter epochs; seal earlier" % _MAX_METERS
                )
            self.epochs.append(epoch)
        return self.epochs.index(epoch)


def _epoch(meter):
    """`meter` of section 4.1: what makes two meters of two contexts the same epoch."""
    return (meter.profile, meter.profile_hash, meter.unit, meter.identity, meter.setup)


def _check_chain(fields):
    """The conditional fields of section 3: what no decoder takes is never signed."""
    missing = [key for key in _ALWAYS if key not in fields]
    if missing:
        raise BatchError("batch-field", "expected the keys %r of section 3, not found" % missing)
    first = fields[NUMBER] == 1
    if fields[NUMBER] < 1 or (PREVIOUS in fields) == first or (GENESIS in fields) != first:
        raise BatchError(
            "batch-chain",
            "expected `genesis` in batch 1, `previous` in later ones; found number %d, keys %r"
            % (fields[NUMBER], sorted(fields)),
        )


def _check_sequence(rows):
    if len(rows) > MAX_READINGS:
        raise BatchError(
            "batch-count", "expected at most %d readings, found %d" % (MAX_READINGS, len(rows))
        )
    expected = None
    for _, reading in rows:
        if reading.sequence != expected and expected is not None:
            raise BatchError(
                "batch-sequence",
                "expected reading %d, found %d; seal before a gap" % (expected, reading.sequence),
            )
        expected = reading.sequence + 1


def encode_payload(fields, contexts, rows):
    """The payload bytes (a bytearray).

    `fields`: wire key -> value, without version, count, meters, groups; empty lists are left out.
    `contexts`: the contexts in order.
    `rows`: (index of the context, Reading) by rising sequence, without gaps; walked many times.
    """
    _check_chain(fields)
    _check_sequence(rows)
    table = MeterTable()
    indices = []
    for i in range(len(contexts)):
        same = i and contexts[i].meters is contexts[i - 1].meters
        indices.append(indices[-1] if same else table.add(contexts[i]))
    whole = {
        key: fields[key] for key in fields if fields[key] or key not in (ANCHORS, EVENTS, LOST)
    }
    whole[0] = FORMAT_VERSION
    whole[COUNT] = len(rows)
    if len(rows):
        whole[FIRST_SEQUENCE] = rows[0][1].sequence
    whole[METERS] = table.epochs
    whole[GROUPS] = group_rows(contexts, indices, rows)
    out = bytearray()
    cbor.append_map_head(out, len(whole))
    for key in sorted(whole):
        cbor.append(out, key)
        if key == GROUPS:
            append_groups(out, whole[key])
        else:
            cbor.append(out, whole[key], 1)
    if len(out) > MAX_BATCH_LEN - _ENVELOPE_LEN:
        raise BatchError(
            "batch-too-large",
            "expected at most %d bytes, found %d; seal fewer readings"
            % (MAX_BATCH_LEN - _ENVELOPE_LEN, len(out)),
        )
    return out
