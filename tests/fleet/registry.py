"""The example fleet's registry: entries, countersignatures and the signed trust file."""

import hashlib
import json

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fleet.seal import ORDER, SIGNING


def key_of(seed):
    """A P-256 key that depends on a text alone."""
    secret = int.from_bytes(hashlib.sha256(b"role " + seed.encode()).digest(), "big")
    return ec.derive_private_key(secret % (ORDER - 1) + 1, ec.SECP256R1())


def public_of(key):
    """65 bytes of its public key."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def fingerprint(key):
    """SHA-256 of the 65 bytes, in hexadecimal."""
    return hashlib.sha256(public_of(key)).hexdigest()


def sign(key, message):
    """r || s in hexadecimal, low s."""
    r, s = decode_dss_signature(key.sign(message, SIGNING))
    return (r.to_bytes(32, "big") + min(s, ORDER - s).to_bytes(32, "big")).hex()


def canonical(value):
    """RFC 8785 for integers and strings."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def hash_of(entry):
    """SHA-256 of an entry."""
    return hashlib.sha256(canonical(entry)).hexdigest()


class Registry:
    """Entries of a trust file; `operator` signs it, `second` countersigns."""

    def __init__(self, seed, at):
        self.operator, self.second = key_of(f"operator {seed}"), key_of(f"second {seed}")
        self.entries = []
        self.at = at

    def add(self, kind, countersign=False, **fields):
        """An entry, and the second role's countersignature if asked for."""
        previous = hash_of(self.entries[-1]) if self.entries else "00" * 32
        entry = {"n": len(self.entries) + 1, "previous": previous, "type": kind, "at": self.at}
        entry.update(fields)
        self.entries.append(entry)
        if countersign:
            self._countersign(entry)

    def _countersign(self, target):
        entry = {
            "n": len(self.entries) + 1,
            "previous": hash_of(self.entries[-1]),
            "type": "countersign",
            "at": self.at,
            "of": target["n"],
            "of_hash": hash_of(target),
        }
        message = b"meterseal-registry\0" + bytes.fromhex(hash_of(entry))
        signature = sign(self.second, message)
        public = public_of(self.second).hex()
        entry["signatures"] = [{"role": "second", "public_key": public, "signature": signature}]
        self.entries.append(entry)

    def enrol(self, board, station):
        """A board's key."""
        self.add(
            "enrol",
            countersign=True,
            device_id=board.kid.hex(),
            public_key=board.public.hex(),
            thumbprint=board.thumbprint.hex(),
            key_class=board.key_class,
            station=station,
        )

    def replace_device(self, old, new, at_time, countersign=True):
        """Another board's key takes the place of an enrolled one."""
        self.add(
            "replace-device",
            countersign=countersign,
            old_device_id=old.kid.hex(),
            new_device_id=new.kid.hex(),
            at_time=at_time,
        )

    def trust_file(self):
        """Bytes of the signed export."""
        head = hash_of(self.entries[-1])
        count = len(self.entries)
        message = canonical(
            {"entries": count, "format": "meterseal-trust", "head": head, "version": 1}
        )
        document = {
            "format": "meterseal-trust",
            "version": 1,
            "entries": self.entries,
            "head": head,
            "signatures": [
                {
                    "role": "operator",
                    "public_key": public_of(self.operator).hex(),
                    "signature": sign(self.operator, message),
                }
            ],
        }
        return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"
