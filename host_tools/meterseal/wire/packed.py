"""A group of readings that passed the schema and is still packed (WIRE_FORMAT 4.2, 4.3)."""

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from meterseal.models import Contents

Series: TypeAlias = tuple[int, int, int, int, int, bytes, list[int]]
"""m packed integers modulo 2^bits: (bits, m, first, base, width, packed, patches)."""


class Packed(Protocol):
    """What the column decoder needs to know of a group, whoever read it."""

    @property
    def meter(self) -> int:
        """Index of the meter epoch."""

    @property
    def boot(self) -> int:
        """Boot in which the readings were taken."""

    @property
    def n(self) -> int:
        """Number of readings."""

    @property
    def quality(self) -> list[list[int]]:
        """Index, status and flags of readings that are not all right."""

    @property
    def registers(self) -> list[tuple[int, ...]]:
        """Function, address, count and order of each column."""

    @property
    def absents(self) -> list[list[int]]:
        """Of each column the readings without a value."""

    @property
    def numbered(self) -> bool:
        """Whether it states its sequence numbers: a group that is alone has all of the batch."""

    def series(self, first_sequence: int) -> list[Series]:
        """Sequence numbers, times, then the columns; `first_sequence`: of the batch."""


class Payload(Protocol):
    """A payload that passed the schema, whoever read it."""

    @property
    def contents(self) -> "Contents":
        """What it says."""


class PackedGroup(NamedTuple):
    """A group as the general decoder reads it."""

    meter: int
    boot: int
    n: int
    quality: list[list[int]]
    registers: list[tuple[int, ...]]
    absents: list[list[int]]
    numbered: bool
    numbers: list[Series]

    def series(self, first_sequence: int) -> list[Series]:
        """Sequence numbers, times, then the columns."""
        return self.numbers if self.numbered else [run(first_sequence, self.n), *self.numbers]


def run(first: int, n: int) -> Series:
    """n sequence numbers without a gap."""
    return (64, n, first, 1 if n > 1 else 0, 0, b"", [])


def pack_group(group: list[Any]) -> PackedGroup:
    """A group from the CBOR item, which passed the schema."""
    meter, boot, n, sequence, time, quality, columns = group
    numbers: list[Series] = [(64, n, *one) for one in (sequence, time) if one]
    numbers += [(column[2] << 4, n - len(column[9]), *column[4:9]) for column in columns]
    registers = [tuple(column[:4]) for column in columns]
    return PackedGroup(
        meter,
        boot,
        n,
        quality,
        registers,
        [column[9] for column in columns],
        bool(sequence),
        numbers,
    )
