"""Every valid vector, written again by the device code, byte for byte."""

import unittest

from agent import cbor
from agent.batch import encode_payload
from agent.columns import encode_integers
from agent.signer import CONTENT_BATCH, SoftwareSigner, kid_of
from support import vector_files as vectors

BATCHES = "batch_v1.json"


def payload_of(node):
    """The payload that the device writes from a vector's input."""
    contexts = [vectors.context_of(context) for context in node["contexts"]]
    rows = [vectors.row_of(reading, contexts) for reading in node["readings"]]
    return encode_payload(vectors.fields_of(node), contexts, rows)


class BatchVectorsTest(unittest.TestCase):
    def test_every_valid_batch(self):
        private = vectors.keys(BATCHES)
        signers = {}
        count = 0
        for test in vectors.lines(BATCHES):
            if test["input"] is None or test["result"] != "valid":
                continue
            key = test["key"]
            if key not in signers:
                signers[key] = SoftwareSigner(private[key])
            with self.subTest(id=test["id"]):
                self.check(test, signers[key])
            count += 1
        self.assertGreater(count, 25)

    def check(self, test, signer):
        payload = payload_of(test["input"])
        self.assertEqual(bytes(payload), vectors.unhex(test["payload_hex"]))
        batch, hash_32 = signer.sign1(CONTENT_BATCH, payload)
        self.assertEqual(hash_32, vectors.unhex(test["hash_hex"]))
        self.assertEqual(batch, vectors.unhex(test["bytes_hex"]))


class ColumnVectorsTest(unittest.TestCase):
    def test_every_encoding_that_an_encoder_chooses(self):
        count = 0
        for test in vectors.lines("columns_v1.json"):
            if "Chosen" not in test["flags"]:
                continue
            with self.subTest(id=test["id"]):
                expected = test["encoded"]
                expected[3] = vectors.unhex(expected[3])
                self.assertEqual(encode_integers(test["values"], test["bits"]), expected)
            count += 1
        self.assertGreater(count, 50)


class CborVectorsTest(unittest.TestCase):
    def test_every_valid_item(self):
        count = 0
        for test in vectors.lines("cbor_v1.json"):
            if test["result"] != "valid":
                continue
            with self.subTest(id=test["id"]):
                value = vectors.value_of(test["value"])
                self.assertEqual(cbor.encode(value), vectors.unhex(test["bytes_hex"]))
            count += 1
        self.assertGreater(count, 40)


class KeyIdVectorsTest(unittest.TestCase):
    def test_every_thumbprint(self):
        count = 0
        for test in vectors.lines("p256_v1.json"):
            if test["kind"] == "thumbprint":
                with self.subTest(id=test["id"]):
                    kid = kid_of(vectors.unhex(test["public_hex"]))
                    self.assertEqual(kid, vectors.unhex(test["kid_hex"]))
                count += 1
        self.assertGreater(count, 0)


if __name__ == "__main__":
    unittest.main()
