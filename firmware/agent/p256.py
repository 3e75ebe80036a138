"""ECDSA with P-256 on digests (FIPS 186-5, 6.4; nonces of RFC 6979): sign, verify, public key.

The arithmetic is in p256_field, which a port may replace by a faster one; the signing table is in
p256_table. A signature is r || s, 64 bytes, with s <= n/2 as the wire format requires;
`verify_digest` takes either s, as plain ECDSA does. It must never return a signature from another
point than the nonce times the base point, on the curve or not: together with a good signature of
the same digest that would give the key away. It must never sign for a caller that has not built
the digest itself (signer.py does), nor where somebody can time it: nothing here takes constant
time.
"""

from agent.errors import SignerError
from agent.p256_field import N, P, add_points, double_point, inverse, on_curve, pair_sums
from agent.p256_nonce import derive_nonce
from agent.p256_table import (
    TAG_PRIME,
    check_table,
    comb_columns,
    comb_points,
    use_table,
)

__all__ = (
    "check_table",
    "public_key",
    "sign_digest",
    "sign_raw",
    "use_table",
    "verify_digest",
)


def _private_scalar(private_32):
    """The key as a number; refuses what is not a key of this curve."""
    if len(private_32) == 32:
        scalar = int.from_bytes(private_32, "big")
        if 0 < scalar < N:
            return scalar
    raise SignerError(
        "signer-key", "expected a private key of 32 bytes from 1 to n-1: provision the board again"
    )


def _base_multiple(scalar):
    """scalar * G as (X, Y, ZZ, ZZZ), checked; the scalar is odd."""
    columns = comb_columns(scalar)
    total = None
    left = scalar  # what the tags of the points must come to
    for half in ((2, 3), (0, 1)):  # one inversion for each: all at once would take more memory
        points, multiple = comb_points(columns, half)
        left -= multiple
        sums = pair_sums(points)
        total = add_points(double_point(total), sums[:4])
        total = add_points(double_point(total), sums[4:])
    if left % TAG_PRIME or total is None or not total[2] or not on_curve(*total):
        raise SignerError(
            "signer-table",
            "expected the multiple of the base point, found another: nothing was signed; "
            "the signing table or the memory is damaged",
        )
    return total


def sign_raw(private_32, digest_32):
    """The numbers (r, s) exactly as RFC 6979 has them, s not yet made low."""
    d = _private_scalar(private_32)
    if len(digest_32) != 32:
        raise SignerError(
            "signer-digest", "expected a digest of 32 bytes, found %d" % len(digest_32)
        )
    k = derive_nonce(private_32, digest_32, N)
    x, _, zz, _ = _base_multiple(k if k & 1 else N - k)  # -k gives the same x
    r = x * inverse(zz, P) % P % N
    s = inverse(k, N) * (int.from_bytes(digest_32, "big") + r * d) % N
    if not r or not s:  # no digest is known that leads here
        raise SignerError("signer-digest", "this digest cannot be signed with this key")
    return r, s


def sign_digest(private_32, digest_32):
    """The signature r || s of a SHA-256 digest, s at most n/2."""
    r, s = sign_raw(private_32, digest_32)
    if s > N >> 1:
        s = N - s
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def public_key(private_32):
    """The public key as 65 bytes: 4 || x || y (SEC 1, 2.3.3)."""
    d = _private_scalar(private_32)
    x, y, zz, zzz = _base_multiple(d if d & 1 else N - d)
    inverted = inverse(zzz, P)
    y = y * inverted % P
    z = inverted * zz % P  # 1/Z, as ZZ = Z^2 and ZZZ = Z^3
    x = z * z % P * x % P
    if not d & 1:
        y = P - y
    return b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def verify_digest(public_65, digest_32, signature_64):
    """Whether the signature holds; False for malformed input, no table (see p256_verify)."""
    from agent.p256_verify import holds  # sealing never needs it: see forget

    return holds(public_65, digest_32, signature_64)
