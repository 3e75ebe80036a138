"""A station that seals one batch after another, for chain_v1.json."""

import vec_batch
from vec_cbor import encode
from vec_inputs import CHAIN, PROVISIONING, batch, context, meter, raw_series
from vec_p256 import DEVICE

SECOND_CHAIN = "c0ffee00c0ffee00c0ffee00c0ffee00"
COLUMNS = [(4, 0x0048, 2, 0), (4, 0x0000, 2, 0)]
METER = meter("vector-meter", 1, COLUMNS, serial=[(3, 0xFC00, "0131f2a7")])
OTHER_METER = meter("vector-meter", 1, COLUMNS, serial=[(3, 0xFC00, "0131f2a8")])
TOTALS = [[4, 0x0048, 2]]


class Chain:
    """A station that seals: knows the head, the next sequence number and the register."""

    def __init__(self, key=DEVICE, chain_hex=CHAIN, first_sequence=1):
        self.key, self.chain_hex = key, chain_hex
        self.number, self.head = 0, None
        self.sequence, self.energy = first_sequence, 1_000
        self.sealed = []
        self.hashes = {}

    def seal(self, readings=2, energy=None, read_meter=METER, **changes):
        """Seal the next batch, with some fields changed, and return its bytes."""
        self.number += 1
        energies = energy or [self.energy + 10 * i for i in range(readings)]
        rows = [[wh, 2_300 + i] for i, wh in enumerate(energies)]
        series = raw_series(rows, COLUMNS, changes.get("first_sequence", self.sequence))
        genesis = {0: 0, 1: PROVISIONING} if self.number == 1 else None
        fields = {
            "chain_hex": self.chain_hex,
            "number": self.number,
            "previous_hex": self.head.hex() if self.head else None,
            "first_sequence": self.sequence,
            "sealed_mono_ms": 60_000 * self.number,
            "genesis": genesis,
        }
        content = batch([context(3, read_meter)], series, **{**fields, **changes})
        data, self.head = vec_batch.seal(encode(vec_batch.payload_map(content)), self.key)
        self.sequence = content["first_sequence"] + len(series)
        self.energy = energies[-1] + 10 if energies else self.energy
        self.sealed.append(data)
        self.hashes[self.number] = self.head
        return data

    def seals(self, count):
        """Seal some regular batches; return all sealed so far."""
        for _ in range(count):
            self.seal()
        return self.sealed

    def lost_batches(self, first, last):
        """Return the statement that batches of two readings each were lost."""
        return [0, first, last, 1, self.hashes[last], 2 * first - 1, 2 * last, [], []]


def lost_readings(first, last):
    """Return the statement that readings were never sealed."""
    return [1, first, last, 2, b"", first, last, [], []]
