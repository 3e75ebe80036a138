"""The nonce of ECDSA, derived from key and digest with HMAC-SHA256 (RFC 6979, 3.2; RFC 2104).

No random numbers are needed to sign, so a weak generator cannot leak the key. It must never be
used with two keys or digests run together: both are exactly 32 bytes, which the caller has
checked.
"""

from hashlib import sha256

_INNER = int.from_bytes(b"\x36" * 32, "big")
_OUTER = int.from_bytes(b"\x5c" * 32, "big")
_INNER_REST = b"\x36" * 32
_OUTER_REST = b"\x5c" * 32


def _pads(key_32):
    """Inner and outer block of HMAC: the key, filled up to 64 bytes with zeros, xor the pad."""
    key = int.from_bytes(key_32, "big")  # one integer xor instead of 64 steps
    inner = (key ^ _INNER).to_bytes(32, "big") + _INNER_REST
    return inner, (key ^ _OUTER).to_bytes(32, "big") + _OUTER_REST


def _hmac(pads, message):
    return sha256(pads[1] + sha256(pads[0] + message).digest()).digest()


def hmac_sha256(key_32, message):
    """HMAC-SHA256 of a message with a key of 32 bytes."""
    return _hmac(_pads(key_32), message)


def derive_nonce(private_32, digest_32, order):
    """The nonce k, 0 < k < order, for an order of 256 bits (letters: steps of RFC 6979, 3.2)."""
    z = int.from_bytes(digest_32, "big")
    if z >= order:
        digest_32 = (z - order).to_bytes(32, "big")
    seed = private_32 + digest_32
    v = b"\x01" * 32  # b
    pads = _pads(b"\x00" * 32)  # c
    pads = _pads(_hmac(pads, v + b"\x00" + seed))  # d
    v = _hmac(pads, v)  # e
    pads = _pads(_hmac(pads, v + b"\x01" + seed))  # f
    v = _hmac(pads, v)  # g
    while True:  # h; a second turn has a chance of 2^-32 with the order of P-256
        v = _hmac(pads, v)
        k = int.from_bytes(v, "big")
        if 0 < k < order:
            return k
        pads = _pads(_hmac(pads, v + b"\x00"))
        v = _hmac(pads, v)
