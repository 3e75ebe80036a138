"""Batches out of the flash dump of a dead board.

Chain id and previous hash are not stored inside a batch but in the records around it; they are put
back. What comes out is the batch as it was sealed, proven by its CRC-32 and by its hash, or it is
named as damaged. Whether it counts, `meterseal verify` says.
"""

import struct
import zlib
from dataclasses import dataclass, field
from typing import Final

from meterseal.errors import EnvironmentProblem, VerificationError
from meterseal.onsite.flash_dump import BATCH, Ring, rings
from meterseal.wire.envelope import open_envelope

_BATCH: Final = struct.Struct(">HI32sIHIHBHHIBB")
_STATE: Final = struct.Struct(">HI16s32s")
_CHAIN_LEN: Final = 16


@dataclass(frozen=True)
class Found:
    """A BATCH record: place and checks of one batch. `chain`: only where a chain begins."""

    generation: int
    number: int
    batch_hash: bytes
    epoch: int
    offset: int
    length: int
    crc: int
    chain_at: int
    hash_at: int
    chain: bytes

    @property
    def stored_len(self) -> int:
        """Bytes that were written."""
        return self.length - _CHAIN_LEN * (self.chain_at > 0) - 32 * (self.hash_at > 0)


@dataclass
class Salvage:
    """`batches`: (number, bytes) in order; `damaged`, `missing`: numbers, by generation."""

    batches: list[tuple[int, bytes]] = field(default_factory=list)
    damaged: list[tuple[int, int]] = field(default_factory=list)
    missing: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class _Known:
    """What is put back: chain ids, and the hash of each batch that a record names."""

    chains: dict[int, bytes] = field(default_factory=dict)
    hashes: dict[tuple[int, int], bytes] = field(default_factory=dict)


def salvage(dump: bytes) -> Salvage:
    """Every batch that can be put together.

    Raises EnvironmentProblem `salvage-journal` if the dump holds no journal.
    """
    found = rings(dump)
    if not found:
        raise EnvironmentProblem(
            "salvage-journal",
            f"expected a journal in a dump of {len(dump)} bytes, found no sector of one",
            "Read the whole flash, or the partition `journal`, with esptool read_flash.",
        )
    result = Salvage()
    for ring in found:
        _salvage_ring(ring, result)
    return result


def _salvage_ring(ring: Ring, result: Salvage) -> None:
    known = _Known()
    listed: dict[tuple[int, int], Found] = {}
    for epoch, _, kind, payload in ring.records():
        if kind == BATCH and len(payload) in (_BATCH.size, _BATCH.size + _CHAIN_LEN):
            one = _batch(payload, epoch)
            listed[one.generation, one.number] = one
            known.hashes[one.generation, one.number] = one.batch_hash
            if one.chain:
                known.chains[one.generation] = one.chain
        elif len(payload) >= _STATE.size:
            generation, number, chain, batch_hash = _STATE.unpack(payload[: _STATE.size])
            known.hashes[generation, number] = batch_hash
            if any(chain):
                known.chains[generation] = chain
    for key, one in sorted(listed.items()):
        raw = _restored(ring, one, known)
        if raw is None:
            result.damaged.append(key)
        else:
            result.batches.append((one.number, raw))
    _note_missing(listed, result)


def _batch(payload: bytes, epoch: int) -> Found:
    generation, number, batch_hash, *_, back, offset, length, crc, chain_at, hash_at = (
        _BATCH.unpack(payload[: _BATCH.size])
    )
    place = (epoch - back, offset, length, crc, chain_at, hash_at)
    return Found(generation, number, batch_hash, *place, payload[_BATCH.size :])


def _restored(ring: Ring, one: Found, known: _Known) -> bytes | None:
    """The batch as it was sealed, or None."""
    stored = ring.stored(one.epoch, one.offset, one.stored_len)
    if stored is None:
        return None
    before = [
        batch_hash
        for (generation, number), batch_hash in sorted(known.hashes.items(), reverse=True)
        if (generation, number) < (one.generation, one.number)
    ]
    for previous in before if one.hash_at else [b""]:
        cuts = []
        if one.chain_at:
            cuts.append((one.chain_at - 1, known.chains.get(one.generation, b"")))
        if one.hash_at:
            cuts.append((one.hash_at - 1, previous))
        raw = _put_back(stored, sorted(cuts), one.crc)
        if raw is not None and _hash_of(raw) == one.batch_hash:
            return raw
    return None


def _put_back(stored: bytes, cuts: list[tuple[int, bytes]], crc: int) -> bytes | None:
    """What was stored with what was left out; None if the CRC says otherwise."""
    found = zlib.crc32(stored)
    for _, left_out in cuts:
        found = zlib.crc32(left_out, found)
    if found != crc:
        return None
    for at, left_out in cuts:
        stored = stored[:at] + left_out + stored[at:]
    return stored


def _hash_of(raw: bytes) -> bytes:
    try:
        return open_envelope(raw).digest
    except VerificationError:
        return b""


def _note_missing(listed: dict[tuple[int, int], Found], result: Salvage) -> None:
    """Numbers between the first and the last of a chain that no record names."""
    for generation in sorted({generation for generation, _ in listed}):
        numbers = [number for other, number in listed if other == generation]
        gaps = set(range(min(numbers), max(numbers))) - set(numbers)
        result.missing += [(generation, number) for number in sorted(gaps)]
