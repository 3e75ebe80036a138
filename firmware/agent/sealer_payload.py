"""The payload fields of one batch, from keystore, clock, what was gathered and what others know.

Pure apart from reading the clock. States what the station knows and nothing else: a field that is
not known is left out, never filled in.
"""

from collections import namedtuple

from agent import batch, cbor, forget
from agent.batch_groups import edge_words
from agent.constant import const
from agent.errors import SealError

PROVISIONING = "provisioning"  # where the state store keeps the hash of that record
# What a batch says about the station; `provisioning_hash_32`: of the provisioning record.
Identity = namedtuple("Identity", "firmware config_hash_8 provisioning_hash_32")

_REASON_FIRST = const(0)
_METER_COUNTERS = const(3)  # key of `health`
_COUNTERS = const(6)
_LOST_BATCHES = const(0)
_MAX_EDGES = const(8)


def payload_fields(keystore, clock, identity, key_class, gathered, lost, others):
    """Wire key -> value for `encode_payload`; `others`: health and keys 18 and above."""
    mark = keystore.mark
    anchor = clock.anchor()
    if anchor is not None and anchor[0] == clock.boot:
        gathered.add_anchor(anchor[0], anchor[1], cbor.encode(anchor))
    from agent import foreign  # only now: see forget

    fields = foreign.within_limits(others)
    del foreign
    forget.modules("foreign")
    fields[batch.HEALTH] = _health(fields[batch.HEALTH], gathered, clock.boot)
    fields[batch.CHAIN] = keystore.chain_16
    fields[batch.NUMBER] = mark.number + 1
    if mark.number:
        fields[batch.PREVIOUS] = mark.hash_32
    else:
        fields[batch.GENESIS] = genesis(keystore.origin, identity.provisioning_hash_32)
    fields[batch.BOOT] = clock.boot
    fields[batch.SEALED_MONO_MS] = clock.mono_ms()
    fields[batch.FIRST_SEQUENCE] = mark.next_sequence
    fields[batch.ANCHORS] = gathered.wire_anchors()
    fields[batch.FIRMWARE] = identity.firmware
    fields[batch.CONFIG_HASH] = identity.config_hash_8
    fields[batch.KEY_CLASS] = key_class
    fields[batch.EVENTS] = gathered.events
    fields[batch.LOST] = lost
    if gathered.ocmf:
        fields[batch.OCMF] = gathered.ocmf
    return fields


def genesis(origin, provisioning_hash_32):
    """`genesis` of section 9 from the origin of the chain."""
    out = {0: origin.reason}
    if origin.reason == _REASON_FIRST:
        if provisioning_hash_32 is None:
            raise SealError(
                "seal-not-provisioned",
                "expected the hash of the provisioning record, found none; enrol the board",
            )
        out[1] = provisioning_hash_32
    if origin.number:
        out[2], out[3], out[4] = origin.chain_16, origin.number, origin.hash_32
    return out


def lost_batches(ranges):
    """The `lost` entries of kind 0 for the journal's ranges."""
    return [
        (_LOST_BATCHES, r.first, r.last, r.reason, r.last_hash)
        + (r.first_sequence, r.last_sequence, (), ())
        for r in ranges
    ]


def _health(health, gathered, boot):
    """Bus counters stand at the table's indices; without the meters of this boot they stay out."""
    counters = health.pop(_METER_COUNTERS, None)
    indices = gathered.meter_indices(boot)
    if counters and indices is not None and len(counters) == len(indices):
        placed = [(0,) * _COUNTERS] * gathered.meter_count()
        for i in range(len(indices)):
            placed[indices[i]] = counters[i]
        health[_METER_COUNTERS] = placed
    return health


def edges(contexts, rows, totals):
    """`edge` of section 7: the first value in `rows` of each energy register in `totals`."""
    found = {}
    for context, reading in rows:
        meter = contexts[context].meters[reading.meter]
        for function, address, *sunspec in totals.get(meter.profile, ()):
            address += _shift(meter, *sunspec) if sunspec else 0
            key = (meter.profile, meter.unit, function, address)
            if key not in found:
                words = edge_words(meter.columns, reading, function, address)
                if words is not None:
                    found[key] = words
    return [key + (found[key],) for key in sorted(found)][:_MAX_EDGES]


def _shift(meter, at, model):
    """How far from the profile's place `at` this meter has its block: where it says its number."""
    number = bytes((model >> 8, model & 0xFF))
    for _, address, words in meter.identity:
        if words == number:
            return address - at
    return 0
