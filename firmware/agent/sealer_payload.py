"""The payload fields of one batch, from keystore, clock, what was gathered and what others know.

Pure apart from reading the clock. States what the station knows and nothing else: a field that is
not known is left out, never filled in.
"""

from collections import namedtuple

from agent import batch_keys as keys
from agent import cbor, forget
from agent.constant import const
from agent.errors import SealError

PROVISIONING = "provisioning"  # where the state store keeps the hash of that record
# What a batch says about the station; `provisioning_hash_32`: of the provisioning record.
Identity = namedtuple("Identity", "firmware config_hash_8 provisioning_hash_32")

_REASON_FIRST = const(0)
_METER_COUNTERS = const(3)  # key of `health`
_COUNTERS = const(6)
_LOST_BATCHES = const(0)


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
    fields[keys.HEALTH] = _health(fields[keys.HEALTH], gathered, clock.boot)
    fields[keys.CHAIN] = keystore.chain_16
    fields[keys.NUMBER] = mark.number + 1
    if mark.number:
        fields[keys.PREVIOUS] = mark.hash_32
    else:
        fields[keys.GENESIS] = genesis(keystore.origin, identity.provisioning_hash_32)
    fields[keys.BOOT] = clock.boot
    fields[keys.SEALED_MONO_MS] = clock.mono_ms()
    fields[keys.FIRST_SEQUENCE] = mark.next_sequence
    fields[keys.ANCHORS] = gathered.wire_anchors()
    fields[keys.FIRMWARE] = identity.firmware
    fields[keys.CONFIG_HASH] = identity.config_hash_8
    fields[keys.KEY_CLASS] = key_class
    fields[keys.EVENTS] = gathered.events
    fields[keys.LOST] = lost
    if gathered.ocmf:
        fields[keys.OCMF] = gathered.ocmf
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
