"""The device's ECDSA P-256, on the MicroPython VM, against `cryptography`, and the table's origin.

One VM process takes all calls of a test, one line each, on its standard input.
"""

import hashlib
import hmac
import os
import random
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware"
MICROPYTHON = Path(sysconfig.get_path("scripts")) / "micropython"
CURVE = ec.SECP256R1()
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
PREHASHED = ec.ECDSA(Prehashed(SHA256()))

# Calls a function of the device for each input line: name, arguments in hexadecimal ("-": empty).
WORKER = """
import sys
from binascii import hexlify, unhexlify
from agent import p256
from agent.p256_nonce import derive_nonce

def nonce(private, digest, order):
    return derive_nonce(private, digest, int.from_bytes(order, "big")).to_bytes(32, "big")

calls = {"sign": p256.sign_digest, "public": p256.public_key, "verify": p256.verify_digest}
calls["nonce"] = nonce
p256.check_table()
for line in sys.stdin:
    name, *arguments = line.split()
    answer = calls[name](*[unhexlify(a) if a != "-" else b"" for a in arguments])
    print(hexlify(answer).decode() if isinstance(answer, bytes) else answer)
"""


def on_device(calls: list[tuple[str, list[bytes]]]) -> list[str]:
    """The answers of the MicroPython VM to a list of calls."""
    lines = [" ".join([name, *(a.hex() or "-" for a in arguments)]) for name, arguments in calls]
    done = subprocess.run(
        [MICROPYTHON, "-c", WORKER],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        env={**os.environ, "MICROPYPATH": str(FIRMWARE)},
        check=False,
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr
    answers = done.stdout.splitlines()
    assert len(answers) == len(calls)
    return answers


def bytes_32(value: int) -> bytes:
    return value.to_bytes(32, "big")


def public_65(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def raw_signature(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return bytes_32(r) + bytes_32(s)


def random_key(source: random.Random) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """A private key and its 32 bytes; one in ten is small or near n."""
    d = source.randrange(1, N)
    if source.random() < 0.1:
        d = source.choice([1 + d % 300, N - 1 - d % 300, 1 << (d % 255)])
    return ec.derive_private_key(d, CURVE), bytes_32(d)


def test_a_thousand_signatures_are_those_of_cryptography() -> None:
    source = random.Random(6979)
    keys = [random_key(source) for _ in range(1000)]
    digests = [source.randbytes(32) for _ in keys]
    calls = [("sign", [k[1], h]) for k, h in zip(keys, digests, strict=True)]
    signatures = [bytes.fromhex(a) for a in on_device(calls)]
    rule = ec.ECDSA(Prehashed(SHA256()), deterministic_signing=True)
    for (private, _), digest, signature in zip(keys, digests, signatures, strict=True):
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        private.public_key().verify(encode_dss_signature(r, s), digest, PREHASHED)
        assert s <= N // 2
        expected_r, expected_s = decode_dss_signature(private.sign(digest, rule))
        assert (r, s) == (expected_r, min(expected_s, N - expected_s))


def test_public_keys_are_those_of_cryptography() -> None:
    source = random.Random(1)
    keys = [random_key(source) for _ in range(200)]
    answers = on_device([("public", [scalar]) for _, scalar in keys])
    assert [bytes.fromhex(a) for a in answers] == [public_65(private) for private, _ in keys]


def reference_nonce(private: bytes, digest: bytes, order: int) -> tuple[int, int]:
    """RFC 6979, 3.2, word for word: the nonce and how many candidates it took."""

    def mac(key: bytes, message: bytes) -> bytes:
        return hmac.new(key, message, hashlib.sha256).digest()

    seed = private + bytes_32(int.from_bytes(digest, "big") % order)
    key, v = bytes(32), b"\x01" * 32
    for letter in (b"\x00", b"\x01"):
        key = mac(key, v + letter + seed)
        v = mac(key, v)
    tries = 0
    while True:
        tries += 1
        v = mac(key, v)
        if 0 < int.from_bytes(v, "big") < order:
            return int.from_bytes(v, "big"), tries
        key = mac(key, v + b"\x00")
        v = mac(key, v)


def test_nonces_where_half_of_the_candidates_are_beyond_the_order() -> None:
    source = random.Random(2)
    orders = [N, 2**255 + 95, 2**255 + 2**254 + 1]
    cases = [
        (bytes_32(source.randrange(1, order)), source.randbytes(32), order)
        for order in orders
        for _ in range(40)
    ]
    answers = on_device([("nonce", [d, h, bytes_32(order)]) for d, h, order in cases])
    expected = [reference_nonce(*case) for case in cases]
    assert [int(a, 16) for a in answers] == [k for k, _ in expected]
    assert max(tries for _, tries in expected) > 3


def cryptography_says(public: bytes, digest: bytes, signature: bytes) -> bool:
    """Whether `cryptography` takes a key in 65 bytes, a digest and a signature r || s."""
    if len(public) != 65 or public[0] != 4 or len(signature) != 64:
        return False  # the device takes these forms only
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, public)
        key.verify(encode_dss_signature(r, s), digest, PREHASHED)
    except (InvalidSignature, ValueError):
        return False
    return True


def bad_numbers(source: random.Random) -> bytes:
    """A number that r and s must not be, or a wrong one."""
    return bytes_32(source.choice([0, N, N + 1, P, 2**256 - 1, 1, N - 1, source.randrange(N)]))


def bad_key(source: random.Random, public: bytes) -> bytes:
    """A public key in the wrong form, off the curve, or another's."""
    x, y = public[1:33], public[33:]
    return source.choice(
        [
            b"\x04" + bytes(64),
            b"\x04" + x + bytes_32(int.from_bytes(y, "big") ^ 1 << source.randrange(255)),
            b"\x04" + x + bytes_32(P - int.from_bytes(y, "big")),
            b"\x04" + y + x,
            bytes([2 + y[31] % 2]) + x,
            bytes([source.choice([0, 2, 3, 5, 6, 7])]) + x + y,
            public[: source.randrange(65)],
            public + b"\x00",
            b"\x04" + x + b"\xff" * 32,
            public_65(random_key(source)[0]),
        ]
    )


def changed(source: random.Random, public: bytes, digest: bytes, signature: bytes) -> list[bytes]:
    """One case out of a good one: some stay good, most do not."""
    r, s = signature[:32], signature[32:]
    mirrored = bytes_32(N - int.from_bytes(s, "big"))
    kind = source.randrange(10)
    if kind == 0:
        public = bad_key(source, public)
    elif kind in (1, 2, 3):
        bad = bad_numbers(source)
        signature = [bad + s, r + bad, bad + bad][kind - 1]
    elif kind == 4:
        signature = (
            bytes_32(int.from_bytes(signature[:32], "big") ^ 1 << source.randrange(256)) + s
        )
    elif kind == 5:
        digest = source.choice([source.randbytes(32), digest[:31], digest + b"\x00", b""])
    elif kind == 6:
        signature = source.choice([signature[:63], signature + b"\x00", b"", s + r])
    elif kind == 7:
        signature = r + mirrored
    return [public, digest, signature]


def verification_cases(count: int) -> list[list[bytes]]:
    source = random.Random(186)
    cases = []
    for _ in range(count):
        private, _ = random_key(source)
        digest = source.choice([source.randbytes(32), bytes(32), b"\xff" * 32, bytes_32(N)])
        signature = raw_signature(private.sign(digest, PREHASHED))
        cases.append(changed(source, public_65(private), digest, signature))
    return cases


@pytest.mark.parametrize("count", [300, pytest.param(2000, marks=pytest.mark.long)])
def test_verification_agrees_with_cryptography(count: int) -> None:
    cases = verification_cases(count)
    answers = [a == "True" for a in on_device([("verify", case) for case in cases])]
    assert answers == [cryptography_says(*case) for case in cases]
    print(f"{count} cases: {sum(answers)} accepted, {count - sum(answers)} refused, by both alike")
    assert count // 5 < sum(answers) < count * 4 // 5  # both answers occur often


def edge_cases() -> list[list[bytes]]:
    """Every pair of edges for r and s; every edge of a public key with a good signature."""
    source = random.Random(42)
    private, _ = random_key(source)
    digest, public = source.randbytes(32), public_65(private)
    good = raw_signature(private.sign(digest, PREHASHED))
    r, s = (int.from_bytes(half, "big") for half in (good[:32], good[32:]))
    edges = [0, 1, N - 1, N, N + 1, P - 1, P, 2**256 - 1]
    cases = [
        [public, digest, bytes_32(a) + bytes_32(b)]
        for a in [*edges, r]
        for b in [*edges, s, N - s]
    ]
    x, y = int.from_bytes(public[1:33], "big"), int.from_bytes(public[33:], "big")
    points = [(0, 0), (x, 0), (0, y), (x, y ^ 1), (x ^ 1, y), (x, P - y), (y, x), (P, y), (x, P)]
    points += [(N, N), (2**256 - 1, 2**256 - 1), (x, y)]
    cases += [[b"\x04" + bytes_32(a) + bytes_32(b), digest, good] for a, b in points]
    return [
        *cases,
        [bytes(65), digest, good],
        [public, bytes(32), good],
        [public, digest, bytes(64)],
    ]


def test_edges_of_signatures_and_keys_agree_with_cryptography() -> None:
    cases = edge_cases()
    answers = [a == "True" for a in on_device([("verify", case) for case in cases])]
    assert answers == [cryptography_says(*case) for case in cases]
    assert sum(answers) == 3  # the good one with either s, and with its own key once more
    print(f"{len(cases)} edge cases alike")


def test_the_table_is_what_its_generator_writes() -> None:
    path = FIRMWARE / "agent" / "p256_table.bin"
    sys.path.insert(0, str(FIRMWARE / "tools"))
    try:
        import make_p256_table
    finally:
        sys.path.pop(0)
    assert make_p256_table.make_table() == path.read_bytes()


def test_every_table_entry_is_the_multiple_that_cryptography_computes() -> None:
    table = (FIRMWARE / "agent" / "p256_table.bin").read_bytes()
    assert len(table) == 8 * 128 * 68
    for index in range(8 * 128):
        block, entry = divmod(index, 128)
        base = 64 * (block // 2) + 4 * (block % 2)
        signs = [1 if entry >> t & 1 else -1 for t in range(7)] + [1]
        scalar = sum(sign << (base + 8 * t) for t, sign in enumerate(signs))
        point = public_65(ec.derive_private_key(scalar % N, CURVE))
        assert table[68 * index : 68 * index + 64] == point[1:], index
        tag = scalar + sum(int.from_bytes(half, "big") for half in (point[1:33], point[33:]))
        assert int.from_bytes(table[68 * index + 64 : 68 * index + 68], "big") == tag % (2**32 - 5)
