"""Signers: the only place that turns bytes into signatures of the device key.

A signer signs COSE_Sign1 structures of the device's own content types (WIRE_FORMAT.md section 2)
and OCMF payloads, which begin with `{` and so can never be taken for one. It must never sign a
digest or a structure that somebody supplies, nor a collector receipt. The secure element's signer
is in atecc608.
"""

import hashlib

from agent import cbor, forget
from agent.constant import const
from agent.errors import SignerError

CONTENT_BATCH = 65001
CONTENT_POSSESSION = 65002
CONTENT_ROLLOVER = 65003

KEY_CLASS_SIM = 0
KEY_CLASS_SOFTWARE = 1
KEY_CLASS_SECURE_ELEMENT = 2

_PROTECTED_HEAD = const(b"\xa3\x01\x26\x03\x19")  # {1: -7, 3: uint16
_SIG_STRUCTURE_HEAD = const(b"\x84\x6aSignature1\x51")  # ["Signature1", bstr of 17 bytes
_EMPTY_BYTES = const(b"\x40")
_BATCH_HEAD = const(b"\xd2\x84\x51")  # tag 18, array of four, bstr of 17 bytes
_EMPTY_MAP = const(b"\xa0")
_SIGNATURE_HEAD = const(b"\x58\x40")


def kid_of(public_65):
    """Device id: first 8 bytes of the COSE Key Thumbprint (RFC 9679) of a P-256 key."""
    x, y = public_65[1:33], public_65[33:65]
    cose_key = b"\xa4\x01\x02\x20\x01\x21\x58\x20" + x + b"\x22\x58\x20" + y
    return hashlib.sha256(cose_key).digest()[:8]


def protected_header(content_type, kid_8):
    """The 17 bytes of the protected header: {1: -7, 3: content type, 4: kid}."""
    return _PROTECTED_HEAD + content_type.to_bytes(2, "big") + b"\x04\x48" + kid_8


def _bytes_head(length):
    """Shortest head of a CBOR byte string."""
    out = bytearray()
    cbor.append_head(out, 0x40, length)
    return bytes(out)


def structure_hash(protected, payload):
    """Batch hash: SHA-256 of the Sig_structure (RFC 9052 section 4.4)."""
    digest = hashlib.sha256(_SIG_STRUCTURE_HEAD)
    digest.update(protected)
    digest.update(_EMPTY_BYTES + _bytes_head(len(payload)))
    digest.update(payload)
    return digest.digest()


def assemble(protected, payload, signature):
    """The bytes of the tagged COSE_Sign1; a bytearray `payload` becomes them, without a copy."""
    out = payload if isinstance(payload, bytearray) else bytearray(payload)
    out[:0] = _BATCH_HEAD + protected + _EMPTY_MAP + _bytes_head(len(payload))
    out.extend(_SIGNATURE_HEAD)
    out.extend(signature)
    return out if out is payload else bytes(out)


class Signer:
    """What every signer does; a kind of key adds public_65, kid_8, key_class and `_sign`."""

    def sign1(self, content_type, payload):
        """Sign a payload under a content type of the device: (COSE_Sign1 bytes, batch hash)."""
        if content_type not in (CONTENT_BATCH, CONTENT_POSSESSION, CONTENT_ROLLOVER):
            raise SignerError(
                "signer-content-type",
                "expected content type 65001, 65002 or 65003, found %r; nothing signed"
                % (content_type,),
            )
        protected = protected_header(content_type, self.kid_8)
        hash_32 = structure_hash(protected, payload)
        return assemble(protected, payload, self._sign(hash_32)), hash_32

    def sign_ocmf(self, text):
        """Sign the payload text of an OCMF record: r || s over SHA-256 of its UTF-8 bytes."""
        if not isinstance(text, str) or not text.startswith("{") or not text.endswith("}"):
            raise SignerError(
                "signer-ocmf",
                "expected the text of an OCMF payload, from '{' to '}'; nothing signed",
            )
        return self._sign(hashlib.sha256(text.encode()).digest())


class SoftwareSigner(Signer):
    """Signs with a private key in RAM (RFC 6979), which whoever holds the board can read."""

    def __init__(self, private_32, key_class=KEY_CLASS_SOFTWARE):
        if key_class not in (KEY_CLASS_SIM, KEY_CLASS_SOFTWARE):
            raise SignerError(
                "signer-key-class",
                "expected 0 (sim) or 1 (software) for a key in RAM, found %r" % (key_class,),
            )
        from agent import p256

        p256.check_table()  # a corrupted table must not leak the key
        self._private_32 = bytes(private_32)
        self.key_class = key_class
        self.public_65 = p256.public_key(self._private_32)
        self.kid_8 = kid_of(self.public_65)
        _forget()

    def _sign(self, digest_32):
        from agent import p256

        try:
            return p256.sign_digest(self._private_32, digest_32)
        finally:
            _forget()


def _forget():
    forget.scarce("p256", "p256_field", "p256_nonce", "p256_table", "p256_source")
