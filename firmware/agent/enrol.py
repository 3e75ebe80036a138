"""Makes the device key, once, and says whose key it is. The private key stays in the state store.

The record that is returned names the board to the registry; its hash goes into the genesis batch.
Must never make a second key, and never return or print anything that is secret.
"""

import binascii
import hashlib

from . import keystore_create
from .errors import KeystoreError
from .keystore import Keystore
from .sealer_payload import PROVISIONING

_CLASSES = ("sim", "software", "secure-element")


def enrol(board, host_entropy):
    """device_id, public_key, key_class, provisioning_hash; makes what is missing."""
    try:
        keystore = Keystore.load(board.store)
    except KeystoreError as error:
        if error.code != "key-missing":
            raise
        keystore = _create(board, host_entropy)
    signer = keystore.signer(getattr(board, "element", None))
    record = provisioning_record(signer)
    digest = hashlib.sha256(record.encode()).digest()
    if board.store.get(PROVISIONING) is None:
        board.store.set(PROVISIONING, digest)
    return {
        "device_id": _hex(signer.kid_8),
        "public_key": _hex(signer.public_65),
        "key_class": _CLASSES[signer.key_class],
        "provisioning_hash": _hex(board.store.get(PROVISIONING)),
    }


def _create(board, host_entropy):
    """In the secure element if the configuration names one and it answers; else in flash."""
    chip = getattr(board, "element", None)
    if chip:
        return keystore_create.create_element(board.store, chip)
    return keystore_create.create(board.store, board.key_entropy, host_entropy, board.key_class)


def provisioning_record(signer):
    """The text whose hash the genesis batch states when nothing else was put on record."""
    return "meterseal provisioning v1\n%s\n%s\n" % (
        _hex(signer.public_65),
        _CLASSES[signer.key_class],
    )


def _hex(data):
    return binascii.hexlify(data).decode()
