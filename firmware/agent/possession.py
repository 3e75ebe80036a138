"""Proves that this board holds the key that it names, over a nonce of whoever asks.

Content type 65002 of its own, so that a proof is never a batch (WIRE_FORMAT.md section 9). Loaded
when a board is put into service. Must never sign anything else.
"""

from . import cbor
from .errors import KeystoreError
from .keystore import Keystore
from .signer import CONTENT_POSSESSION

_NONCE_LEN = 32


def prove(board, nonce):
    """COSE_Sign1 over {0: 1, 1: nonce, 2: public key, 3: key class}."""
    if len(nonce) != _NONCE_LEN:
        raise KeystoreError(
            "possession-nonce", "expected a nonce of %d bytes, found %d" % (_NONCE_LEN, len(nonce))
        )
    signer = Keystore.load(board.store).signer(getattr(board, "element", None))
    payload = {0: 1, 1: bytes(nonce), 2: signer.public_65, 3: signer.key_class}
    return signer.sign1(CONTENT_POSSESSION, cbor.encode(payload))[0]
