"""Every valid vector, written again by the device code: payload, whole batch and hash, byte for
byte.
"""

import unittest

import vector_files as vectors
from agent.batch import encode_payload
from agent.signer import CONTENT_BATCH, SoftwareSigner

BATCHES = "batch_v1.json"


def payload_of(node):
    """The payload that the device writes from a vector's input."""
    contexts = [vectors.context_of(context) for context in node["contexts"]]
    rows = [vectors.row_of(reading, contexts) for reading in node["readings"]]
    return encode_payload(vectors.fields_of(node), contexts, rows)


class BatchVectorsTest(unittest.TestCase):
    def test_every_valid_batch(self):
        signers = {}
        private = vectors.keys(BATCHES)
        count = 0
        for test in vectors.lines(BATCHES):
            if test["result"] != "valid":
                continue
            with self.subTest(id=test["id"]):
                payload = payload_of(test["input"])
                self.assertEqual(bytes(payload), vectors.unhex(test["payload_hex"]))
                if test["key"] not in signers:
                    signers[test["key"]] = SoftwareSigner(private[test["key"]])
                batch, hash_32 = signers[test["key"]].sign1(CONTENT_BATCH, payload)
                self.assertEqual(hash_32, vectors.unhex(test["hash_hex"]))
                self.assertEqual(batch, vectors.unhex(test["bytes_hex"]))
            count += 1
        self.assertGreater(count, 15)


if __name__ == "__main__":
    unittest.main()
