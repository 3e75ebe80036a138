"""What a batch says, as immutable values (WIRE_FORMAT sections 3 to 9).

`SealedBatch` is bytes with a verified signature, `VerifiedBatch` is what reports may use. Both are
made by the verifier alone. Numbers are as the device wrote them; decoding by profile comes later.
"""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from meterseal.wire.cbor import decode_map
from meterseal.wire.envelope import Envelope
from meterseal.wire.packed import Packed, Payload

U64Array = NDArray[np.uint64]

KEY_CLASSES: Final = ("sim", "software", "secure-element")
"""Names of `key_class` 0, 1, 2."""


class Registers(NamedTuple):
    """Words as read from the meter, big-endian, from `address` on with `function` 3 or 4."""

    function: int
    address: int
    words: bytes


class Meter(NamedTuple):
    """A meter epoch. `identity`, `setup`: empty where the profile names no such registers."""

    profile: str
    profile_hash: bytes
    unit: int
    identity: tuple[Registers, ...]
    setup: tuple[Registers, ...]


class Anchor(NamedTuple):
    """At `mono_ms` of `boot` the device believed UTC to be `t_unix_ms`, within `error_ms`."""

    boot: int
    mono_ms: int
    t_unix_ms: int
    source: int
    error_ms: int


class Event(NamedTuple):
    """Something that happened; `detail` depends on `kind` (section 6)."""

    kind: int
    boot: int
    mono_ms: int
    detail: tuple[int | bytes | str, ...]


class Edge(NamedTuple):
    """Energy register of a meter beside a lost range."""

    meter: str
    unit: int
    function: int
    address: int
    words: bytes


class Lost(NamedTuple):
    """A stated loss: batches (`kind` 0) or readings (`kind` 1) `first` to `last`."""

    kind: int
    first: int
    last: int
    reason: int
    last_hash: bytes
    first_sequence: int
    last_sequence: int
    before: tuple[Edge, ...]
    after: tuple[Edge, ...]


class Column(NamedTuple):
    """One register value over the readings of a group.

    `values`: shape (m,), uint64, the words as one integer after the permutation `order`; `rows`:
    shape (m,), which reading of the group each belongs to, or None if every reading has one.
    """

    function: int
    address: int
    count: int  # type: ignore[assignment]  # shadows tuple.count
    order: int
    values: U64Array
    rows: NDArray[np.intp] | None

    @property
    def register(self) -> tuple[int, int, int, int]:
        """Function, address, count and order: what tells one column from another."""
        return self[:4]

    def words(self) -> list[bytes]:
        """The words of each value as the meter sent them, `2 * count` bytes each."""
        return [undo_order(int(value), self.count, self.order) for value in self.values]


def undo_order(value: int, count: int, order: int) -> bytes:
    """Words as the meter sent them. Order: bit 0 reverses the words, bit 1 swaps their bytes."""
    words = [(value >> 16 * shift & 0xFFFF).to_bytes(2, "big") for shift in range(count)]
    if not order & 1:
        words.reverse()
    return b"".join(word[::-1] if order & 2 else word for word in words)


class Group(NamedTuple):
    """Readings of one meter epoch in one boot, ascending by sequence; all arrays of shape (n,).

    `t_100ms` counts 100 ms of the monotonic clock of `boot`; `status` and `flags`: section 4.4.
    """

    meter: int
    boot: int
    sequence: U64Array
    t_100ms: U64Array
    status: NDArray[np.uint8]
    flags: NDArray[np.uint8]
    columns: tuple[Column, ...]


class Contents(NamedTuple):
    """Payload of a batch whose schema is right.

    `groups` are still packed (columns.py), `health_item` may be: `health` is the map.
    """

    chain: bytes
    number: int
    previous: bytes | None
    boot: int
    sealed_mono_ms: int
    first_sequence: int
    count: int  # type: ignore[assignment]  # shadows tuple.count
    anchors: tuple[Anchor, ...]
    firmware: str
    config_hash: bytes
    key_class: int
    meters: tuple[Meter, ...]
    groups: tuple[Packed, ...]
    events: tuple[Event, ...]
    lost: tuple[Lost, ...]
    health_item: dict[int, Any] | bytes
    genesis: dict[int, Any] | None
    extra: dict[int, Any]
    """Keys 18 and above: ocmf, receipt, rollover, nonces, tenant, and what nobody knows yet."""

    @property
    def health(self) -> dict[int, Any]:
        """Section 8."""
        item = self.health_item
        return decode_map(item) if isinstance(item, bytes) else item

    @property
    def next_sequence(self) -> int:
        """Sequence number of the first reading behind this batch."""
        return self.first_sequence + self.count


class SealedBatch(NamedTuple):
    """A batch whose signature and schema are right; readings not decoded, chain not checked."""

    envelope: Envelope
    payload: Payload

    @property
    def raw(self) -> bytes:
        """The whole batch, as it came."""
        return self.envelope.raw

    @property
    def kid(self) -> bytes:
        """Device id, 8 bytes."""
        return self.envelope.kid

    @property
    def hash(self) -> bytes:
        """Batch hash, 32 bytes: what acknowledgements and the next batch name."""
        return self.envelope.digest

    @property
    def contents(self) -> Contents:
        """What the batch says."""
        return self.payload.contents


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should know about a batch or a chain. `code` is stable.

    `severity`: `error` (the standard policy refuses it), `warning` or `notice`.
    """

    code: str
    severity: str
    text: str
    number: int = 0


class Clock(Protocol):
    """What is known of the clock of one boot; `verify.clock` has it."""

    def utc(self, group: Group) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Earliest and latest UTC of each reading, ms since 1970, shape (n,)."""


_VERIFIER: Final = object()
"""Shown by whoever may make a VerifiedBatch."""


@dataclass(frozen=True, slots=True)
class VerifiedBatch:
    """A batch that the verifier accepted under the caller's policy. Nobody else can make one.

    `clocks` holds, for every boot that has readings here, what is known of its clock so far.
    `fresh` is false for a repeated batch, whose readings must not be counted again.
    """

    sealed: SealedBatch
    station: str
    thumbprint: bytes
    groups: tuple[Group, ...]
    findings: tuple[Finding, ...]
    clocks: Mapping[int, Clock]
    fresh: bool
    maker: InitVar[object] = None

    def __post_init__(self, maker: object) -> None:
        if maker is not _VERIFIER:
            raise TypeError("a VerifiedBatch comes from Verifier.verify() alone")

    @property
    def contents(self) -> Contents:
        """What the batch says."""
        return self.sealed.contents

    @property
    def kid(self) -> bytes:
        """Device id, 8 bytes."""
        return self.sealed.kid

    @property
    def hash(self) -> bytes:
        """Batch hash, 32 bytes."""
        return self.sealed.hash

    @property
    def chain(self) -> bytes:
        """Chain id, 16 bytes."""
        return self.sealed.contents.chain

    @property
    def number(self) -> int:
        """Number of the batch in its chain."""
        return self.sealed.contents.number

    @property
    def meters(self) -> tuple[Meter, ...]:
        """Meter epochs; groups name them by index."""
        return self.sealed.contents.meters
