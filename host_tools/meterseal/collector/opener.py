"""Opens batches at ingest: envelope, signature with the key that the kid names, schema."""

from collections.abc import Callable, Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from meterseal.errors import BadSignature, UnknownKey
from meterseal.models import SealedBatch
from meterseal.trust import TrustedKey
from meterseal.wire import cbor, schema
from meterseal.wire.envelope import open_envelope

Opener = Callable[[bytes], SealedBatch]
"""Checks envelope, signature and schema of one batch; raises VerificationError."""

_ES256: Final = ec.ECDSA(Prehashed(SHA256()))


class KeyOpener:
    """An Opener for known devices. `keys`: by kid (8 bytes), revoked ones included.

    What was sealed with a key that was revoked later is evidence all the same: judging it is the
    verifier's part.
    """

    def __init__(self, keys: Mapping[bytes, TrustedKey]) -> None:
        self._keys = keys

    def __call__(self, raw: bytes) -> SealedBatch:
        """Raises VerificationError with the codes of WIRE_FORMAT section 11."""
        envelope = open_envelope(raw)
        key = self._keys.get(envelope.kid)
        if key is None:
            text = f"expected a device of the trust file, found {envelope.kid.hex()}"
            raise UnknownKey("key-unknown", text)
        signature = envelope.signature
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        try:
            key.loaded.verify(encode_dss_signature(r, s), envelope.digest, _ES256)
        except InvalidSignature:
            text = f"expected a signature of device {envelope.kid.hex()}, found another"
            raise BadSignature("signature-invalid", text) from None
        contents = schema.check_payload(cbor.decode_map(envelope.payload))
        return SealedBatch(raw, envelope.kid, envelope.digest, contents)
