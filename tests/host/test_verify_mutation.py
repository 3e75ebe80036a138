"""Every change of a sealed batch is refused; a foreign COSE library verifies a batch."""

import random
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cwt import COSE, COSEKey
from meterseal.errors import MalformedBatch
from meterseal.wire.envelope import open_envelope
from support.host import KEYS, VALID, by_id, code_of, make_verifier, raw
from support.sealed import ORDER, private_key, seal

BATCH = by_id("sdm120-hour")
SMALL = by_id("genesis-zero-readings")
VERIFIER = make_verifier("device")


def refused(data: bytes) -> str:
    code = code_of(VERIFIER.authenticate, data)
    assert code is not None, "an altered batch was accepted"
    return code


def test_every_byte_flipped_once() -> None:
    """One other value, and each single bit, of every byte of a batch of an hour."""
    source = random.Random(1)
    batch = raw(BATCH)
    assert code_of(VERIFIER.authenticate, batch) is None
    for at in range(len(batch)):
        for change in (source.randrange(1, 256), 1 << source.randrange(8)):
            refused(batch[:at] + bytes((batch[at] ^ change,)) + batch[at + 1 :])


@pytest.mark.long
def test_every_value_of_every_byte() -> None:
    batch = raw(SMALL)
    for at in range(len(batch)):
        for value in set(range(256)) - {batch[at]}:
            refused(batch[:at] + bytes((value,)) + batch[at + 1 :])


@pytest.mark.long
def test_every_bit_of_every_valid_vector() -> None:
    for test in VALID:
        batch = raw(test)
        for at in range(len(batch)) if len(batch) < 2000 else range(0, len(batch), 97):
            for bit in range(8):
                refused(batch[:at] + bytes((batch[at] ^ 1 << bit,)) + batch[at + 1 :])


@pytest.mark.parametrize("test", VALID[::7], ids=lambda test: test["id"])
def test_cut_at_every_length(test: dict[str, Any]) -> None:
    batch = raw(test)[:3000]
    lengths = range(len(batch) - (len(batch) < 3000))
    for length in lengths:
        with pytest.raises(MalformedBatch) as refusal:
            open_envelope(batch[:length])
        assert refusal.value.code == "batch-truncated"


def test_bytes_behind_the_batch() -> None:
    batch = raw(BATCH)
    for more in (b"\x00", b"\xf6", batch):
        assert refused(batch + more) == "batch-trailing"


def test_bytes_removed_or_doubled() -> None:
    batch = raw(SMALL)
    for at in range(len(batch)):
        refused(batch[:at] + batch[at + 1 :])
        refused(batch[: at + 1] + batch[at:])


def test_the_other_signature() -> None:
    """(r, n-s) is the same signature to a lax verifier."""
    batch = raw(BATCH)
    s = int.from_bytes(batch[-32:], "big")
    assert refused(batch[:-32] + (ORDER - s).to_bytes(32, "big")) == "signature-high-s"


def test_structures_of_other_kinds_are_not_batches() -> None:
    key = private_key(int(KEYS["device"]["private_hex"], 16))
    payload = bytes.fromhex(BATCH["payload_hex"])
    assert code_of(VERIFIER.authenticate, seal(payload, key)[0]) is None
    for content_type in (65_002, 65_003, 65_004):
        assert refused(seal(payload, key, content_type)[0]) == "cose-content-type"


@pytest.mark.parametrize("test", [BATCH, SMALL, by_id("readings-1024")], ids=lambda t: t["id"])
def test_a_foreign_library_verifies_it(test: dict[str, Any]) -> None:
    """`cwt`, from nothing but the public key."""
    point = bytes.fromhex(KEYS["device"]["public_hex"])
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    key = COSEKey.from_pem(pem, kid=bytes.fromhex(KEYS["device"]["kid_hex"]), alg="ES256")
    assert COSE.new().decode(raw(test), key) == bytes.fromhex(test["payload_hex"])
