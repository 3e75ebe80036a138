"""The valid batches that show the keys which are present `if any`, and the extension rule."""

import hashlib

import vec_batch
from vec_cbor import encode
from vec_inputs import CHAIN, EM340, PREVIOUS, SDM120, batch, context, first_batch, series
from vec_p256 import COLLECTOR, DEVICE, OTHER

HASH_A = hashlib.sha256(b"the last lost batch").digest()
HASH_B = hashlib.sha256(b"the head that was known").digest()
OLD_CHAIN = bytes.fromhex("00112233445566778899aabbccddeeff")

EVENTS = [
    [1, 3, 0, [1, 0]],
    [2, 3, 11_900, [5, 0]],
    [2, 3, 12_900, [6, -1_500]],
    [3, 3, 20_000, [0]],
    [4, 3, 21_000, [0]],
    [5, 3, 22_000, [0, 1]],
    [6, 3, 23_000, [bytes(8), bytes.fromhex("ff" * 8)]],
    [7, 3, 24_000, ["0.1.0", "0.2.0"]],
    [8, 3, 25_000, [1]],
    [8, 3, 26_000, [0]],
    [9, 3, 27_000, ["uplink", "OSError 113"]],
    [10, 3, 28_000, ["update"]],
    [11, 3, 29_000, [511]],
    [12, 3, 30_000, [300, 1]],
    [12, 3, 31_000, [60, 2]],
    [13, 3, 32_000, [1]],
    [14, 3, 33_000, ["confirmed", "0.2.0"]],
    [15, 3, 34_000, [0, 1_861_920_000]],
    [16, 3, 35_000, [1, "begin", bytes.fromhex("5d3c9a7e11f02b48")]],
]

EDGE_BEFORE = ["eastron-sdm120", 1, 4, 0x0048, bytes.fromhex("449a5220")]
EDGE_AFTER = ["eastron-sdm120", 1, 4, 0x0048, bytes.fromhex("449b8000")]
EDGE_EM340 = ["carlogavazzi-em340", 3, 4, 0x0034, bytes.fromhex("30390000")]
LOST_BATCHES = [0, 2, 4, 1, HASH_A, 61, 240, [EDGE_BEFORE], [EDGE_AFTER]]
LOST_READINGS = [1, 351, 360, 2, b"", 351, 360, [EDGE_BEFORE, EDGE_EM340], []]


def receipt():
    """Return a collector receipt; its payload is opaque to a decoder of batches."""
    acknowledged = {1: DEVICE.kid, 2: bytes.fromhex(CHAIN), 3: 6, 4: bytes.fromhex(PREVIOUS)}
    return vec_batch.seal(encode(acknowledged), COLLECTOR, vec_batch.RECEIPT)[0]


def rollover():
    """Return the old key's statement on the new key."""
    return vec_batch.seal(encode({1: DEVICE.public}), OTHER, vec_batch.ROLLOVER)[0]


OCMF = (
    'OCMF|{"FV":"1.0","GI":"METERSEAL","PG":"T1","RD":[{"TM":"2026-09-21T21:33:20,000+0000 R",'
    '"TX":"B","RV":1234.567,"RI":"01-00:01.08.00*FF","RU":"kWh","ST":"G"}]}|{"SD":"3044"}'
)
NONCE = hashlib.sha256(b"an inspector's challenge").digest()
TENANT = hashlib.sha256(b"a tenant's pseudonym").digest()[:16]


def small(name, **other):
    """Return a batch of three readings of an SDM120 with something beside them."""
    return batch([context(3, SDM120)], series(name, SDM120, 361, 3), **other)


def events():
    """Yield batches with events and anchors."""
    yield (
        "events-every-kind",
        ["Events"],
        "each kind of event that version 1 knows",
        batch([context(3, SDM120, EM340)], series("ev", SDM120, 361, 3), events=EVENTS),
    )
    unknown = [[64, 3, 500, []], [65_535, 3, 600, [-1, "x", b"\x00"]], [2**63, 3, 700, [7]]]
    yield (
        "events-non-critical",
        ["Events", "Extension"],
        "kinds of 64 and above are ignored",
        small("nc", events=unknown),
    )
    boots = [
        [1, boot, 0, [cause, 9 - cause]] for boot, cause in zip(range(7), range(7), strict=True)
    ]
    yield (
        "events-without-readings",
        ["Events", "NoReadings"],
        "every reset cause; a brown-out loop that coalesced boots",
        batch([context(3, SDM120)], [], events=boots),
    )
    anchors = [[2, 4_000_000 + i, 1_789_999_000_000 + i, i + 1, 10**i] for i in range(5)]
    anchors.append([3, 12_000, 1_790_000_012_000, 6, 0])
    yield (
        "anchors-every-source",
        ["Anchors"],
        "all six sources; two boots; the second boot begins at a lower monotonic time",
        small("anchors", anchors=anchors),
    )


def lost():
    """Yield batches that state losses."""
    yield "lost-batches", ["Lost"], "batches 2 to 4 overwritten", small("l1", lost=[LOST_BATCHES])
    yield "lost-readings", ["Lost"], "readings never sealed", small("l2", lost=[LOST_READINGS])
    both = [LOST_BATCHES, LOST_READINGS, [1, 600, 600, 3, b"", 600, 600, [], []]]
    yield "lost-both", ["Lost"], "three ranges, one ahead of the readings", small("l3", lost=both)
    empty = [[0, 6, 6, 1, bytes.fromhex(PREVIOUS), 361, 360, [], []]]
    yield (
        "lost-batch-without-readings",
        ["Lost"],
        "the lost batch held no reading: last_sequence is first_sequence - 1",
        small("l4", lost=empty),
    )
    gone = [[0, 2, 4, 4, HASH_A, 1, 240, [], []]]
    comment = "acknowledged once and asked for again; where they began is not known"
    yield "lost-batches-acknowledged", ["Lost"], comment, small("l5", lost=gone)


def genesis():
    """Yield first batches of later chains."""
    head = {2: OLD_CHAIN, 3: 41, 4: HASH_B}
    one = [context(8, SDM120)]
    rows = series("restart", SDM120, 2_461, 2)
    for name, comment, state in (
        ("genesis-journal-lost", "journal lost, head still known", {0: 1, **head}),
        ("genesis-journal-lost-head-unknown", "journal lost and the head with it", {0: 1}),
        ("genesis-operator", "restarted by the operator", {0: 2, **head}),
        ("genesis-extension", "an unknown non-critical key", {0: 2, **head, 64: [1, {0: "x"}]}),
    ):
        yield name, ["Genesis"], comment, first_batch(one, rows, genesis=state)
    yield (
        "genesis-rollover",
        ["Genesis", "Optional"],
        "a new key goes on; the old key's statement is in the batch",
        first_batch(one, rows, genesis={0: 3, **head}, extra={20: rollover()}),
    )


def optional():
    """Yield batches with keys 18 to 22, and with keys that nobody knows yet."""
    nonces = [[NONCE, 3, 15_000], [NONCE[:8], 3, 16_000]]
    extras = {18: [OCMF], 19: receipt(), 20: rollover(), 21: nonces, 22: TENANT}
    for key, name in (
        (18, "ocmf"),
        (19, "receipt"),
        (20, "rollover"),
        (21, "nonces"),
        (22, "tenant"),
    ):
        yield name, ["Optional"], f"payload key {key}", small(name, extra={key: extras[key]})
    yield (
        "every-key",
        ["Optional", "Events", "Lost", "Anchors"],
        "every key that a batch after the first may have",
        batch(
            [context(3, SDM120, EM340)],
            series("every", SDM120, 361, 5),
            anchors=[[3, 12_000, 1_790_000_012_000, 4, 900]],
            events=EVENTS,
            lost=[LOST_BATCHES, LOST_READINGS],
            health=HEALTH,
            extra={**extras, 64: "later"},
        ),
    )
    deepest = 0
    for _ in range(7):
        deepest = [deepest]
    unknown = {64: [], 65: {0: {1: {2: -(2**64)}}}, 1_000: "ភាសាខ្មែរ", 65_536: 2**64 - 1}
    unknown.update({2**32: b"", 2**64 - 1: deepest, 67: {2**64 - 1: 0, 23: 1, 24: 2, 256: 3}})
    yield (
        "non-critical-keys",
        ["Extension"],
        "unknown keys of 64 and above, one of them nested to depth 8, integers of 64 bits",
        small("unknown", extra=unknown),
    )


HEALTH = {0: 61_440, 1: 40_960, 2: 1_000, 3: [[57, 2, 1, 0, 0, 4], [60, 0, 0, 0, 0, 0]]}
HEALTH.update({4: -71, 5: 12, 6: 2, 7: 4_294})


def health():
    """Yield batches with the least and the most health."""
    yield "health-empty", ["Health"], "a map without keys", small("h0", health={})
    yield "health-full", ["Health"], "every key of version 1", small("h1", health=HEALTH)
    later = {**HEALTH, 9: -1, 63: "x", 64: b"", 2**32: [[{}]]}
    yield "health-later", ["Health", "Extension"], "unknown keys", small("h2", health=later)


def cases():
    """Yield all cases of this module."""
    for part in (events, lost, genesis, optional, health):
        yield from part()
