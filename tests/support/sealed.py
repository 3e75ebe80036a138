"""Seals payloads for host tests by cbor2 and cryptography: neither the device's code nor ours."""

import hashlib
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
CONTENT_BATCH = 65001


def private_key(number: int) -> ec.EllipticCurvePrivateKey:
    """A key that is the same in every run."""
    return ec.derive_private_key(number, ec.SECP256R1())


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The 65 bytes of the public key."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def kid_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """First 8 bytes of the COSE Key Thumbprint (RFC 9679)."""
    public = public_bytes(key)
    cose_key = {1: 2, -1: 1, -2: public[1:33], -3: public[33:]}
    return hashlib.sha256(cbor2.dumps(cose_key)).digest()[:8]


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """r || s with low s."""
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + min(s, ORDER - s).to_bytes(32, "big")


def seal(
    payload: dict[int, Any] | bytes,
    key: ec.EllipticCurvePrivateKey,
    content_type: int = CONTENT_BATCH,
) -> tuple[bytes, bytes]:
    """A batch (or another structure) and its hash; `payload` as a map or as bytes."""
    data = payload if isinstance(payload, bytes) else cbor2.dumps(payload, canonical=True)
    protected = cbor2.dumps({1: -7, 3: content_type, 4: kid_of(key)})
    signed = cbor2.dumps(["Signature1", protected, b"", data])
    batch = cbor2.CBORTag(18, [protected, {}, data, sign(key, signed)])
    return cbor2.dumps(batch), hashlib.sha256(signed).digest()
