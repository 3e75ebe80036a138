"""Content of cbor_v1.json: values and their only encoding, and encodings to be refused."""

import vec_invalid_cbor
from vec_cbor import encode, head, to_json

BOUNDARIES = [0, 1, 10, 23, 24, 25, 100, 255, 256, 1_000, 65_535, 65_536, 1_000_000]
BOUNDARIES += [2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1]

LENGTHS = [0, 1, 23, 24, 255, 256, 1_000]

NOTES = {
    "Integer": "Unsigned and negative integers at every change of the head's length.",
    "String": "Byte and text strings at every change of the head's length.",
    "Array": "Arrays.",
    "Map": "Maps: keys are unsigned integers, ascending.",
    "Nested": "Arrays and maps in one another, at most 8 deep.",
    "Refused": "Not of the subset of section 1; a decoder of one item names the code.",
}

VALUES = [
    ("bytes-all", "String", bytes(range(256))),
    ("text-ascii", "String", 'a "quoted" \\ line\n'),
    ("text-two-bytes", "String", "é"),
    ("text-three-bytes", "String", "ភ្នំពេញ"),
    ("text-four-bytes", "String", "🔌"),
    ("text-nul", "String", "a\x00b"),
    ("array-empty", "Array", []),
    ("array-mixed", "Array", [1, -1, b"\x01", "1", [], {}]),
    ("array-23", "Array", list(range(23))),
    ("array-24", "Array", list(range(24))),
    ("array-256", "Array", [0] * 256),
    ("map-empty", "Map", {}),
    ("map-key-order", "Map", {key: 0 for key in reversed(BOUNDARIES)}),
    ("map-23", "Map", {key: -key for key in range(23)}),
    ("map-24", "Map", {key: -key for key in range(24)}),
    ("map-10-before-9-as-text", "Map", {10: "ten", 9: "nine", 100: "hundred"}),
    ("nested-8-arrays", "Nested", [[[[[[[[0]]]]]]]]),
    ("nested-8-maps", "Nested", {0: {1: {2: {3: {4: {5: {6: {7: b"x"}}}}}}}}),
    ("nested-mixed", "Nested", [{1: [{2: [b"", ""]}]}, [[], {}]]),
]


def valid():
    """Yield (id, flag, value)."""
    for number in BOUNDARIES:
        yield f"uint-{number}", "Integer", number
        yield f"negative-{number + 1}", "Integer", -1 - number
    for length in LENGTHS:
        yield f"bytes-length-{length}", "String", b"\xa5" * length
        yield f"text-length-{length}", "String", "x" * length
    yield from VALUES


# Single items: name, code, bytes in hex.
REFUSED = [
    ("nothing", "cbor-truncated", ""),
    ("uint-cut", "cbor-truncated", "19 01"),
    ("bytes-cut", "cbor-truncated", "42 01"),
    ("text-cut", "cbor-truncated", "63 61 62"),
    ("array-cut", "cbor-truncated", "82 00"),
    ("map-cut", "cbor-truncated", "a1 00"),
    ("item-behind", "cbor-trailing", "00 00"),
    ("uint-23-in-two", "cbor-not-shortest", "18 17"),
    ("uint-255-in-three", "cbor-not-shortest", "19 00 ff"),
    ("uint-65535-in-five", "cbor-not-shortest", "1a 00 00 ff ff"),
    ("uint-32-bits-in-nine", "cbor-not-shortest", "1b 00 00 00 00 ff ff ff ff"),
    ("negative-24-in-two", "cbor-not-shortest", "38 17"),
    ("negative-256-in-three", "cbor-not-shortest", "39 00 ff"),
    ("bytes-length-in-two", "cbor-not-shortest", "58 01 00"),
    ("text-length-in-two", "cbor-not-shortest", "78 01 61"),
    ("array-length-in-two", "cbor-not-shortest", "98 01 00"),
    ("map-length-in-two", "cbor-not-shortest", "b8 01 00 00"),
    ("key-in-two", "cbor-not-shortest", "a1 18 00 00"),
    ("bytes-indefinite", "cbor-indefinite", "5f 41 00 ff"),
    ("text-indefinite", "cbor-indefinite", "7f 61 61 ff"),
    ("array-indefinite", "cbor-indefinite", "9f 00 ff"),
    ("map-indefinite", "cbor-indefinite", "bf 00 00 ff"),
    ("break", "cbor-indefinite", "ff"),
    ("keys-descending", "cbor-key-order", "a2 01 00 00 00"),
    ("keys-descending-two-lengths", "cbor-key-order", "a2 18 18 00 17 00"),
    ("keys-twice", "cbor-duplicate-key", "a2 01 00 01 00"),
    ("key-text", "cbor-type", "a1 61 61 00"),
    ("key-negative", "cbor-type", "a1 20 00"),
    ("tag-0", "cbor-type", "c0 60"),
    ("tag-bignum", "cbor-type", "c2 41 01"),
    ("tag-18-inside", "cbor-type", "81 d2 00"),
]


def refused():
    """Yield (id, code, bytes): the items above and those that batches carry as key 64."""
    for name, code, text in REFUSED:
        yield name, code, bytes.fromhex(text)
    for name, value in vec_invalid_cbor.NOT_IN_SUBSET:
        yield f"item-{name}", "cbor-type", value
    for name, data in vec_invalid_cbor.NOT_UTF8:
        yield f"item-utf8-{name}", "cbor-utf8", head(3, len(data)) + data
    yield "arrays-9", "cbor-depth", b"\x81" * 8 + b"\x80"
    yield "maps-9", "cbor-depth", b"\xa1\x00" * 8 + b"\xa0"


def content():
    """Return the content of cbor_v1.json."""
    tests = [
        {
            "id": name,
            "comment": "",
            "flags": [flag],
            "value": to_json(value),
            "bytes_hex": encode(value).hex(),
            "result": "valid",
            "error": None,
        }
        for name, flag, value in valid()
    ]
    tests += [
        {
            "id": name,
            "comment": "",
            "flags": ["Refused"],
            "value": None,
            "bytes_hex": data.hex(),
            "result": "invalid",
            "error": code,
        }
        for name, code, data in refused()
    ]
    return {"format": 1, "notes": NOTES, "tests": tests}
