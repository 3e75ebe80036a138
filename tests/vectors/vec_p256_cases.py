"""Content of p256_v1.json: signatures made and checked, and key thumbprints."""

import hashlib

import vec_p256
from vec_inputs import Noise
from vec_p256 import DEVICE, KEYS, Key, N, P, join, sign_rs

NOTES = {
    "Rfc6979": "RFC 6979 appendix A.2.5, SHA-256: r and s as printed there.",
    "LowS": "s of RFC 6979 is at most (n-1)/2 and stands as it is.",
    "HighS": "s of RFC 6979 is above (n-1)/2: `signature_hex` has n - s.",
    "EdgeKey": "A private key at the end of its range.",
    "EdgeDigest": "A digest at the end of its range, or above n.",
    "Random": "Key and digest from a reproducible generator.",
    "TextbookValid": "Holds by FIPS 186-5, but s is above (n-1)/2: refused by section 2.",
    "Wrong": "Must not verify.",
    "BadKey": "The public key is no point of the curve.",
    "Rfc9679": "The example of RFC 9679 section 6.",
}

# RFC 6979 A.2.5, SHA-256: message, r, s as printed.
RFC_6979 = [
    (
        "sample",
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    ),
    (
        "test",
        0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
        0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
    ),
]

# RFC 9679 section 6: the key of the example and its SHA-256 thumbprint.
RFC_9679_X = "65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d"
RFC_9679_Y = "1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c"
RFC_9679_THUMBPRINT = "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"


def sign_test(name, flags, key, digest, message=None):
    """Return a test of signing: everything that RFC 6979 fixes."""
    r, s, k = sign_rs(key.private, digest)
    assert vec_p256.verify(key.public, digest, r, s), name
    height = "HighS" if s > N // 2 else "LowS"
    return {
        "id": name,
        "kind": "sign",
        "comment": "" if message is None else f'SHA-256 of "{message}"',
        "flags": [*flags, height],
        "private_hex": key.private.to_bytes(32, "big").hex(),
        "public_hex": key.public.hex(),
        "digest_hex": digest.hex(),
        "nonce_hex": k.to_bytes(32, "big").hex(),
        "rfc6979_hex": join(r, s).hex(),
        "signature_hex": join(r, min(s, N - s)).hex(),
        "result": "valid",
        "error": None,
    }


def signing():
    """Yield the tests of signing."""
    for message, r, s in RFC_6979:
        digest = hashlib.sha256(message.encode()).digest()
        test = sign_test(f"rfc6979-{message}", ["Rfc6979"], DEVICE, digest, message)
        assert test["rfc6979_hex"] == join(r, s).hex(), message
        yield test
    digest = hashlib.sha256(b"edge").digest()
    for name, private in (("1", 1), ("2", 2), ("n-1", N - 1), ("n-2", N - 2), ("2-255", 2**255)):
        yield sign_test(f"key-{name}", ["EdgeKey"], Key(name, private), digest)
    for name, number in (
        ("0", 0),
        ("1", 1),
        ("n-1", N - 1),
        ("n", N),
        ("n+1", N + 1),
        ("max", -1),
    ):
        digest = (number % 2**256).to_bytes(32, "big")
        yield sign_test(f"digest-{name}", ["EdgeDigest"], DEVICE, digest)
    noise = Noise("p256")
    for i in range(29):
        key, number = Key("random", 1 + noise.below(N - 1)), noise.below(2**256)
        yield sign_test(f"random-{i}", ["Random"], key, number.to_bytes(32, "big"))


def verify_test(name, flags, public, digest, signature, error=None):
    """Return a test of verifying."""
    return {
        "id": name,
        "kind": "verify",
        "comment": "",
        "flags": flags,
        "public_hex": public.hex(),
        "digest_hex": digest.hex(),
        "signature_hex": signature.hex(),
        "result": "invalid" if error else "valid",
        "error": error,
    }


def verifying():
    """Yield the tests of verifying; those of signing serve too."""
    key, digest = DEVICE, hashlib.sha256(b"verify").digest()
    r, s, _ = sign_rs(key.private, digest)
    low = min(s, N - s)
    yield verify_test("low-s", [], key.public, digest, join(r, low))
    high = join(r, N - low)
    yield verify_test("high-s", ["TextbookValid"], key.public, digest, high, "signature-high-s")
    for name, pair in (
        ("r-0", (0, low)),
        ("s-0", (r, 0)),
        ("both-0", (0, 0)),
        ("r-n", (N, low)),
        ("s-n", (r, N)),
        ("r-max", (2**256 - 1, low)),
        ("s-max", (r, 2**256 - 1)),
    ):
        data = join(*pair)
        yield verify_test(name, ["Wrong"], key.public, digest, data, "signature-range")
    other = vec_p256.OTHER.public
    for name, public, number, pair in (
        ("other-key", other, digest, (r, low)),
        ("other-digest", key.public, hashlib.sha256(b"x").digest(), (r, low)),
        ("r-plus-1", key.public, digest, (r + 1, low)),
        ("s-minus-1", key.public, digest, (r, low - 1)),
        ("one-one", key.public, digest, (1, 1)),
        ("negated-key", negated(key.public), digest, (r, low)),
    ):
        data = join(*pair)
        yield verify_test(name, ["Wrong"], public, number, data, "signature-invalid")
    for name, public in bad_keys(key.public):
        yield verify_test(name, ["BadKey"], public, digest, join(r, low), "key-invalid")


def negated(public):
    """Return the public key with -y for y: the negative of the point."""
    y = int.from_bytes(public[33:], "big")
    return public[:33] + (P - y).to_bytes(32, "big")


def bad_keys(public):
    """Yield (id, bytes) that are no public key."""
    yield "key-off-curve", public[:-1] + bytes([public[-1] ^ 1])
    yield "key-zero", b"\x04" + bytes(64)
    yield "key-x-above-p", b"\x04" + (P + 5).to_bytes(32, "big") + public[33:]
    yield "key-y-above-p", public[:33] + b"\xff" * 32
    yield "key-prefix-02-long", b"\x02" + public[1:]
    yield "key-64-bytes", public[:-1]
    yield "key-66-bytes", public + b"\x00"


def thumbprint_test(name, flags, public):
    """Return a test of the thumbprint and the kid."""
    thumbprint = vec_p256.thumbprint(public)
    return {
        "id": name,
        "kind": "thumbprint",
        "comment": "",
        "flags": flags,
        "public_hex": public.hex(),
        "thumbprint_hex": thumbprint.hex(),
        "kid_hex": thumbprint[:8].hex(),
        "result": "valid",
        "error": None,
    }


def thumbprints():
    """Yield the tests of thumbprints."""
    example = thumbprint_test(
        "rfc9679", ["Rfc9679"], bytes.fromhex("04" + RFC_9679_X + RFC_9679_Y)
    )
    assert example["thumbprint_hex"] == RFC_9679_THUMBPRINT
    yield example
    for key in KEYS:
        yield thumbprint_test(f"kid-{key.name}", [], key.public)
    zeros = next(key for key in map(small_key, range(1, 5_000)) if key.public[1] == 0)
    yield thumbprint_test("kid-x-begins-with-zero", [], zeros.public)


def small_key(private):
    """Return the key of a small private integer."""
    return Key(f"small {private}", private)


def content():
    """Return the content of p256_v1.json."""
    return {"format": 1, "notes": NOTES, "tests": [*signing(), *verifying(), *thumbprints()]}
