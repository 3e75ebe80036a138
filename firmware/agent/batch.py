"""Payload of a batch (WIRE_FORMAT.md section 3): one deterministic CBOR map, written in one pass.

Pure: the caller says what the batch states, this module says how it is written. It never signs,
never reads a clock or the journal, and never writes floats. Readings come with their contexts
and are grouped by boot and meter epoch.
"""

from agent import batch_keys as keys
from agent import cbor
from agent.batch_groups import append_groups, group_rows
from agent.batch_table import MeterTable
from agent.constant import const
from agent.errors import BatchError

FORMAT_VERSION = 1
MAX_READINGS = 1024
MAX_BATCH_LEN = 65535
_ENVELOPE_LEN = const(90)  # tag, array, protected header, empty map, heads and signature

_IF_ANY = (keys.ANCHORS, keys.EVENTS, keys.LOST)
_ALWAYS = (
    keys.CHAIN,
    keys.NUMBER,
    keys.BOOT,
    keys.SEALED_MONO_MS,
    keys.FIRMWARE,
    keys.CONFIG_HASH,
    keys.KEY_CLASS,
    keys.HEALTH,
)


def _check_chain(fields):
    """The conditional fields of section 3: what no decoder takes is never signed."""
    missing = [key for key in _ALWAYS if key not in fields]
    if missing:
        raise BatchError("batch-field", "expected the keys %r of section 3, not found" % missing)
    first = fields[keys.NUMBER] == 1
    if (
        fields[keys.NUMBER] < 1
        or (keys.PREVIOUS in fields) == first
        or (keys.GENESIS in fields) != first
    ):
        raise BatchError(
            "batch-chain",
            "expected `genesis` in batch 1, `previous` in later ones; found number %d, keys %r"
            % (fields[keys.NUMBER], sorted(fields)),
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
    whole = {key: fields[key] for key in fields if fields[key] or key not in _IF_ANY}
    whole[0] = FORMAT_VERSION
    whole[keys.COUNT] = len(rows)
    if len(rows):
        whole[keys.FIRST_SEQUENCE] = rows[0][1].sequence
    whole[keys.METERS] = table.epochs
    whole[keys.GROUPS] = group_rows(contexts, indices, rows)
    out = bytearray()
    cbor.append_map_head(out, len(whole))
    for key in sorted(whole):
        cbor.append(out, key)
        if key == keys.GROUPS:
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
