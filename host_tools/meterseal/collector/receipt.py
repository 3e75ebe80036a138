"""Receipts: the collector's signature over what it acknowledged (WIRE_FORMAT section 10).

The device keeps the newest one and states it in its next batch, so that the collector cannot later
deny what it took.
"""

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from meterseal.collector.records import Head
from meterseal.errors import EnvironmentProblem
from meterseal.trust_keys import kid_of
from meterseal.wire.envelope import CONTENT_RECEIPT, opening

MAX_ACKS: Final = 12
"""More would not fit into the 1,024 bytes that a batch has for a receipt."""
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_ES256: Final = ec.ECDSA(Prehashed(SHA256()))
_POINT: Final = (serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)

_PEM: Final = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


class ReceiptSigner:
    """Signs receipts with the collector's own P-256 key, which signs nothing else."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public_65 = key.public_key().public_bytes(*_POINT)
        self.public_pem = key.public_key().public_bytes(*_PEM)
        """What is given out, so that receipts can be checked."""
        self._opening = opening(CONTENT_RECEIPT) + kid_of(self.public_65)

    def sign(self, heads: Sequence[Head], t_unix_ms: int) -> bytes:
        """Receipt over the first MAX_ACKS acknowledged heads; empty if there is none."""
        held = [head for head in heads if head.number][:MAX_ACKS]
        if not held:
            return b""
        acks = b"".join(_ack(head) for head in held)
        payload = b"\xa3\x00\x01\x01%b\x02%b%b" % (_head(0, t_unix_ms), _head(4, len(held)), acks)
        item = _head(2, len(payload)) + payload
        signed = b"\x84\x6aSignature1\x51%b\x40%b" % (self._opening[3:], item)
        r, s = decode_dss_signature(self._key.sign(hashlib.sha256(signed).digest(), _ES256))
        low = min(s, _ORDER - s)
        signature = r.to_bytes(32, "big") + low.to_bytes(32, "big")
        return b"%b\xa0%b\x58\x40%b" % (self._opening, item, signature)


def load_or_create(path: Path) -> ReceiptSigner:
    """The key at `path`, PEM, made on first use; its public half is written beside it.

    Raises EnvironmentProblem `collector-receipt-key`.
    """
    try:
        if not path.exists():
            _create(path)
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise _unusable(path, str(error)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise _unusable(path, "another kind of key")
    signer = ReceiptSigner(key)
    _write_public(path.with_suffix(".pem"), signer.public_pem)
    return signer


def _write_public(path: Path, pem: bytes) -> None:
    """Whole or not at all. A copy: a directory that cannot be written is no reason to stop."""
    with contextlib.suppress(OSError):
        if not path.exists() or path.read_bytes() != pem:
            temporary = path.with_suffix(f".{os.getpid()}")
            temporary.write_bytes(pem)
            temporary.replace(path)


def _create(path: Path) -> None:
    """Whole or not at all, and never readable by others."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    temporary = path.with_suffix(".new")
    file = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(file, "wb") as stream:
        stream.write(pem)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def _unusable(path: Path, found: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        "collector-receipt-key",
        f"expected a P-256 key in PEM at {path}, found: {found}",
        "Restore the file. If it is lost, remove it: a new key is made; tell who holds receipts.",
    )


def _ack(head: Head) -> bytes:
    number = _head(0, head.number)
    return b"\x84\x48%b\x50%b%b\x58\x20%b" % (head.device, head.chain, number, head.hash)


def _head(major: int, value: int) -> bytes:
    """Head of a CBOR item in its shortest form (RFC 8949 section 4.2.1)."""
    if value < 24:
        return bytes([major << 5 | value])
    info = next(info for info in (24, 25, 26, 27) if value < 1 << 8 * (1 << info - 24))
    return bytes([major << 5 | info]) + value.to_bytes(1 << info - 24, "big")
