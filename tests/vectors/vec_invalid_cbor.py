"""Defects of the payload's CBOR, properly signed. A defect is (id, error code, payload)."""

from vec_cbor import Pairs, Raw, encode, head
from vec_defects import base, put

GOOD = encode(base())
CHAIN = base()[1]

NOT_IN_SUBSET = [
    ("false", b"\xf4"),
    ("true", b"\xf5"),
    ("null", b"\xf6"),
    ("undefined", b"\xf7"),
    ("simple-0", b"\xe0"),
    ("simple-255", b"\xf8\xff"),
    ("half", b"\xf9\x3c\x00"),
    ("single", b"\xfa\x44\x9a\x52\x20"),
    ("double", b"\xfb\x40\x93\x4a\x45\x6d\x5c\xfa\xad"),
    ("tag-time", b"\xc1\x1a\x6a\xb1\x3b\x80"),
    ("tag-bignum", b"\xc2\x49\x01" + bytes(8)),
    ("tag-decimal", b"\xc4\x82\x21\x19\x6a\xb3"),
    ("tag-18", b"\xd2\x80"),
    ("tag-self-described", b"\xd9\xd9\xf7\x00"),
    ("reserved-28", b"\x1c"),
    ("reserved-29-bytes", b"\x5d"),
    ("reserved-30-array", b"\x9e"),
    ("reserved-28-simple", b"\xfc"),
]

NOT_UTF8 = [
    ("overlong", b"\xc0\xae"),
    ("overlong-3-bytes", b"\xe0\x80\xaf"),
    ("surrogate", b"\xed\xa0\x80"),
    ("continuation-alone", b"a\x80b"),
    ("cut", b"a\xe1\x9e"),
    ("above-10ffff", b"\xf4\x90\x80\x80"),
    ("byte-ff", b"\xff"),
]


def ends():
    """Yield payloads that end too early or too late."""
    yield "payload-empty", "cbor-truncated", b""
    yield "payload-one-byte-short", "cbor-truncated", GOOD[:-1]
    yield "payload-half", "cbor-truncated", GOOD[: len(GOOD) // 2]
    pairs = len(base())
    yield "map-one-pair-more", "cbor-truncated", head(5, pairs + 1) + GOOD[1:]
    yield "map-without-value", "cbor-truncated", head(5, pairs + 1) + GOOD[1:] + b"\x18\x40"
    for name, value in (
        ("bytes-too-long", head(2, 9) + bytes(8)),
        ("bytes-4-gib", head(2, 2**32 - 1) + b"x"),
        ("text-64-bits", head(3, 2**64 - 1) + b"x"),
        ("array-too-long", head(4, 3) + b"\x00\x00"),
        ("array-64-bits", head(4, 2**64 - 1)),
        ("map-64-bits", head(5, 2**64 - 1)),
        ("head-cut", b"\x1b\x00\x00"),
    ):
        yield f"{name}-at-end", "cbor-truncated", encode({**base(), 64: Raw(value)})
    yield "payload-trailing-byte", "cbor-trailing", GOOD + b"\x00"
    yield "payload-twice", "cbor-trailing", GOOD + GOOD
    yield "map-one-pair-less", "cbor-trailing", head(5, pairs - 1) + GOOD[1:]


def heads():
    """Yield heads that are longer than needed, and indefinite lengths."""
    config_hash, meters = base()[10], encode(base()[12])
    for name, key, value in (
        ("version-2-bytes", 0, head(0, 1, 1)),
        ("number-3-bytes", 2, head(0, 7, 2)),
        ("boot-5-bytes", 4, head(0, 3, 4)),
        ("sealed-9-bytes", 5, head(0, 3_660_000, 8)),
        ("first-sequence-5-bytes", 6, head(0, 361, 4)),
        ("chain-length", 1, head(2, 16, 1) + CHAIN),
        ("config-hash-length", 10, head(2, 8, 8) + config_hash),
        ("firmware-length", 9, head(3, 5, 2) + b"0.1.0"),
        ("array-length", 12, head(4, 2, 1) + meters[1:]),
        ("health-length", 16, head(5, 0, 1)),
        ("unknown-negative", 64, head(1, 6, 1)),
        ("unknown-255-in-3-bytes", 64, head(0, 255, 2)),
        ("unknown-65535-in-5-bytes", 64, head(0, 65_535, 4)),
        ("unknown-32-bits-in-9-bytes", 64, head(0, 2**32 - 1, 8)),
        ("unknown-nested", 64, b"\x81\xa1\x00\x81" + head(0, 23, 1)),
    ):
        yield f"not-shortest-{name}", "cbor-not-shortest", encode({**base(), key: Raw(value)})
    yield "not-shortest-map", "cbor-not-shortest", head(5, len(base()), 1) + GOOD[1:]
    yield "not-shortest-key", "cbor-not-shortest", GOOD[:1] + b"\x18\x00" + GOOD[2:]
    yield "not-shortest-last-key", "cbor-not-shortest", longer_last_key()
    for name, key, value in (
        ("chain", 1, b"\x5f\x50" + CHAIN + b"\xff"),
        ("firmware", 9, b"\x7f\x65" + b"0.1.0\xff"),
        ("array", 12, b"\x9f" + meters[1:] + b"\xff"),
        ("health", 16, b"\xbf\x00\x01\xff"),
        ("unknown", 64, b"\x81\x9f\xff"),
        ("break-alone", 64, b"\xff"),
        ("break-in-array", 64, b"\x82\x00\xff"),
    ):
        yield f"indefinite-{name}", "cbor-indefinite", encode({**base(), key: Raw(value)})
    yield "indefinite-map", "cbor-indefinite", b"\xbf" + GOOD[1:] + b"\xff"


def longer_last_key():
    """Return the payload with key 64, whose head takes three bytes."""
    payload = head(5, len(base()) + 1) + GOOD[1:]
    return payload + head(0, 64, 2) + b"\x00"


def types():
    """Yield items that the subset does not have."""
    for name, value in NOT_IN_SUBSET:
        yield f"type-{name}", "cbor-type", encode({**base(), 64: [Raw(value)]})
    yield (
        "type-energy-float",
        "cbor-type",
        put(base(), (13, 0, 6, 0, 4), Raw(b"\xfa\x44\x9a\x52\x20")),
    )
    yield "type-payload-tagged", "cbor-type", b"\xd9\xd9\xf7" + GOOD
    yield "type-payload-null", "cbor-type", b"\xf6"
    for name, key in (
        ("negative", b"\x20"),
        ("text", b"\x61\x30"),
        ("bytes", b"\x41\x00"),
        ("array", b"\x81\x00"),
        ("map", b"\xa0"),
    ):
        last = head(5, len(base()) + 1) + GOOD[1:] + key + b"\x00"
        yield f"key-{name}", "cbor-type", last
        inside = encode({**base(), 64: Raw(b"\xa1" + key + b"\x00")})
        yield f"key-{name}-nested", "cbor-type", inside


def keys():
    """Yield maps whose keys do not ascend."""
    pairs = sorted(base().items())
    swapped = [pairs[1], pairs[0], *pairs[2:]]
    yield "keys-first-two-swapped", "cbor-key-order", Pairs(swapped)
    yield "keys-last-first", "cbor-key-order", Pairs([pairs[-1], *pairs[:-1]])
    nested = Pairs([(1, 40_960), (0, 61_440)])
    yield "keys-swapped-in-health", "cbor-key-order", {**base(), 16: nested}
    unknown = [{0: Pairs([(256, 0), (255, 0)])}]
    yield "keys-swapped-in-unknown", "cbor-key-order", {**base(), 64: unknown}
    yield "key-twice", "cbor-duplicate-key", Pairs([pairs[0], *pairs])
    yield "key-twice-other-value", "cbor-duplicate-key", Pairs([*pairs[:3], (2, 8), *pairs[3:]])
    nested = Pairs([(0, 61_440), (0, 61_441)])
    yield "key-twice-in-health", "cbor-duplicate-key", {**base(), 16: nested}
    unknown = [{0: Pairs([(64, 0), (64, 0)])}]
    yield "key-twice-in-unknown", "cbor-duplicate-key", {**base(), 64: unknown}


def texts():
    """Yield text strings that are not UTF-8, and too deep nesting."""
    for name, data in NOT_UTF8:
        yield f"utf8-{name}", "cbor-utf8", {**base(), 9: Raw(head(3, len(data)) + data)}
    yield "utf8-latin-1-in-unknown", "cbor-utf8", {**base(), 64: [Raw(b"\x61\xe9")]}
    for name, depth, opening in (
        ("arrays-9", 8, b"\x81"),
        ("maps-9", 8, b"\xa1\x00"),
        ("arrays-1000", 999, b"\x81"),
    ):
        value = opening * (depth - 1) + (b"\x80" if opening == b"\x81" else b"\xa0")
        yield f"depth-{name}", "cbor-depth", {**base(), 64: Raw(value)}


def cases():
    """Yield all defects of this module."""
    for part in (ends, heads, types, keys, texts):
        yield from part()
