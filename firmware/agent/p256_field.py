"""Arithmetic below P-256: constants (SP 800-186, 3.2.1.3), modular inverse, sums of points.

This file is the seam for speed: a build for one chip may ship its own p256_field with the same
four functions `inverse`, `double_point`, `add_points` and `pair_sums` in viper or assembler;
nothing above it touches field elements in a loop. This version is plain integers, runs on every
MicroPython and on CPython, and stays as the fallback.
It must never be used where an attacker can time it: nothing here takes constant time (see
SECURITY.md).

A sum of points is None (infinity) or (X, Y, ZZ, ZZZ) with x = X/ZZ, y = Y/ZZZ and ZZ^3 = ZZZ^2
(XYZZ coordinates of the Explicit-Formulas Database: madd-2008-s, dbl-2008-s-1). A table point is
(x, y); its y may be negative.
"""

from agent.constant import const

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)

_TOP = const(272)  # in `inverse`: where the remainder starts above its cofactor
_ROUND = 1 << (_TOP - 1)
# The top 28 bits are small integers on 32-bit chips; a round takes 14 bits off.
_SHIFTS = tuple(range(_TOP + 228, _TOP, -14))


def inverse(value, modulus):
    """1/value modulo an odd prime below 2^256, for 0 <= value < modulus; 0 for 0.

    Lehmer's algorithm (Knuth, TAOCP 2, 4.5.2) on remainder * 2^272 + cofactor, which one
    multiplication moves together. The top bits alone choose the steps, so a remainder may
    overshoot below zero; the next round takes up its sign.
    """
    big = modulus << _TOP
    small = (value << _TOP) + 1
    for shift in _SHIFTS:
        x = big >> shift
        y = small >> shift
        a = d = 1
        b = c = 0
        if x < 0:
            x = -x
            a = -1
        if y < 0:
            y = -y
            d = -1
        while y > 16383:  # two steps a turn and no call: this loop is most of the time
            q = x // y
            x -= q * y
            a -= q * c
            b -= q * d
            if x < 16384:
                break
            q = y // x
            y -= q * x
            c -= q * a
            d -= q * b
        t = a * big + b * small
        small = c * big + d * small
        big = t
    x = (big + _ROUND) >> _TOP
    y = (small + _ROUND) >> _TOP
    while y:
        q = x // y
        x, y = y, x - q * y
        big, small = small, big - q * small
    return x * (big - (x << _TOP)) % modulus  # x is 1 or -1


def double_point(point):
    """Twice a sum of points."""
    if point is None:
        return None
    x, y, zz, zzz = point
    u = y + y
    v = u * u % P
    w = u * v % P
    s = x * v % P
    m = 3 * (x - zz) * (x + zz) % P  # 3*x^2 + a*zz^2 with a = -3
    x = (m * m - s - s) % P
    return x, (m * (s - x) - w * y) % P, v * zz % P, w * zzz % P


def add_points(total, points):
    """A sum of points plus a list of table points; every case of the group law is handled."""
    if not points:
        return total
    if total is None:
        x, y = points[0]
        return add_points((x, y, 1, 1), points[1:])
    p = P
    x, y, zz, zzz = total
    for i in range(len(points)):
        x2, y2 = points[i]
        h = (x2 * zz - x) % p
        r = (y2 * zzz - y) % p
        if not h:  # the same point or its negative: the formula below would lose it
            same = None if r else double_point((x, y, zz, zzz))
            return add_points(same, points[i + 1 :])
        hh = h * h % p
        hhh = h * hh % p
        q = x * hh % p
        x = (r * r - hhh - q - q) % p
        y = (r * (q - x) - y * hhh) % p
        zz = zz * hh % p
        zzz = zzz * hhh % p
    return x, y, zz, zzz


def pair_sums(points):
    """Sums (x, y) of neighbouring points, the last pair first; empties the list.

    The slopes come from one inversion (Montgomery's trick). Exact where the two x of each pair
    differ, as in the signing table; else off the curve.
    """
    p = P
    before = []  # products of the earlier differences
    product = 1
    for i in range(0, len(points), 2):
        before.append(product)
        product = product * (points[i + 1][0] - points[i][0]) % p
    inverted = inverse(product, p)
    sums = []
    while points:
        x2, y2 = points.pop()
        x1, y1 = points.pop()
        slope = inverted * before.pop() % p * (y2 - y1) % p
        inverted = inverted * (x2 - x1) % p
        x = (slope * slope - x1 - x2) % p
        sums.append((x, (slope * (x1 - x) - y1) % p))
    return sums


def on_curve(x, y, zz, zzz):
    """y^2 = x^3 - 3*x + b for the point (X/ZZ, Y/ZZZ), without a division; ZZ^3 is ZZZ^2."""
    cubic = x * x - 3 * (zz * zz % P)
    return not (y * y - cubic % P * x - B * (zzz * zzz % P)) % P
