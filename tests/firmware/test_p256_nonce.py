"""HMAC-SHA256 against RFC 4231 and nonces against RFC 6979 and the vectors."""

import unittest
from hashlib import sha256

from agent.p256_field import N
from agent.p256_nonce import derive_nonce, hmac_sha256
from support.vector_files import lines, unhex

# RFC 4231, 4.2 to 4.5: keys up to 32 bytes; HMAC fills shorter ones up with zeros
RFC4231 = (
    (
        b"\x0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        b"\xaa" * 20,
        b"\xdd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ),
    (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
)
# An order at which about half of all candidates are refused; computed with the `ecdsa` package,
# rfc6979.generate_k(2**255 + 95, 2**200 + index, sha256, sha256(bytes([index])).digest()).
HALF_ORDER = (1 << 255) + 95
HALF_ORDER_NONCES = (
    "2552c30426f0587bd6a34b7804ec3f00e808a99b1e89a12c29e96f92c80e6a5d",
    "6045980b45c322fbdba835affa59df9e495672ffa40f7070b80186eadfbe1816",
    "18265f854e3428f1813eabfeba6948720394f00f7415cfb58efd99d7f3aec88c",
    "22eaef8a28f048a299fef0a7e9ea0e7b724f512cc89d4ddc6f9ccdb95d5df6e2",
    "6f7097ae4387bd8d7c7de2c97523aea9f62ecc193a14c2baa4222087a7982e29",
    "72efa9f16ba02a5ac8e9ac6225c0d7ce26e977ee729ad9a6736f8946c2b87df9",
)


class HmacTest(unittest.TestCase):
    def test_rfc_4231(self):
        for key, message, expected in RFC4231:
            key_32 = key + bytes(32 - len(key))
            self.assertEqual(hmac_sha256(key_32, message), unhex(expected))


class NonceTest(unittest.TestCase):
    def test_rfc_6979_a_2_5_and_the_vectors(self):
        count = 0
        for test in lines("p256_v1.json"):
            if test["kind"] == "sign":
                found = derive_nonce(unhex(test["private_hex"]), unhex(test["digest_hex"]), N)
                self.assertEqual(found.to_bytes(32, "big"), unhex(test["nonce_hex"]))
                count += 1
        self.assertGreaterEqual(count, 40)

    def test_candidates_beyond_the_order_are_passed_over(self):
        for index in range(len(HALF_ORDER_NONCES)):
            private = ((1 << 200) + index).to_bytes(32, "big")
            digest = sha256(bytes([index])).digest()
            found = derive_nonce(private, digest, HALF_ORDER)
            self.assertEqual(found.to_bytes(32, "big"), unhex(HALF_ORDER_NONCES[index]))


if __name__ == "__main__":
    unittest.main()
