"""Defects of the schema: proper CBOR, properly signed, not a payload of version 1."""

from vec_defects import (
    GROUP_A,
    GROUP_B,
    base,
    cut,
    first_base,
    later_first_base,
    longer,
    put,
    swapped,
)

NAMES = {
    0: "version",
    1: "chain",
    2: "number",
    3: "previous",
    4: "boot",
    5: "sealed-mono-ms",
    6: "first-sequence",
    7: "count",
    9: "firmware",
    10: "config-hash",
    11: "key-class",
    12: "meters",
    13: "groups",
    16: "health",
}

# Every array of fixed members: name, path to one without those that may be left out.
ARRAYS = [
    ("meter", (12, 0)),
    ("registers", (12, 0, 3, 0)),
    ("group", (13, GROUP_A)),
    ("sequence", (13, GROUP_A, 3)),
    ("time", (13, GROUP_A, 4)),
    ("quality", (13, GROUP_A, 5, 0)),
    ("column", (13, GROUP_B, 6, 1)),
    ("anchor", (8, 0)),
    ("event", (14, 0)),
    ("event-detail", (14, 0, 3)),
    ("lost", (15, 0)),
    ("edge", (15, 0, 7, 0)),
    ("health-meter", (16, 3, 0)),
    ("nonce", (21, 0)),
]

# Members of the arrays that may leave some out.
FULL = {"sequence": 5, "time": 5, "column": 10}

# field-type: name, path, value.
TYPES = [
    ("version-text", (0,), "1"),
    ("chain-text", (1,), "x" * 16),
    ("number-negative", (2,), -1),
    ("previous-uint", (3,), 5),
    ("boot-bytes", (4,), b"\x03"),
    ("count-array", (7,), []),
    ("anchors-map", (8,), {}),
    ("anchor-uint", (8, 0), 1),
    ("anchor-time-negative", (8, 0, 2), -1),
    ("firmware-bytes", (9,), b"0.1.0"),
    ("config-hash-text", (10,), "x" * 8),
    ("meters-map", (12,), {}),
    ("meter-unit-negative", (12, 0, 2), -1),
    ("profile-bytes", (12, 0, 0), b"first-meter"),
    ("identity-bytes", (12, 0, 3), b"\x01\x31"),
    ("words-array", (12, 0, 3, 0, 2), [305, 62119]),
    ("groups-map", (13,), {}),
    ("group-map", (13, GROUP_B), {}),
    ("packed-text", (13, GROUP_A, 6, 0, 7), ""),
    ("base-bytes", (13, GROUP_A, 6, 0, 5), b"\x01"),
    ("first-negative", (13, GROUP_A, 6, 0, 4), -1),
    ("absent-bytes", (13, GROUP_A, 6, 0, 9), b""),
    ("event-detail-array-inside", (14, 0, 3, 0), [5]),
    ("event-cause-text", (14, 0, 3, 0), "brown-out"),
    ("lost-hash-text", (15, 0, 4), "x" * 32),
    ("lost-edges-map", (15, 0, 7), {}),
    ("health-array", (16,), []),
    ("health-heap-text", (16, 0), "61440"),
    ("ocmf-bytes", (18,), [b"OCMF"]),
    ("ocmf-not-in-array", (18,), "OCMF"),
    ("receipt-text", (19,), "x"),
    ("rollover-array", (20,), [b"x"]),
    ("nonce-text", (21, 0, 0), "x" * 8),
    ("tenant-uint", (22,), 7),
]

# field-range: name, path, value.
RANGES = [
    ("chain-15-bytes", (1,), bytes(15)),
    ("chain-17-bytes", (1,), bytes(17)),
    ("previous-31-bytes", (3,), bytes(31)),
    ("previous-33-bytes", (3,), bytes(33)),
    ("count-1025", (7,), 1025),
    ("anchors-empty", (8,), []),
    ("anchor-source-0", (8, 0, 3), 0),
    ("anchor-source-7", (8, 0, 3), 7),
    ("firmware-empty", (9,), ""),
    ("firmware-33-bytes", (9,), "f" * 33),
    ("firmware-32-characters-34-bytes", (9,), "f" * 30 + "éé"),
    ("config-hash-16-bytes", (10,), bytes(16)),
    ("key-class-3", (11,), 3),
    ("profile-empty", (12, 0, 0), ""),
    ("profile-65-bytes", (12, 0, 0), "p" * 65),
    ("profile-hash-32-bytes", (12, 0, 1), bytes(32)),
    ("unit-256", (12, 0, 2), 256),
    ("identity-function-6", (12, 0, 3, 0, 0), 6),
    ("identity-address-65536", (12, 0, 3, 0, 1), 65_536),
    ("identity-words-empty", (12, 0, 3, 0, 2), b""),
    ("identity-words-odd", (12, 0, 3, 0, 2), bytes(3)),
    ("setup-words-252-bytes", (12, 1, 4, 0, 2), bytes(252)),
    ("group-n-0", (13, GROUP_B, 2), 0),
    ("group-n-1025", (13, GROUP_B, 2), 1025),
    ("time-width-65", (13, GROUP_B, 4, 2), 65),
    ("column-function-1", (13, GROUP_A, 6, 0, 0), 1),
    ("column-address-65536", (13, GROUP_A, 6, 1, 1), 65_536),
    ("column-count-0", (13, GROUP_A, 6, 0, 2), 0),
    ("column-count-5", (13, GROUP_A, 6, 0, 2), 5),
    ("column-order-4", (13, GROUP_A, 6, 0, 3), 4),
    ("column-width-65", (13, GROUP_A, 6, 0, 6), 65),
    ("patches-empty", (13, GROUP_B, 6, 1, 8), []),
    ("patches-empty-time", (13, GROUP_B, 4, 4), []),
    ("absent-empty", (13, GROUP_B, 6, 1, 9), []),
    ("absent-index-n", (13, GROUP_A, 6, 0, 9), [2, 6]),
    ("absent-all", (13, GROUP_B, 6, 1, 9), [0, 1, 2, 3]),
    ("quality-index-n", (13, GROUP_A, 5, 1, 0), 6),
    ("quality-all-ok", (13, GROUP_A, 5, 0), [2, 0, 0]),
    ("quality-status-5", (13, GROUP_A, 5, 0, 1), 5),
    ("quality-status-127", (13, GROUP_A, 5, 0, 1), 127),
    ("quality-status-256", (13, GROUP_A, 5, 0, 1), 256),
    ("quality-flags-8", (13, GROUP_A, 5, 0, 2), 8),
    ("events-empty", (14,), []),
    ("event-cabinet-2", (14, 2, 3, 0), 2),
    ("event-config-hash-7-bytes", (14, 2), [6, 3, 200, [bytes(7), bytes(8)]]),
    ("lost-empty", (15,), []),
    ("lost-kind-2", (15, 0, 0), 2),
    ("lost-reason-0", (15, 0, 3), 0),
    ("lost-batches-reason-5", (15, 0, 3), 5),
    ("lost-readings-reason-4", (15, 1, 3), 4),
    ("lost-first-above-last", (15, 0, 1), 5),
    ("lost-hash-31-bytes", (15, 0, 4), bytes(31)),
    ("lost-batches-without-hash", (15, 0, 4), b""),
    ("lost-readings-with-hash", (15, 1, 4), bytes(32)),
    ("lost-batches-sequences-reversed", (15, 0, 6), 59),
    ("lost-readings-sequences-differ", (15, 1, 6), 359),
    ("edge-unit-256", (15, 0, 7, 0, 1), 256),
    ("edge-words-odd", (15, 0, 8, 0, 4), bytes(5)),
    ("ocmf-empty", (18,), []),
    ("receipt-empty", (19,), b""),
    ("receipt-1025-bytes", (19,), bytes(1025)),
    ("rollover-empty", (20,), b""),
    ("rollover-1025-bytes", (20,), bytes(1025)),
    ("nonces-empty", (21,), []),
    ("nonce-7-bytes", (21, 0, 0), bytes(7)),
    ("nonce-65-bytes", (21, 0, 0), bytes(65)),
    ("tenant-7-bytes", (22,), bytes(7)),
    ("tenant-33-bytes", (22,), bytes(33)),
]

# Defects of the genesis map: name, code, map.
GENESIS = [
    ("genesis-reason-missing", "field-missing", {1: bytes(32)}),
    ("genesis-hash-missing", "field-missing", {0: 0}),
    ("genesis-hash-with-reason-1", "field-unexpected", {0: 1, 1: bytes(32)}),
    ("genesis-head-without-chain", "field-missing", {0: 1, 3: 41, 4: bytes(32)}),
    ("genesis-head-without-number", "field-missing", {0: 1, 2: bytes(16), 4: bytes(32)}),
    ("genesis-head-without-hash", "field-missing", {0: 1, 2: bytes(16), 3: 41}),
    ("genesis-array", "field-type", [0, bytes(32)]),
    ("genesis-reason-text", "field-type", {0: "first", 1: bytes(32)}),
    ("genesis-reason-4", "field-range", {0: 4}),
    ("genesis-hash-31-bytes", "field-range", {0: 0, 1: bytes(31)}),
    ("genesis-chain-15-bytes", "field-range", {0: 1, 2: bytes(15), 3: 41, 4: bytes(32)}),
    ("genesis-head-hash-31-bytes", "field-range", {0: 1, 2: bytes(16), 3: 41, 4: bytes(31)}),
    ("genesis-critical-5", "key-critical-unknown", {0: 0, 1: bytes(32), 5: 0}),
    ("genesis-critical-63", "key-critical-unknown", {0: 0, 1: bytes(32), 63: 0}),
]


def keys():
    """Yield unknown, missing and unexpected keys of the payload."""
    for version in (0, 2, 255):
        yield f"version-{version}", "version-unknown", put(base(), (0,), version)
    for key in (23, 63):
        yield f"critical-key-{key}", "key-critical-unknown", put(base(), (key,), 0)
    for kind in (0, 17, 63):
        event = [kind, 3, 200, []]
        yield f"critical-event-{kind}", "key-critical-unknown", put(base(), (14, 2), event)
    for key, name in NAMES.items():
        yield f"{name}-missing", "field-missing", cut(base(), (key,))
    yield "genesis-missing", "field-missing", cut(first_base(), (17,))
    yield "previous-in-batch-1", "field-unexpected", put(first_base(), (3,), bytes(32))
    yield "genesis-in-batch-7", "field-unexpected", put(base(), (17,), {0: 0, 1: bytes(32)})
    yield "number-0", "field-range", put(cut(later_first_base(), (17,)), (2,), 0)
    for name, code, state in GENESIS:
        yield name, code, put(first_base(), (17,), state)


def shapes():
    """Yield arrays that are too short or too long, and what is no map."""
    for name, path in ARRAYS:
        yield f"{name}-too-short", "field-missing", cut(base(), (*path, -1))
        yield f"{name}-too-long", "field-unexpected", longer(base(), path, FULL.get(name, 0))
    yield "payload-array", "field-type", [1, bytes(16)]
    yield "payload-uint", "field-type", b"\x01"
    yield "payload-bytes", "field-type", b"\x41\x00"


def values():
    """Yield values of a wrong type or outside their range."""
    for name, path, value in TYPES:
        yield name, "field-type", put(base(), path, value)
    for name, path, value in RANGES:
        yield name, "field-range", put(base(), path, value)
    meters = [[f"meter-{i}", bytes(16), i, [], []] for i in range(31)]
    yield "meters-33", "field-range", put(base(), (12,), base()[12] + meters)


def orders():
    """Yield lists that do not ascend, and items that stand twice."""
    twice = base()
    twice[13][GROUP_A][5][1][0] = 2
    yield "quality-twice", "field-order", twice
    yield "quality-descending", "field-order", swapped(base(), (13, GROUP_A, 5))
    yield "anchors-descending", "field-order", swapped(base(), (8,))
    yield "anchors-twice", "field-order", put(base(), (8, 1), base()[8][0])
    same_boot = put(base(), (8, 0), [3, 12_001, 1_790_000_000_000, 5, 180])
    yield "anchors-time-descending", "field-order", same_boot
    yield "groups-boot-descending", "field-order", swapped(base(), (13,))
    yield "groups-meter-descending", "field-order", swapped(base(), (13,), 1, 2)
    yield "columns-descending", "field-order", swapped(base(), (13, GROUP_B, 6))
    yield (
        "columns-twice",
        "field-order",
        put(base(), (13, GROUP_B, 6, 0), base()[13][GROUP_B][6][1]),
    )
    yield "absent-descending", "field-order", put(base(), (13, GROUP_A, 6, 0, 9), [4, 2])
    yield "absent-twice", "field-order", put(base(), (13, GROUP_A, 6, 0, 9), [2, 2])


def cases():
    """Yield all defects of this module."""
    for part in (keys, shapes, values, orders):
        yield from part()
