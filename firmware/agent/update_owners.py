"""Whose updates count: two slots for owners' keys, so that one can be replaced by the other.

The keys of config.json count until an owner signs others; config.json changed over the cable
counts again. The key that signs a change stays in force: nobody can lock everybody out. Must never
take a key from settings that came from afar.
"""

import binascii
import hashlib

from agent.constant import const
from agent.errors import UpdateError
from agent.p256_field import P, on_curve
from agent.signer import kid_of

NAME = "owners"
_HEAD = const(12)  # hash of what config.json says, number
_KEY = const(65)
_MOST_REVOKED = const(8)


class Owners:
    """`configured`: hexadecimal public keys of config.json, one or two."""

    def __init__(self, store, configured):
        self._store = store
        self._mark_8 = hashlib.sha256(",".join(configured).encode()).digest()[:8]
        blob = store.get(NAME) or b""
        self.keys = [binascii.unhexlify(key) for key in configured]
        self.number, held, self.revoked = _unpack(blob)
        if blob[:8] == self._mark_8:
            self.keys = held
        else:  # the cable has others: what was replaced before must not be brought back
            known = [kid_of(key) for key in self.keys]
            gone = self.revoked + [kid_of(key) for key in held]
            self.revoked = [kid for kid in gone if kid not in known][-_MOST_REVOKED:]

    def key(self, kid_8):
        """The public key with this id; `update-owner-revoked`, `update-owner-unknown`."""
        for public_65 in self.keys:
            if kid_of(public_65) == kid_8:
                return public_65
        if kid_8 in self.revoked:
            raise UpdateError("update-owner-revoked", "signed by an owner's key that was revoked")
        raise UpdateError(
            "update-owner-unknown", "signed by a key that no owner of this board has"
        )

    def rotate(self, manifest):
        """Take the keys of a manifest in place of those held; durable on return."""
        keys = manifest.keys
        if manifest.number <= self.number:
            raise UpdateError(
                "update-older", "expected a number above %d, found %d"
                % (self.number, manifest.number)
            )  # fmt: skip
        if manifest.owner_65 not in keys or [key for key in keys if not _is_point(key)]:
            raise UpdateError(
                "update-owner-set",
                "expected the signing key and points of the curve, found others",
            )
        gone = [kid_of(key) for key in self.keys if key not in keys]
        revoked = [kid for kid in self.revoked + gone if kid not in [kid_of(key) for key in keys]]
        revoked = revoked[-_MOST_REVOKED:]
        head = self._mark_8 + manifest.number.to_bytes(4, "big") + bytes((len(keys),))
        self._store.set(NAME, head + b"".join(keys) + b"".join(revoked))
        self.keys, self.revoked, self.number = keys, revoked, manifest.number


def _unpack(blob):
    """(number, keys, revoked ids) of what the store holds."""
    if len(blob) <= _HEAD:
        return 0, [], []
    end = _HEAD + 1 + blob[_HEAD] * _KEY
    keys = [blob[i : i + _KEY] for i in range(_HEAD + 1, end, _KEY)]
    return (
        int.from_bytes(blob[8:12], "big"),
        keys,
        [blob[i : i + 8] for i in range(end, len(blob), 8)],
    )


def _is_point(public_65):
    x, y = (int.from_bytes(public_65[i : i + 32], "big") for i in (1, 33))
    return public_65[0] == 4 and x < P and y < P and on_curve(x, y, 1, 1)
