"""The device key and the high-water mark of its chain, in one blob of the state store.

One blob, so that neither can outlive the other: a board that lost its mark has lost its key too
and cannot seal a second batch under a number that it used before. The blob is replaced as a whole
by the store, durably. A blob that does not check is refused and left as it is; a new key is never
made in its place, and the mark is never lowered. The private key leaves this module only inside a
signer.
"""

import binascii
import struct
from collections import namedtuple

from agent.constant import const
from agent.errors import KeystoreError
from agent.signer import KEY_CLASS_SECURE_ELEMENT, SoftwareSigner

NAME = "keystore"

# Highest batch of the chain that may have left the device; number 0: none yet.
Mark = namedtuple("Mark", "number hash_32 next_sequence")
# Why the chain began, and the last chain, number and hash known then; number 0: none known.
Origin = namedtuple("Origin", "reason chain_16 number hash_32")

REASON_FIRST = 0
REASON_JOURNAL_LOST = 1
REASON_OPERATOR = 2
REASON_ROLLOVER = 3

_FORMAT = const(1)
_LAYOUT = const(">BB32s16sQ32sQB16sQ32s")
_NO_CHAIN = bytes(16)
_NO_HASH = bytes(32)


class Keystore:
    """Key, chain and mark; `load` the one that is there; `keystore_create` makes the first."""

    def __init__(self, store, key_class, private_32, chain_16, mark, origin):
        self._store = store
        self._private_32 = private_32
        self.key_class = key_class
        self.chain_16 = chain_16  # 16 zero bytes: no chain was begun
        self.mark = mark
        self.origin = origin

    @staticmethod
    def load(store):
        """The key and mark of this board; KeystoreError `key-missing` or `keystore-corrupt`."""
        blob = store.get(NAME)
        if blob is None:
            raise KeystoreError("key-missing", "expected a device key, found none; provision")
        size = struct.calcsize(_LAYOUT)
        if len(blob) != size + 4 or _crc(blob[:size]) != blob[size:] or blob[0] != _FORMAT:
            raise KeystoreError(
                "keystore-corrupt",
                "expected %d bytes of format %d with their CRC, found %d bytes; the board must be"
                " provisioned anew and its old key retired" % (size + 4, _FORMAT, len(blob)),
            )
        f = struct.unpack(_LAYOUT, blob[:size])
        return Keystore(store, f[1], f[2], f[3], Mark(f[4], f[5], f[6]), Origin(*f[7:11]))

    @staticmethod
    def first(store, key_class, private_32):
        """The first key of this board, stored; see keystore_create."""
        if store.get(NAME) is not None:
            raise KeystoreError("key-exists", "expected no device key, found one; it is kept")
        mark, origin = Mark(0, _NO_HASH, 1), Origin(REASON_FIRST, _NO_CHAIN, 0, _NO_HASH)
        made = Keystore(store, key_class, private_32, _NO_CHAIN, mark, origin)
        made.save(made.chain_16, made.mark, made.origin)
        return made

    def signer(self, chip=None):
        """The signer of this key; `chip`: the secure element, if the board has one."""
        if self.key_class == KEY_CLASS_SECURE_ELEMENT:
            from agent.atecc608 import load_signer

            return load_signer(self._store, self._private_32, chip)
        return SoftwareSigner(self._private_32, self.key_class)

    def has_chain(self):
        """Whether a chain was begun, even if none of its batches became durable."""
        return self.chain_16 != _NO_CHAIN

    def begin_chain(self, chain_16, reason):
        """Begin a chain: number 0, and as its origin the last head known. Durable on return."""
        if len(chain_16) != 16 or chain_16 in (_NO_CHAIN, self.chain_16):
            raise KeystoreError("keystore-chain", "expected 16 new random bytes as chain id")
        origin = Origin(reason, self.chain_16, self.mark.number, self.mark.hash_32)
        if not self.mark.number:  # nothing of the chain before ever left: its origin still holds
            last = self.origin
            origin = Origin(reason, last.chain_16, last.number, last.hash_32)
        self.save(bytes(chain_16), Mark(0, _NO_HASH, self.mark.next_sequence), origin)

    def raise_mark(self, number, hash_32, next_sequence):
        """Raise the mark to a durable batch; the same again is harmless, a lower one refused."""
        if (number, hash_32) == self.mark[:2]:
            return
        if number <= self.mark.number or not self.has_chain() or len(hash_32) != 32:
            raise KeystoreError(
                "keystore-mark",
                "expected a batch above %d, found %d; the mark stays" % (self.mark.number, number),
            )
        next_sequence = max(next_sequence, self.mark.next_sequence)
        self.save(self.chain_16, Mark(number, bytes(hash_32), next_sequence), self.origin)

    def save(self, chain_16, mark, origin):
        """Make all three durable at once."""
        blob = struct.pack(
            _LAYOUT, _FORMAT, self.key_class, self._private_32, chain_16, *(mark + origin)
        )
        self._store.set(NAME, blob + _crc(blob))
        self.chain_16, self.mark, self.origin = chain_16, mark, origin


def _crc(data):
    return (binascii.crc32(data) & 0xFFFFFFFF).to_bytes(4, "big")
