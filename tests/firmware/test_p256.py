"""ECDSA P-256 against RFC 6979 A.2.5 and the vectors, and what it must refuse."""

import unittest
from hashlib import sha256

from agent import p256
from agent.errors import SignerError
from agent.p256_field import B, N, P
from support.vector_files import lines, unhex

VECTORS = "p256_v1.json"
KEY = unhex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")
PUBLIC_X = unhex("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6")
PUBLIC_Y = unhex("7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299")
# RFC 6979 A.2.5, with SHA-256: message, r, s
RFC6979 = (
    (
        b"sample",
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    ),
    (
        b"test",
        0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
        0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
    ),
)
DIGEST = sha256(b"sample").digest()


def number_32(value):
    return value.to_bytes(32, "big")


class Rfc6979Test(unittest.TestCase):
    def test_r_and_s_of_a_2_5(self):
        for message, r, s in RFC6979:
            self.assertEqual(p256.sign_raw(KEY, sha256(message).digest()), (r, s))

    def test_public_key_of_a_2_5(self):
        self.assertEqual(p256.public_key(KEY), b"\x04" + PUBLIC_X + PUBLIC_Y)

    def test_signature_has_the_low_s(self):
        for message, r, s in RFC6979:
            signature = p256.sign_digest(KEY, sha256(message).digest())
            self.assertEqual(signature, number_32(r) + number_32(min(s, N - s)))


class VectorsTest(unittest.TestCase):
    def test_every_signature(self):
        count = 0
        for test in lines(VECTORS):
            if test["kind"] != "sign":
                continue
            private, digest = unhex(test["private_hex"]), unhex(test["digest_hex"])
            signature = unhex(test["signature_hex"])
            with self.subTest(id=test["id"]):
                r, s = p256.sign_raw(private, digest)
                self.assertEqual(number_32(r) + number_32(s), unhex(test["rfc6979_hex"]))
                self.assertEqual(p256.sign_digest(private, digest), signature)
                self.assertEqual(p256.public_key(private), unhex(test["public_hex"]))
                self.assertTrue(p256.verify_digest(unhex(test["public_hex"]), digest, signature))
            count += 1
        self.assertGreaterEqual(count, 40)

    def test_every_verification(self):
        count = 0
        for test in lines(VECTORS):
            if test["kind"] != "verify":
                continue
            # a high s is refused by the wire format, not by ECDSA
            holds = test["result"] == "valid" or "TextbookValid" in test["flags"]
            with self.subTest(id=test["id"]):
                fields = [unhex(test[n]) for n in ("public_hex", "digest_hex", "signature_hex")]
                self.assertEqual(p256.verify_digest(*fields), holds)
            count += 1
        self.assertGreaterEqual(count, 20)


class PublicKeyTest(unittest.TestCase):
    def test_small_keys_and_their_negatives_are_on_the_curve_and_mirrored(self):
        seen = set()
        for d in range(1, 70):
            public = p256.public_key(number_32(d))
            mirrored = p256.public_key(number_32(N - d))
            x, y = int.from_bytes(public[1:33], "big"), int.from_bytes(public[33:], "big")
            self.assertEqual((y * y - x * x * x + 3 * x - B) % P, 0)
            self.assertEqual(mirrored, public[:33] + number_32(P - y))
            seen.add(public)
        self.assertEqual(len(seen), 69)

    def test_a_signature_with_a_small_key_verifies(self):
        for d in (1, 2, 3, N - 2, N - 1):
            signature = p256.sign_digest(number_32(d), DIGEST)
            self.assertTrue(p256.verify_digest(p256.public_key(number_32(d)), DIGEST, signature))


class RefusalTest(unittest.TestCase):
    def refused(self, code, function, *args):
        with self.assertRaises(SignerError) as caught:
            function(*args)
        self.assertEqual(caught.exception.code, code)

    def test_private_keys_out_of_range(self):
        keys = [number_32(0), number_32(N), number_32(N + 1), b"\xff" * 32]
        for key in keys + [b"", KEY[:31], KEY + b"\x00"]:
            self.refused("signer-key", p256.sign_digest, key, DIGEST)
            self.refused("signer-key", p256.public_key, key)

    def test_digests_of_another_length(self):
        for digest in (b"", DIGEST[:31], DIGEST + b"\x00", DIGEST + DIGEST):
            self.refused("signer-digest", p256.sign_digest, KEY, digest)


class VerifyTest(unittest.TestCase):
    def setUp(self):
        self.public = p256.public_key(KEY)
        self.signature = p256.sign_digest(KEY, DIGEST)

    def test_either_s_holds(self):
        s = int.from_bytes(self.signature[32:], "big")
        mirrored = self.signature[:32] + number_32(N - s)
        self.assertTrue(p256.verify_digest(self.public, DIGEST, self.signature))
        self.assertTrue(p256.verify_digest(self.public, DIGEST, mirrored))

    def test_r_and_s_at_and_beyond_their_ends(self):
        r, s = self.signature[:32], self.signature[32:]
        for bad in (0, N, N + 1, P, (1 << 256) - 1):
            bad = number_32(bad)
            self.assertFalse(p256.verify_digest(self.public, DIGEST, bad + s))
            self.assertFalse(p256.verify_digest(self.public, DIGEST, r + bad))
            self.assertFalse(p256.verify_digest(self.public, DIGEST, bad + bad))

    def test_public_keys_that_are_no_points(self):
        x, y = self.public[1:33], self.public[33:]
        other_y = y[:31] + bytes([y[31] ^ 1])
        bad = [b"", b"\x04" + bytes(64), b"\x04" + x + other_y, b"\x04" + y + x, self.public[:64]]
        bad += [b"\x00" + x + y, b"\x02" + x + y, b"\x02" + x, x + y, self.public + b"\x00"]
        bad += [b"\x04" + x + b"\xff" * 32, b"\x04" + b"\xff" * 32 + y]
        for public in bad:
            self.assertFalse(p256.verify_digest(public, DIGEST, self.signature))

    def test_other_lengths(self):
        for digest in (b"", DIGEST[:31], DIGEST + b"\x00"):
            self.assertFalse(p256.verify_digest(self.public, digest, self.signature))
        for signature in (b"", self.signature[:63], self.signature + b"\x00"):
            self.assertFalse(p256.verify_digest(self.public, DIGEST, signature))

    def test_every_flipped_byte_is_refused(self):
        for i in range(0, 64, 5):
            changed = bytearray(self.signature)
            changed[i] ^= 0x10
            self.assertFalse(p256.verify_digest(self.public, DIGEST, bytes(changed)))
        for i in range(0, 32, 7):
            changed = bytearray(DIGEST)
            changed[i] ^= 0x10
            self.assertFalse(p256.verify_digest(self.public, bytes(changed), self.signature))

    def test_sum_of_multiples_at_infinity_is_refused(self):
        # with Q = G and z = -r, u1 + u2 = 0
        r = 12345
        self.assertFalse(
            p256.verify_digest(
                p256.public_key(number_32(1)), number_32(N - r), number_32(r) + number_32(7)
            )
        )


if __name__ == "__main__":
    unittest.main()
