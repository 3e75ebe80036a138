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

    def series(self) -> list[Series]:
        """Sequence numbers, times, then the columns."""


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
    numbers: list[Series]

    def series(self) -> list[Series]:
        """Sequence numbers, times, then the columns."""
        return self.numbers


def pack_group(group: list[Any]) -> PackedGroup:
    """A group from the CBOR item, which passed the schema."""
    meter, boot, n, sequence, time, quality, columns = group
    numbers: list[Series] = [(64, n, *sequence), (64, n, *time)]
    numbers += [(column[2] << 4, n - len(column[9]), *column[4:9]) for column in columns]
    registers = [tuple(column[:4]) for column in columns]
    return PackedGroup(
        meter, boot, n, quality, registers, [column[9] for column in columns], numbers
    )
