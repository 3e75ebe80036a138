"""What a signer signs, and above all what it refuses to sign."""

import hashlib
import unittest

from agent import p256, signer
from agent.errors import SignerError
from support import minicbor

# RFC 6979 appendix A.2.5.
PRIVATE = bytes.fromhex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")


class CoseTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.signer = signer.SoftwareSigner(PRIVATE, signer.KEY_CLASS_SIM)

    def test_structure(self):
        payload = b"\xa1\x00\x01" * 100
        content, hash_32 = self.signer.sign1(signer.CONTENT_BATCH, payload)
        tagged = minicbor.decode(content)
        self.assertEqual(tagged.number, 18)
        protected, unprotected, found, signature = tagged.value
        self.assertEqual((unprotected, found, len(signature)), ({}, payload, 64))
        self.assertEqual(protected, b"\xa3\x01\x26\x03\x19\xfd\xe9\x04\x48" + self.signer.kid_8)
        structure = b"\x84\x6aSignature1\x51" + protected + b"\x40\x59\x01\x2c" + payload
        self.assertEqual(hash_32, hashlib.sha256(structure).digest())
        self.assertTrue(p256.verify_digest(self.signer.public_65, hash_32, signature))

    def test_payload_lengths(self):
        for length in (0, 23, 24, 255, 256, 70000):
            content, _ = self.signer.sign1(signer.CONTENT_BATCH, bytearray(length))
            self.assertEqual(minicbor.decode(content).value[2], bytes(length))

    def test_one_content_has_one_signature(self):
        first = self.signer.sign1(signer.CONTENT_POSSESSION, b"x")
        self.assertEqual(first, self.signer.sign1(signer.CONTENT_POSSESSION, b"x"))
        self.assertNotEqual(first, self.signer.sign1(signer.CONTENT_ROLLOVER, b"x"))

    def test_other_content_types_are_refused(self):
        for content_type in (0, 65000, 65004, 65005, None, "65001"):
            with self.subTest(content_type=content_type):
                with self.assertRaises(SignerError) as caught:
                    self.signer.sign1(content_type, b"x")
                self.assertEqual(caught.exception.code, "signer-content-type")

    def test_no_way_to_sign_a_digest(self):
        names = [name for name in dir(self.signer) if not name.startswith("_")]
        self.assertEqual(sorted(names), ["key_class", "kid_8", "public_65", "sign1", "sign_ocmf"])


class OcmfTest(unittest.TestCase):
    def setUp(self):
        self.signer = signer.SoftwareSigner(PRIVATE)

    def test_signs_the_text(self):
        text = '{"FV":"1.0","MV":"m\u00fcller"}'
        signature = self.signer.sign_ocmf(text)
        digest = hashlib.sha256(text.encode()).digest()
        self.assertTrue(p256.verify_digest(self.signer.public_65, digest, signature))

    def test_refuses_what_is_not_a_payload(self):
        structure = b"\x84\x6aSignature1"
        for text in ("", "x", '"{}"', "[{}]", " {}", "{", b"{}", structure, None, 7):
            with self.subTest(text=text):
                with self.assertRaises(SignerError) as caught:
                    self.signer.sign_ocmf(text)
                self.assertEqual(caught.exception.code, "signer-ocmf")


class ConstructionTest(unittest.TestCase):
    def test_key_class(self):
        for key_class in (2, 3, None):
            with self.assertRaises(SignerError) as caught:
                signer.SoftwareSigner(PRIVATE, key_class)
            self.assertEqual(caught.exception.code, "signer-key-class")

    def test_key_out_of_range(self):
        for private in (bytes(32), b"\xff" * 32, bytes(31), b""):
            self.assertRaises(SignerError, signer.SoftwareSigner, private)

    def test_the_table_is_checked(self):
        checked = []
        genuine = p256.check_table
        self.addCleanup(setattr, p256, "check_table", genuine)
        p256.check_table = lambda: checked.append(1) or genuine()
        signer.SoftwareSigner(PRIVATE)
        self.assertEqual(checked, [1])


if __name__ == "__main__":
    unittest.main()
