"""Stations that seal fast, for tests of the host: a frozen hour of readings, signed by OpenSSL.

The payload is that of a vector (60 readings of an Eastron SDM120, 939 bytes as a batch); chain,
number, previous hash and sequence numbers are the station's own.
"""

import functools
import hashlib
import json
import os
from pathlib import Path

import cbor2
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
READINGS = 60


@functools.cache
def hour_of_readings():
    """Payload of vector `sdm120-hour` as a map."""
    tests = json.loads((VECTORS / "batch_v1.json").read_text())["tests"]
    return cbor2.loads(
        bytes.fromhex(next(t["payload_hex"] for t in tests if t["id"] == "sdm120-hour"))
    )


class FastStation:
    """A chain under a key of its own; remembers nothing but its head."""

    def __init__(self, key=None, chain=None):
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        point = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        self.public_65 = self.key.public_key().public_bytes(*point)
        x, y = self.public_65[1:33], self.public_65[33:]
        cose_key = b"\xa4\x01\x02\x20\x01\x21\x58\x20%b\x22\x58\x20%b" % (x, y)
        self.kid = hashlib.sha256(cose_key).digest()[:8]
        self.chain = chain or os.urandom(16)
        self.number, self.head = 0, None

    def seal(self, **changes):
        """The next batch; `changes`: other payload keys, as k15=... ."""
        self.number += 1
        first = (self.number - 1) * READINGS + 1
        payload = dict(hour_of_readings())
        payload |= {1: self.chain, 2: self.number, 6: first}
        payload.pop(3, None)
        if self.number == 1:
            payload[17] = {0: 0, 1: bytes(32)}
        else:
            payload[3] = self.head
        payload |= {int(name[1:]): value for name, value in changes.items()}
        return self.sign(payload)

    def sign(self, payload):
        """A batch with this payload; its hash becomes the head."""
        protected = cbor2.dumps({1: -7, 3: 65001, 4: self.kid})
        item = cbor2.dumps(payload, canonical=True)
        structure = cbor2.dumps(["Signature1", protected, b"", item])
        self.head = hashlib.sha256(structure).digest()
        der = self.key.sign(self.head, ec.ECDSA(Prehashed(hashes.SHA256())))
        r, s = decode_dss_signature(der)
        signature = r.to_bytes(32, "big") + min(s, ORDER - s).to_bytes(32, "big")
        return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, item, signature]))

    def seals(self, count):
        """Some batches."""
        return [self.seal() for _ in range(count)]

    def skip(self, count):
        """Seal batches that nobody ever gets; the statement that they were lost."""
        first = self.number + 1
        for _ in range(count):
            self.seal()
        readings = (first - 1) * READINGS + 1, self.number * READINGS
        return [0, first, self.number, 1, self.head, *readings, [], []]

    def fork(self):
        """Another holder of the same key, who stands where this one stands."""
        twin = type(self)(self.key, self.chain)
        twin.number, twin.head = self.number, self.head
        return twin


def trust_of(stations):
    """A signed trust file with these stations."""
    from meterseal.trust_write import enrol, sign

    entries = []
    for index, station in enumerate(stations, 1):
        enrol(entries, station.public_65, f"station-{index}", "sim", "2026-01-01T00:00:00Z")
    return sign(entries, ec.generate_private_key(ec.SECP256R1()))
