"""What a batch says, as immutable values (WIRE_FORMAT sections 3 to 9).

`SealedBatch` is bytes with a verified signature, `VerifiedBatch` is what reports may use. Both are
made by the verifier alone. Numbers are as the device wrote them; decoding by profile comes later.
"""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
    count: int
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
    """Payload of a batch whose schema is right; `groups` are still packed lists (columns.py)."""

    chain: bytes
    number: int
    previous: bytes | None
    boot: int
    sealed_mono_ms: int
    first_sequence: int
    count: int
    anchors: tuple[Anchor, ...]
    firmware: str
    config_hash: bytes
    key_class: int
    meters: tuple[Meter, ...]
    groups: tuple[list[Any], ...]
    events: tuple[Event, ...]
    lost: tuple[Lost, ...]
    health: dict[int, Any]
    genesis: dict[int, Any] | None
    extra: dict[int, Any]
    """Keys 18 and above: ocmf, receipt, rollover, nonces, tenant, and what nobody knows yet."""

    @property
    def next_sequence(self) -> int:
        """Sequence number of the first reading behind this batch."""
        return self.first_sequence + self.count


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """A batch whose signature and schema are right; readings not decoded, chain not checked."""

    raw: bytes
    kid: bytes
    hash: bytes
    contents: Contents


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should know about a batch or a chain. `code` is stable."""

    code: str
    severity: str
    """`error` (refused by the standard policy), `warning` or `notice`."""
    text: str
    chain: bytes = b""
    number: int = 0
    details: dict[str, int | str] = field(default_factory=dict)
