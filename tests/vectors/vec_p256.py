"""P-256, RFC 6979 and the COSE key thumbprint, as slow and as literal as the standards state them.

Affine coordinates, one addition formula, one doubling formula, double and add. Sources: SEC 2
v2 section 2.4.2 (curve), SEC 1 v2 section 2.2.1 (addition), FIPS 186-5 section 6.4 (ECDSA),
RFC 6979 section 3.2 (nonce), RFC 9679 (thumbprint). Not for keys that protect anything.
"""

import functools
import hashlib
import hmac

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
A = P - 3
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
INFINITY = None


def add(p, q):
    """Return p + q on the curve."""
    if p is INFINITY:
        return q
    if q is INFINITY:
        return p
    if p[0] == q[0] and (p[1] + q[1]) % P == 0:
        return INFINITY
    if p == q:
        slope = (3 * p[0] * p[0] + A) * pow(2 * p[1], -1, P) % P
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P) % P
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


@functools.cache
def doubled(point, times):
    """Return 2^times * point; remembered, because every signature needs those of G."""
    return point if times == 0 else add(doubled(point, times - 1), doubled(point, times - 1))


def multiply(k, point):
    """Return k * point: the sum of 2^i * point for every bit i of k that is set."""
    result = INFINITY
    for i in range(256):
        if k >> i & 1:
            result = add(result, doubled(point, i))
    return result


def public_65(private):
    """Return the uncompressed public point 04 || x || y of the private integer."""
    x, y = multiply(private, G)
    return b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def nonces(private, digest):
    """Yield the candidates for k of RFC 6979 section 3.2 with HMAC-SHA-256."""

    def mac(key, data):
        return hmac.new(key, data, hashlib.sha256).digest()

    x = private.to_bytes(32, "big")
    h = (int.from_bytes(digest, "big") % N).to_bytes(32, "big")
    v, key = b"\x01" * 32, b"\x00" * 32
    for separator in (b"\x00", b"\x01"):
        key = mac(key, v + separator + x + h)
        v = mac(key, v)
    while True:
        v = mac(key, v)
        k = int.from_bytes(v, "big")
        if 0 < k < N:
            yield k
        key = mac(key, v + b"\x00")
        v = mac(key, v)


def sign_rs(private, digest):
    """Return (r, s, k) of RFC 6979 as they come: s may be above (n-1)/2."""
    for k in nonces(private, digest):
        r = multiply(k, G)[0] % N
        s = pow(k, -1, N) * (int.from_bytes(digest, "big") + r * private) % N
        if r and s:
            return r, s, k
    raise AssertionError("the generator of nonces never ends")


def join(r, s):
    """Return r || s, 32 bytes each."""
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def sign_64(private, digest):
    """Return r || s of RFC 6979 with s brought to at most (n-1)/2."""
    r, s, _ = sign_rs(private, digest)
    return join(r, min(s, N - s))


def verify(public, digest, r, s):
    """Return whether (r, s) signs the digest; no rule on the height of s."""
    if not (0 < r < N and 0 < s < N):
        return False
    q = (int.from_bytes(public[1:33], "big"), int.from_bytes(public[33:], "big"))
    w = pow(s, -1, N)
    e = int.from_bytes(digest, "big")
    point = add(multiply(e * w % N, G), multiply(r * w % N, q))
    return point is not INFINITY and point[0] % N == r


def thumbprint(public):
    """Return the COSE Key Thumbprint (RFC 9679, SHA-256) of the 65-byte public key."""
    head, middle = bytes.fromhex("a40102200121 5820"), bytes.fromhex("225820")
    return hashlib.sha256(head + public[1:33] + middle + public[33:]).digest()


class Key:
    """A private key of the vectors: published, worthless, and the same in every run."""

    def __init__(self, name, private):
        self.name = name
        self.private = private
        self.public = public_65(private)
        self.thumbprint = thumbprint(self.public)
        self.kid = self.thumbprint[:8]

    def describe(self):
        """Return the JSON object of this key."""
        return {
            "id": self.name,
            "private_hex": self.private.to_bytes(32, "big").hex(),
            "public_hex": self.public.hex(),
            "kid_hex": self.kid.hex(),
        }


def named_key(name):
    """Return the key whose private integer is the SHA-256 of a phrase with its name."""
    seed = hashlib.sha256(("Meterseal test vectors: key " + name).encode()).digest()
    return Key(name, int.from_bytes(seed, "big") % (N - 1) + 1)


# The key of RFC 6979 appendix A.2.5.
DEVICE = Key("device", 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721)
OTHER = named_key("other")
COLLECTOR = named_key("collector")
KEYS = (DEVICE, OTHER, COLLECTOR)
