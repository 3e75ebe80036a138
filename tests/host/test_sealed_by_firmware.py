"""What the firmware seals in random lives, the host's independent strict decoder reads back.

The vectors fix single batches; here the journal, restarts, changed meters, jumps and
wiped journals make them. Every word that was journaled and delivered must come back as it was.
"""

import random

import pytest
from agent import cbor
from agent.journal import ANCHOR
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from meterseal.wire.cbor import decode_map
from meterseal.wire.columns import decode_readings
from meterseal.wire.envelope import open_envelope
from meterseal.wire.schema import check_payload, check_whole
from support.sealing_station import NOON_MS, Station, meter

LAYOUTS = (
    ((4, 0x48, 2, 0), (4, 0x0C, 2, 0)),
    ((3, 0x10, 1, 2), (4, 0x34, 2, 1), (4, 0x500, 4, 3)),
    ((3, 0x0C83, 4, 0),),
)


class Life:
    """One random life of a station; remembers the words of every reading by its sequence."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.station = Station(sectors=32, max_readings=7, totals=((4, 0x48), (4, 0x34)))
        self.taken: dict[int, tuple] = {}
        self.start()

    def start(self) -> None:
        self.station.boot()
        self.change_meters()

    def change_meters(self) -> None:
        count = self.random.randint(1, 3)
        meters = tuple(
            meter(
                unit=self.random.randint(1, 4),
                serial=bytes(3) + bytes([self.random.randint(0, 1)]),
                columns=self.random.choice(LAYOUTS),
            )
            for _ in range(count)
        )
        self.station.set_meters(meters)

    def read(self) -> None:
        index = self.random.randrange(len(self.station.meters))
        columns = self.station.meters[index].columns
        masks = [(1 << len(columns)) - 1, self.random.randrange(1 << len(columns))]
        status = self.random.choice([0, 0, 0, 0, 1, 130])
        words, kept = b"", {}
        for bit, column in enumerate(columns):
            value = self.random.randbytes(2 * column[2])
            if status and not masks[1] >> bit & 1:
                value = bytes(2 * column[2])
            else:
                kept[column[:3]] = value
            words += value
        sequence = self.station.next_sequence
        self.station.read(1, index, status, masks[bool(status)], words)
        one = self.station.meters[index]
        self.taken[sequence] = (one.unit, one.identity, self.station.boots, status, kept)

    def step(self) -> None:
        """One of the things that happen to a station."""
        dice = self.random.random()
        if dice < 0.80:
            self.read()
        elif dice < 0.84:
            self.start()
        elif dice < 0.88:
            self.change_meters()
        elif dice < 0.92:
            self.station.next_sequence += self.random.randint(1, 3)
        elif dice < 0.95:
            known = (self.station.boots, self.station.clock.mono_ms(), NOON_MS, 5, 20)
            self.station.journal.append(ANCHOR, cbor.encode(known))
        elif dice < 0.98:
            index = self.random.randrange(len(self.station.meters))
            self.station.event(cbor.encode((3, self.station.boots, 5, (index,))))
        elif dice < 0.985:
            image = self.station.flash.image
            image[:] = b"\xff" * len(image)
            self.start()
        self.station.seal()


def decoded(raw: bytes):
    """Contents and groups of a batch; raises what the strict decoder refuses."""
    envelope = open_envelope(raw)
    contents = check_payload(decode_map(bytes(envelope.payload)))
    check_whole(contents)
    return contents, decode_readings(contents)


def check_groups(contents, groups, taken) -> set[int]:
    """Every reading as it was journaled; their sequence numbers."""
    held = set()
    for group in groups:
        one = contents.meters[group.meter]
        for row, sequence in enumerate(group.sequence.tolist()):
            unit, identity, boot, status, kept = taken[sequence]
            assert (one.unit, tuple(map(tuple, one.identity))) == (unit, identity)
            assert (group.boot, int(group.status[row])) == (boot, status)
            assert words_of(group, row) == kept
            held.add(sequence)
    return held


def words_of(group, row: int) -> dict[tuple, bytes]:
    """(function, address, count) -> words of one reading."""
    found = {}
    for column in group.columns:
        rows = list(range(len(column.values))) if column.rows is None else column.rows.tolist()
        if row in rows:
            found[column[:3]] = column.words()[rows.index(row)]
    return found


@pytest.mark.parametrize("seed", range(8))
def test_random_life(seed: int) -> None:
    life = Life(seed)
    for _ in range(220):
        life.step()
    life.station.ticks.advance(3_600_000)
    life.station.seal()
    held: dict[bytes, set[int]] = {}
    stated: dict[bytes, set[int]] = {}
    for (chain, number), raw in sorted(life.station.left.items()):
        contents, groups = decoded(raw)
        assert (contents.chain, contents.number) == (chain, number)
        held.setdefault(chain, set()).update(check_groups(contents, groups, life.taken))
        for lost in contents.lost:
            stated.setdefault(chain, set()).update(range(lost.first, lost.last + 1))
    assert sum(map(len, held.values())) > 120
    for chain, numbers in held.items():
        jumped = set(range(min(numbers), max(numbers))) - numbers
        assert jumped <= stated.get(chain, set())
        assert not stated.get(chain, set()) & numbers


def test_signatures_verify_with_another_library() -> None:
    life = Life(99)
    for _ in range(60):
        life.step()
    point = life.station.sealer._signer.public_65
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    assert len(life.station.left) > 3
    for raw in life.station.left.values():
        envelope = open_envelope(raw)
        r, s = (int.from_bytes(half, "big") for half in (raw[-64:-32], raw[-32:]))
        signature = utils.encode_dss_signature(r, s)
        key.verify(signature, envelope.digest, ec.ECDSA(utils.Prehashed(SHA256())))
