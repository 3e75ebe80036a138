"""A new key for this board, which the old one names in a signed statement. Loaded when asked for.

The statement (content type 65003, payload {0: 1, 1: new public key}) is in the state store before
the new key is, and is given again as long as the same old key is meant: a cable pulled in between
loses nothing. Session records that wait are sealed by the old key first. Afterwards the old key is
gone; the chain begins anew and names the old one's head. Must never run beside the application,
which holds the old key, and never give a key away.
"""

import binascii

from . import cbor
from .errors import KeystoreError
from .keystore import REASON_ROLLOVER, Keystore, Mark, Origin
from .keystore_create import new_private_key
from .signer import CONTENT_ROLLOVER, SoftwareSigner

NAME = "rollover"
_KID_LEN = 8
_NO_HASH = bytes(32)


def roll_over(board, old_device_id, host_entropy):
    """Replace the key of `old_device_id` (hexadecimal): device_id, public_key, statement."""
    old_kid_8 = binascii.unhexlify(old_device_id)
    keystore = Keystore.load(board.store)
    signer = keystore.signer()
    if signer.kid_8 == old_kid_8:
        from .rollover_seal import seal_waiting

        seal_waiting(board, keystore, signer)
        signer = _replace(board, keystore, signer, host_entropy)
    kept = board.store.get(NAME) or b""
    if kept[:_KID_LEN] != old_kid_8:
        raise KeystoreError(
            "rollover-key",
            "expected the id of the present key or of the one before it, found another",
        )
    return {
        "device_id": _hex(signer.kid_8),
        "public_key": _hex(signer.public_65),
        "statement": _hex(kept[_KID_LEN:]),
    }


def _replace(board, keystore, old, host_entropy):
    """The signer of the new key, once statement and key are durable."""
    private_32 = new_private_key(board.key_entropy, host_entropy)
    new = SoftwareSigner(private_32, keystore.key_class)
    payload = cbor.encode({0: 1, 1: new.public_65})
    board.store.set(NAME, old.kid_8 + old.sign1(CONTENT_ROLLOVER, payload)[0])
    mark, origin = keystore.mark, keystore.origin
    if mark.number:
        origin = Origin(REASON_ROLLOVER, keystore.chain_16, mark.number, mark.hash_32)
    elif keystore.has_chain():
        origin = Origin(REASON_ROLLOVER, origin.chain_16, origin.number, origin.hash_32)
    chain_16 = bytes(board.random(16)) if keystore.has_chain() else keystore.chain_16
    made = Keystore(board.store, keystore.key_class, private_32, chain_16, mark, origin)
    made.save(chain_16, Mark(0, _NO_HASH, mark.next_sequence), origin)
    return new


def _hex(data):
    return binascii.hexlify(data).decode()
