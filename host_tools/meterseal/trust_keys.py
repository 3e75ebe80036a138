"""Keys as trust files and anchors name them: P-256 points, thumbprints, signatures."""

import hashlib
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
)

from meterseal.errors import EnvironmentProblem, TrustError

KID_LEN: Final = 8
PUBLIC_KEY_LEN: Final = 65

_ALGORITHM: Final = ec.ECDSA(Prehashed(hashes.SHA256()))
# Order of the group of P-256 (SEC 2 version 2, section 2.4.2).
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def thumbprint(public_key: bytes) -> bytes:
    """COSE Key Thumbprint of a P-256 key of 65 bytes (RFC 9679, SHA-256): 32 bytes."""
    x, y = public_key[1:33], public_key[33:]
    return hashlib.sha256(b"\xa4\x01\x02\x20\x01\x21\x58\x20%b\x22\x58\x20%b" % (x, y)).digest()


def kid_of(public_key: bytes) -> bytes:
    """Device id: the first 8 bytes of the thumbprint."""
    return thumbprint(public_key)[:KID_LEN]


def fingerprint(public_key: bytes) -> str:
    """What people compare: SHA-256 of the key's 65 bytes, in hexadecimal."""
    return hashlib.sha256(public_key).hexdigest()


def load_public_key(public_key: bytes) -> ec.EllipticCurvePublicKey:
    """Key of 65 bytes (uncompressed point). Raises TrustError `trust-key`."""
    try:
        if len(public_key) != PUBLIC_KEY_LEN:
            raise ValueError(f"{len(public_key)} bytes")
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    except ValueError as problem:
        text = f"expected a P-256 point of 65 bytes, found: {problem}"
        raise TrustError("trust-key", text) from None


def public_bytes(key: ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey) -> bytes:
    """The 65 bytes of a key."""
    public = key.public_key() if isinstance(key, ec.EllipticCurvePrivateKey) else key
    return public.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


def sign_message(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """ES256 with low s: r || s, 64 bytes."""
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + min(s, _ORDER - s).to_bytes(32, "big")


def message_verifies(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether 64 bytes r || s are an ES256 signature over a message."""
    return verify_digest(load_public_key(public_key), hashlib.sha256(message).digest(), signature)


def verify_digest(key: ec.EllipticCurvePublicKey, digest: bytes, signature: bytes) -> bool:
    """Whether 64 bytes r || s are an ECDSA signature over a SHA-256 digest."""
    if len(signature) != 64:
        return False
    try:
        key.verify(_der(signature), digest, _ALGORITHM)
    except InvalidSignature:
        return False
    return True


def _der(signature: bytes) -> bytes:
    """The signature as ASN.1 (RFC 3279 section 2.2.3); the library's encoder takes longer."""
    r, s = signature[:32], signature[32:]
    if r[0] and 0 < s[0] < 0x80:  # nearly always: s is below half the order
        if r[0] < 0x80:
            return b"\x30\x44\x02\x20%b\x02\x20%b" % (r, s)
        return b"\x30\x45\x02\x21\0%b\x02\x20%b" % (r, s)
    numbers = _asn1_integer(r) + _asn1_integer(s)
    return b"\x30%c%b" % (len(numbers), numbers)


def _asn1_integer(number: bytes) -> bytes:
    digits = number.lstrip(b"\0") or b"\0"
    if digits[0] > 0x7F:
        digits = b"\0" + digits
    return b"\x02%c%b" % (len(digits), digits)


def read_anchor(text: str) -> str:
    """Fingerprint from what a person gives: 64 hexadecimal digits, or a file with a public key.

    Raises EnvironmentProblem `anchor-unreadable`, TrustError `trust-key`.
    """
    stripped = text.replace(":", "").replace(" ", "").lower()
    if len(stripped) == 64 and all(digit in "0123456789abcdef" for digit in stripped):
        return stripped
    try:
        data = Path(text).read_bytes()
    except OSError as problem:
        raise EnvironmentProblem(
            "anchor-unreadable",
            f"expected a fingerprint of 64 hexadecimal digits or a key file: {problem}",
            "Give the operator key's fingerprint, or the path of its public key in PEM.",
        ) from problem
    return fingerprint(public_bytes(_load_pem(data)))


def load_public_file(path: Path) -> bytes:
    """The 65 bytes of a public key in a PEM file.

    Raises EnvironmentProblem `key-unreadable`, TrustError `trust-key`.
    """
    try:
        return public_bytes(_load_pem(path.read_bytes()))
    except OSError as problem:
        raise EnvironmentProblem(
            "key-unreadable", f"expected a public key in PEM: {problem}", "Give the *.pem file."
        ) from problem


def _load_pem(data: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_pem_public_key(data)
    except ValueError as problem:
        raise TrustError("trust-key", f"expected a public key in PEM, found: {problem}") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise TrustError("trust-key", "expected a P-256 key, found another kind")
    return key
