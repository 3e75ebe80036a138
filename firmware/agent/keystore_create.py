"""Makes the device key: when the board is put into service, and for a rollover.

The key is made on the board from its own generator and the host's entropy, and stays there. Must
never replace a key: `key-exists`. Apart from keystore because a station in service never needs it.
"""

import hashlib

from .constant import const
from .errors import KeystoreError
from .keystore import Keystore
from .p256_field import N
from .signer import KEY_CLASS_SECURE_ELEMENT, KEY_CLASS_SIM, KEY_CLASS_SOFTWARE

_MIN_ENTROPY_LEN = const(16)
_DRAWS = const(4)


def create(store, random, host_entropy, key_class):
    """Make the key of this board and store it. `random(n)`: n bytes of the board's own."""
    if key_class not in (KEY_CLASS_SIM, KEY_CLASS_SOFTWARE):
        raise KeystoreError(
            "key-class", "expected 0 (sim) or 1 (software), found %r" % (key_class,)
        )
    return Keystore.first(store, key_class, new_private_key(random, host_entropy))


def create_element(store, chip):
    """Make the key inside a secure element; the blob holds its record's hash instead."""
    from . import atecc608, keystore

    if store.get(keystore.NAME) is not None:
        raise KeystoreError("key-exists", "expected no device key, found one; it is kept")
    record = atecc608.make_record(chip)
    store.set(atecc608.NAME, record)
    return Keystore.first(store, KEY_CLASS_SECURE_ELEMENT, hashlib.sha256(record).digest())


def new_private_key(random, host_entropy):
    """A private key: SHA-256 over several draws of the board's generator and the host's entropy.

    Either source alone is enough if it is good. Start the radio first: without it the generator of
    an ESP32 is not a true one.
    """
    if len(host_entropy) < _MIN_ENTROPY_LEN:
        raise KeystoreError(
            "entropy-short",
            "expected %d bytes or more from the host, found %d"
            % (_MIN_ENTROPY_LEN, len(host_entropy)),
        )
    while True:
        draws = [bytes(random(32)) for _ in range(_DRAWS)]
        if len(set(draws)) < _DRAWS or any(len(draw) != 32 for draw in draws):
            raise KeystoreError(
                "entropy-stuck",
                "expected %d different draws of 32 bytes from the generator; is the radio on?"
                % _DRAWS,
            )
        digest = hashlib.sha256(b"meterseal device key v1")
        for part in draws:
            digest.update(part)
        digest.update(host_entropy)
        private_32 = digest.digest()
        if 0 < int.from_bytes(private_32, "big") < N:
            return private_32
