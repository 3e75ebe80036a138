"""A board of the example fleet: signs batches of WIRE_FORMAT version 1, deterministic by its seed.

Written from the wire format's text alone and independent of firmware and host tools, so that
neither confirms itself. Encodes whole columns with numpy; every packing that the format allows is
right, so it takes the plainest one: no patches.
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SIGNING = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
KEY_CLASSES = ("sim", "software", "secure-element")


def head(major, value):
    """Head of a CBOR item in shortest form (RFC 8949 section 3)."""
    if value < 24:
        return bytes([major << 5 | value])
    for size, code in ((1, 24), (2, 25), (4, 26), (8, 27)):
        if value < 1 << 8 * size:
            return bytes([major << 5 | code]) + value.to_bytes(size, "big")
    raise ValueError(value)


def encode(item):
    """Deterministic CBOR of integers, bytes, text, lists and maps with integer keys."""
    if isinstance(item, Ready):
        return item.data
    if isinstance(item, int):
        return head(0, item) if item >= 0 else head(1, -1 - item)
    if isinstance(item, bytes):
        return head(2, len(item)) + item
    if isinstance(item, str):
        data = item.encode()
        return head(3, len(data)) + data
    if isinstance(item, dict):
        pairs = [encode(key) + encode(item[key]) for key in sorted(item)]
        return head(5, len(pairs)) + b"".join(pairs)
    return head(4, len(item)) + b"".join([encode(one) for one in item])


@dataclass(frozen=True)
class Ready:
    """An item that is encoded already."""

    data: bytes


def packed(values, bits):
    """(first, base, width, packed) of unsigned integers, without patches (WIRE_FORMAT 4.3)."""
    first = int(values[0])
    if len(values) == 1:
        return [first, 0, 0, b""]
    steps = np.diff(values.astype(np.uint64)).view(np.int64)
    if bits < 64:
        half, size = 1 << bits - 1, 1 << bits
        steps = (steps + half) % size - half
    base = int(steps.min())
    residuals = (steps - base).astype(np.uint64)
    width = int(residuals.max()).bit_length()
    if width == 0:
        return [first, base, 0, b""]
    spread = np.unpackbits(residuals.astype(">u8").view(np.uint8)).reshape(-1, 64)[:, 64 - width :]
    return [first, base, width, np.packbits(spread.ravel()).tobytes()]


@dataclass(frozen=True)
class Meter:
    """A meter as a batch describes it. Columns: (function, address, count, order)."""

    profile: str
    profile_hash: bytes
    unit: int
    identity: tuple = ()
    setup: tuple = ()
    columns: tuple = ((4, 0x48, 2, 0),)

    def item(self):
        """As the wire has it."""
        return [
            self.profile,
            self.profile_hash,
            self.unit,
            [list(one) for one in self.identity],
            [list(one) for one in self.setup],
        ]


@dataclass
class Board:
    """One device key and its chain. `boot_unix_ms`: when the present boot began."""

    seed: str
    boot_unix_ms: int
    key_class: str = "sim"
    read_interval_ms: int = 900_000
    number: int = 0
    sequence: int = 1
    boot: int = 1
    previous: bytes = b""
    chain: bytes = b""
    events: list = field(default_factory=list)
    lost: list = field(default_factory=list)
    anchored: bool = True
    flags: dict = field(default_factory=dict)
    """Flags of readings by sequence number; 2: implausible."""
    genesis: int = 0
    """Why the chain begins: 0 the first one of the key, 2 the operator, 3 a key rollover."""

    def __post_init__(self):
        secret = int.from_bytes(hashlib.sha256(b"key " + self.seed.encode()).digest(), "big")
        self.key = ec.derive_private_key(secret % (ORDER - 1) + 1, ec.SECP256R1())
        self.public = self.key.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )
        x, y = self.public[1:33], self.public[33:]
        print_of = hashlib.sha256(b"\xa4\x01\x02\x20\x01\x21\x58\x20" + x + b"\x22\x58\x20" + y)
        self.thumbprint = print_of.digest()
        self.kid = self.thumbprint[:8]
        self.chain = hashlib.sha256(b"chain " + self.seed.encode()).digest()[:16]
        self.protected = b"\xa3\x01\x26\x03\x19\xfd\xe9\x04\x48" + self.kid

    def clone(self):
        """Another board with the same key, chain and state."""
        other = Board(self.seed, self.boot_unix_ms, self.key_class, self.read_interval_ms)
        for name in ("number", "sequence", "boot", "previous", "chain"):
            setattr(other, name, getattr(self, name))
        return other

    def reboot(self, t_unix_ms, cause=1):
        """A new boot at a time."""
        self.boot += 1
        self.boot_unix_ms = t_unix_ms
        self.events.append([1, self.boot, 0, [cause, 0]])

    def restart(self):
        """A new chain, by the operator."""
        self.chain = hashlib.sha256(self.chain).digest()[:16]
        self.number, self.previous, self.genesis = 0, b"", 2

    def lose(self, count):
        """So many readings are never sealed, and every batch from now on says so."""
        first, last = self.sequence, self.sequence + count - 1
        self.lost.append([1, first, last, 2, b"", first, last, [], []])
        self.sequence += count

    def seal(self, readings, of_boot=None):
        """One batch. `readings`: (meter, t_unix_ms array, one array of words per column);
        `of_boot`: (number, begin) of the earlier boot in which they were taken.
        """
        self.number += 1
        meters, groups, first = [], [], self.sequence
        last_ms = self.boot_unix_ms
        for meter, times, columns in readings:
            meters.append(meter.item())
            boot = of_boot or (self.boot, self.boot_unix_ms)
            groups.append(self._group(len(meters) - 1, boot, times, columns, meter))
            last_ms = max(last_ms, int(times[-1]))
        payload = {
            0: 1,
            1: self.chain,
            2: self.number,
            4: self.boot,
            5: last_ms - self.boot_unix_ms + 500,
            6: first,
            7: self.sequence - first,
            9: "1.0.0",
            10: hashlib.sha256(self.seed.encode()).digest()[:8],
            11: KEY_CLASSES.index(self.key_class),
            12: meters,
            13: groups,
            16: {0: 61_000, 2: 4},
        }
        if self.anchored:
            payload[8] = [[self.boot, last_ms - self.boot_unix_ms, last_ms, 4, 40]]
        if self.number > 1:
            payload[3] = self.previous
        else:
            payload[17] = {0: self.genesis}
            if self.genesis == 0:
                payload[17][1] = hashlib.sha256(b"provisioning " + self.kid).digest()
        if self.events:
            payload[14], self.events = self.events, []
        if self.lost:
            payload[15] = self.lost
        return self.sign(encode(payload))

    def sign(self, payload):
        """COSE_Sign1 over a payload; moves the chain on."""
        raw, self.previous = self._signed(self.protected, payload)
        return raw

    def name_successor(self, other):
        """The statement with which this key names another board's key (content type 65003)."""
        protected = b"\xa3\x01\x26\x03\x19\xfd\xeb\x04\x48" + self.kid
        return self._signed(protected, encode({0: 1, 1: other.public}))[0]

    def _signed(self, protected, payload):
        signed = b"\x84\x6aSignature1\x51" + protected + b"\x40" + encode(payload)
        r, s = decode_dss_signature(self.key.sign(signed, SIGNING))
        s = min(s, ORDER - s)
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        raw = b"\xd2\x84\x51" + protected + b"\xa0" + encode(payload) + b"\x58\x40" + signature
        return raw, hashlib.sha256(signed).digest()

    def _group(self, index, boot, times, columns, meter):
        count = len(times)
        own = range(self.sequence, self.sequence + count)
        quality = [[i, 0, self.flags[n]] for i, n in enumerate(own) if n in self.flags]
        sequence = [self.sequence, 1 if count > 1 else 0, 0, b""]
        self.sequence += count
        ticks = ((np.asarray(times) - boot[1]) // 100).astype(np.uint64)
        items = [
            [*column, *packed(values, 16 * column[2])]
            for column, values in zip(meter.columns, columns, strict=True)
        ]
        return [index, boot[0], count, sequence, packed(ticks, 64), quality, items]
