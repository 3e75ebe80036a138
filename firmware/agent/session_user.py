"""Who charged: a keyed pseudonym (HMAC-SHA256) from the first moment on.

Pure apart from the key in the store. Must never keep, log or return an identifier.
"""

import binascii
import hashlib

from .constant import const
from .errors import SessionError

_PSEUDONYM_LEN = const(16)
_MOST_USER = const(64)
_KEY_NAME = const("pseudonym_key")


def pseudonym(key, user):
    """First 16 bytes of HMAC-SHA256 (RFC 2104) of the UTF-8 of `user`."""
    block = key if len(key) <= 64 else hashlib.sha256(key).digest()
    block = block + bytes(64 - len(block))
    inner = hashlib.sha256(bytes([b ^ 0x36 for b in block]) + user.encode()).digest()
    outer = hashlib.sha256(bytes([b ^ 0x5C for b in block]) + inner)
    return outer.digest()[:_PSEUDONYM_LEN]


def pseudonym_key(board, secret):
    """The operator's key if there is one, or one made here, once."""
    if secret:
        return secret.encode()
    key = board.store.get(_KEY_NAME)
    if not key:
        key = board.random(32)
        board.store.set(_KEY_NAME, key)
    return key


def pseudonym_hex(key, user):
    """The pseudonym in hex, empty for nobody. SessionError `session-user`."""
    if len(user.encode()) > _MOST_USER:
        raise SessionError(
            "session-user",
            "expected an identifier of at most %d bytes, found %d; nothing was begun"
            % (_MOST_USER, len(user.encode())),
        )
    return binascii.hexlify(pseudonym(key, user)).decode() if user else ""
