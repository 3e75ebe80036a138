"""Verification of ECDSA with P-256 (FIPS 186-5, 6.4.2). Pure; apart, as sealing never needs it.

Takes either s, as plain ECDSA does, and exactly what other libraries take: r and s from 1 to n-1,
a public key that is a point of the curve. Must never take malformed input for a signature.
"""

from agent.p256_field import G, N, P, add_points, double_point, inverse, on_curve


def _public_point(public_65):
    """(x, y) of a public key, or None if it is not a point of the curve (SP 800-186, D.1.1.2)."""
    if len(public_65) != 65 or public_65[0] != 4:
        return None
    x = int.from_bytes(public_65[1:33], "big")
    y = int.from_bytes(public_65[33:], "big")
    return (x, y) if x < P and y < P and on_curve(x, y, 1, 1) else None


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


def holds(public_65, digest_32, signature_64):
    """Whether r || s, 64 bytes, is a signature of the digest by the key of 65 bytes."""
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
