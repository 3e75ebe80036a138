"""Defects of the COSE_Sign1 around a proper payload. A defect here is (id, error code, bytes)."""

import hashlib

from vec_batch import batch_hash, protected_header, seal, signed_bytes
from vec_cbor import Pairs, Raw, encode, head
from vec_defects import base
from vec_p256 import DEVICE, OTHER, N, join, sign_64, sign_rs

PAYLOAD = encode(base())
PROTECTED = protected_header(DEVICE.kid)
SIGNATURE = sign_64(DEVICE.private, batch_hash(PROTECTED, PAYLOAD))
GOOD = seal(PAYLOAD, DEVICE)[0]


def parts(protected=PROTECTED, unprotected=None, payload=PAYLOAD, signature=SIGNATURE):
    """Return the batch of four values, some of which may be Raw."""
    items = [protected, {} if unprotected is None else unprotected, payload, signature]
    return b"\xd2" + encode(items)


def lengths():
    """Yield too much and too little."""
    yield "empty", "batch-truncated", b""
    in_payload = 2 + 1 + len(PROTECTED) + 1 + 200
    ends = [("tag", 1), ("array", 2), ("protected", 9), ("payload", in_payload)]
    ends += [("last-byte", len(GOOD) - 1), ("signature", len(GOOD) - 64)]
    for name, end in ends:
        yield f"truncated-{name}", "batch-truncated", GOOD[:end]
    yield "trailing-byte", "batch-trailing", GOOD + b"\x00"
    yield "trailing-batch", "batch-trailing", GOOD + GOOD
    padded = {**base(), 64: bytes(60_000)}
    missing = 65_536 - len(seal(encode(padded), DEVICE)[0])
    padded[64] = bytes(60_000 + missing)
    too_large = seal(encode(padded), DEVICE)[0]
    assert len(too_large) == 65_536
    yield "too-large", "batch-too-large", too_large


def structures():
    """Yield what is no tagged array of bstr, map, bstr, bstr."""
    yield "tag-missing", "cose-tag", GOOD[1:]
    yield "tag-17", "cose-tag", b"\xd1" + GOOD[1:]
    yield "tag-98", "cose-tag", b"\xd8\x62" + GOOD[1:]
    yield "not-a-batch", "cose-tag", b"\x00"
    yield "json", "cose-tag", b'{"energy_wh": 1234}'
    bodies = [
        ("tag-not-shortest", b"\xd8\x12" + GOOD[1:]),
        ("tag-twice", b"\xd2" + GOOD),
        ("array-of-three", b"\xd2" + encode([PROTECTED, {}, PAYLOAD])),
        ("array-of-five", b"\xd2" + encode([PROTECTED, {}, PAYLOAD, SIGNATURE, b""])),
        ("array-not-shortest", b"\xd2\x98\x04" + GOOD[2:]),
        ("array-indefinite", b"\xd2\x9f" + GOOD[2:] + b"\xff"),
        ("map-for-array", b"\xd2" + encode({0: PROTECTED, 1: {}, 2: PAYLOAD, 3: SIGNATURE})),
        ("protected-map", parts(protected={1: -7, 3: 65001, 4: DEVICE.kid})),
        ("protected-text", parts(protected="x" * 17)),
        ("protected-head-not-shortest", parts(protected=Raw(head(2, 17, 1) + PROTECTED))),
        ("unprotected-array", parts(unprotected=[])),
        ("unprotected-bytes", parts(unprotected=b"")),
        ("unprotected-indefinite", parts(unprotected=Raw(b"\xbf\xff"))),
        ("unprotected-not-shortest", parts(unprotected=Raw(b"\xb8\x00"))),
        ("payload-detached", parts(payload=Raw(b"\xf6"))),
        ("payload-map-itself", parts(payload=base())),
        ("payload-not-shortest", parts(payload=Raw(head(2, len(PAYLOAD), 4) + PAYLOAD))),
        ("payload-indefinite", parts(payload=Raw(b"\x5f" + encode(PAYLOAD) + b"\xff"))),
        ("signature-array", parts(signature=[SIGNATURE])),
        ("signature-uint", parts(signature=0)),
        ("signature-not-shortest", parts(signature=Raw(head(2, 64, 2) + SIGNATURE))),
    ]
    for name, data in bodies:
        yield f"cose-{name}", "cose-structure", data


def resigned(protected):
    """Return a batch whose signature covers another protected header."""
    return parts(protected, signature=sign_64(DEVICE.private, batch_hash(protected, PAYLOAD)))


def headers():
    """Yield protected headers that are not that of a batch, properly signed."""
    alg, kind, kid = (1, -7), (3, 65001), (4, DEVICE.kid)
    forms = [
        ("empty", b""),
        ("empty-map", encode({})),
        ("no-alg", encode(dict([kind, kid]))),
        ("no-content-type", encode(dict([alg, kid]))),
        ("no-kid", encode(dict([alg, kind]))),
        ("kid-7-bytes", encode(dict([alg, kind, (4, DEVICE.kid[:7])]))),
        ("kid-thumbprint", encode(dict([alg, kind, (4, DEVICE.thumbprint)]))),
        ("kid-text", encode(dict([alg, kind, (4, "12345678")]))),
        ("critical", encode(dict([alg, (2, [3]), kind, kid]))),
        ("iv-too", encode(dict([alg, kind, kid, (5, bytes(8))]))),
        ("key-order", encode(Pairs([kind, alg, kid]))),
        ("key-twice", encode(Pairs([alg, alg, kind, kid]))),
        ("not-shortest", b"\xa3\x01\x38\x06\x03\x19\xfd\xe9\x04" + encode(DEVICE.kid)),
        ("indefinite", b"\xbf" + PROTECTED[1:] + b"\xff"),
        ("array", encode([1, -7, 3, 65001, 4, DEVICE.kid])),
        ("trailing", PROTECTED + b"\x00"),
        ("truncated", PROTECTED[:-1]),
    ]
    for name, protected in forms:
        yield f"protected-{name}", "cose-protected", resigned(protected)
    for name, value in (("es384", -35), ("es256k", -47), ("eddsa", -8), ("text", "ES256")):
        protected = encode(dict([(1, value), kind, kid]))
        yield f"alg-{name}", "cose-algorithm", resigned(protected)
    for value in (65000, 65002, 65003, 65004, 0, "application/cbor"):
        name = f"content-type-{value}".replace("/", "-")
        yield name, "cose-content-type", resigned(encode(dict([alg, (3, value), kid])))
    for name, value in (("kid", {4: DEVICE.kid}), ("alg", {1: -7}), ("private", {65536: b"x"})):
        yield f"unprotected-{name}", "cose-unprotected", parts(unprotected=value)


def der():
    """Return the signature in the DER form that X9.62 has."""
    body = b""
    for half in (SIGNATURE[:32], SIGNATURE[32:]):
        number = half.lstrip(b"\x00")
        number = b"\x00" * (number[0] >> 7) + number
        body += b"\x02" + bytes([len(number)]) + number
    return b"\x30" + bytes([len(body)]) + body


def signatures():
    """Yield signatures that are no valid signature of this batch by this key."""
    r, s, _ = sign_rs(DEVICE.private, batch_hash(PROTECTED, PAYLOAD))
    s = min(s, N - s)
    forms = [("empty", b""), ("63-bytes", SIGNATURE[:63]), ("65-bytes", SIGNATURE + b"\x00")]
    for name, data in [*forms, ("der", der())]:
        yield f"signature-{name}", "signature-length", parts(signature=data)
    all_ones = 2**256 - 1
    for name, pair in (
        ("r-0", (0, s)),
        ("s-0", (r, 0)),
        ("r-s-0", (0, 0)),
        ("r-n", (N, s)),
        ("s-n", (r, N)),
        ("r-plus-n-overflow", (all_ones, s)),
        ("s-all-ones", (r, all_ones)),
    ):
        yield f"signature-{name}", "signature-range", parts(signature=join(*pair))
    for name, high in (
        ("n-minus-s", N - s),
        ("s-half-plus-1", (N + 1) // 2),
        ("s-n-minus-1", N - 1),
    ):
        yield f"signature-{name}", "signature-high-s", parts(signature=join(r, high))
    yield "key-unknown", "key-unknown", seal(PAYLOAD, OTHER)[0]
    wrong = wrong_signatures(r, s)
    for name, data in wrong:
        assert data != SIGNATURE
        yield name, "signature-invalid", parts(signature=data)
    changed = bytearray(PAYLOAD)
    changed[-1] ^= 1
    yield "payload-bit-changed", "signature-invalid", parts(payload=bytes(changed))
    changed = encode({**base(), 7: 10})
    yield "payload-count-changed", "signature-invalid", parts(payload=changed)


def wrong_signatures(r, s):
    """Return (id, signature): within range and low, and wrong."""
    digest = batch_hash(PROTECTED, PAYLOAD)
    aad = hashlib.sha256(encode(["Signature1", PROTECTED, b"aad", PAYLOAD])).digest()
    context = hashlib.sha256(encode(["Signature", PROTECTED, b"", PAYLOAD])).digest()
    bare = hashlib.sha256(PAYLOAD).digest()
    foreign = hashlib.sha256(signed_bytes(protected_header(OTHER.kid), PAYLOAD)).digest()
    swap = (s, min(r, N - r))
    flipped = bytearray(SIGNATURE)
    flipped[40] ^= 4
    return [
        ("signature-of-other-key", sign_64(OTHER.private, digest)),
        ("signature-of-payload-alone", sign_64(DEVICE.private, bare)),
        ("signature-of-hash-of-hash", sign_64(DEVICE.private, hashlib.sha256(digest).digest())),
        ("signature-with-external-aad", sign_64(DEVICE.private, aad)),
        ("signature-of-other-context", sign_64(DEVICE.private, context)),
        ("signature-over-other-kid", sign_64(DEVICE.private, foreign)),
        ("signature-r-and-s-swapped", join(*swap)),
        ("signature-bit-flipped", bytes(flipped)),
        ("signature-s-half", join(r, (N - 1) // 2)),
        ("signature-1-1", join(1, 1)),
    ]


def cases():
    """Yield all defects of this module."""
    for part in (lengths, structures, headers, signatures):
        yield from part()
