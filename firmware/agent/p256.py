"""ECDSA with P-256 on digests (FIPS 186-5, 6.4; nonces of RFC 6979): sign, verify, public key.

The arithmetic is in p256_field, which a port may replace by a faster one; the signing table is in
p256_table. A signature is r || s, 64 bytes, with s <= n/2 as the wire format requires;
`verify_digest` takes either s, as plain ECDSA does. It must never return a signature from a nonce
point that is not on the curve: together with a good signature of the same digest that would give
the key away. It must never sign for a caller that has not built the digest itself (signer.py
does), nor where somebody can time it: nothing here takes constant time.
"""

from agent.errors import SignerError
from agent.p256_field import B, G, N, P, add_points, double_point, inverse, pair_sums
from agent.p256_nonce import derive_nonce
from agent.p256_table import check_table, comb_points, file_reader, use_table

__all__ = (
    "check_table",
    "file_reader",
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


def _on_curve(x, y, zz, zzz):
    """y^2 = x^3 - 3*x + b for the point (X/ZZ, Y/ZZZ), without a division; ZZ^3 is ZZZ^2."""
    cubic = x * x - 3 * (zz * zz % P)
    return not (y * y - cubic % P * x - B * (zzz * zzz % P)) % P


def _base_multiple(scalar):
    """scalar * G as (X, Y, ZZ, ZZZ), checked; the scalar is odd."""
    sums = pair_sums(comb_points(scalar))
    total = None
    for first in (0, 4, 8, 12):
        total = add_points(double_point(total), sums[first : first + 4])
    if total is None or not total[2] or not _on_curve(*total):
        raise SignerError(
            "signer-table",
            "expected a point on the curve, found another: nothing was signed; "
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


def _public_point(public_65):
    """(x, y) of a public key, or None if it is not a point of the curve (SP 800-186, D.1.1.2)."""
    if len(public_65) != 65 or public_65[0] != 4:
        return None
    x = int.from_bytes(public_65[1:33], "big")
    y = int.from_bytes(public_65[33:], "big")
    return (x, y) if x < P and y < P and _on_curve(x, y, 1, 1) else None


def _sum_of_multiples(terms):
    """The sum of scalar * (x, y) over the terms, in digits -1, 0, 1 (non-adjacent form)."""
    digits = []
    for scalar, (x, y) in terms:
        triple = 3 * scalar
        changed = triple ^ scalar
        digits.append((changed & triple, ((x, y),)))
        digits.append((changed & scalar, ((x, -y),)))
    total = None
    for bit in range(257, 0, -1):
        total = double_point(total)
        for marks, point in digits:
            if marks >> bit & 1:
                total = add_points(total, point)
    return total


def verify_digest(public_65, digest_32, signature_64):
    """Whether the signature holds (FIPS 186-5, 6.4.2); False for malformed input, no table."""
    point = _public_point(public_65)
    if point is None or len(digest_32) != 32 or len(signature_64) != 64:
        return False
    r = int.from_bytes(signature_64[:32], "big")
    s = int.from_bytes(signature_64[32:], "big")
    if not 0 < r < N or not 0 < s < N:
        return False
    w = inverse(s, N)
    z = int.from_bytes(digest_32, "big")
    total = _sum_of_multiples(((z * w % N, G), (r * w % N, point)))
    if total is None:
        return False
    x, _, zz, _ = total
    # x/zz mod n = r without a division: x/zz is r or, being below p, r + n
    return not (x - r * zz) % P or (r < P - N and not (x - (r + N) * zz) % P)
