"""A payload that passed the schema in its usual form; converted when somebody asks (fast.py)."""

from functools import lru_cache
from re import Match
from typing import Any, NamedTuple

from meterseal.models import Anchor, Contents
from meterseal.wire import fast_forms as forms
from meterseal.wire.packed import Series

_EVENTS_KEY, _LOST_KEY = 14, 15

Found = Match[bytes]
"""Where one of the forms matched."""


FastSeries = tuple[bytes, int, Found | None, list[int]]
"""Packed integers: register (none for times), where `first` begins, patches if any, absent."""


class FastGroup(NamedTuple):
    """A group that was found in the payload `data`; times are the first of its series.

    `first_sequence`: the batch's, encoded.
    """

    data: bytes
    found: Found
    first_sequence: bytes
    n: int
    quality: list[list[int]]
    packed: list[FastSeries]

    @property
    def meter(self) -> int:
        """Index of the meter epoch."""
        return forms.uint(self.found[1])

    @property
    def boot(self) -> int:
        """Boot in which the readings were taken."""
        return forms.uint(self.found[2])

    @property
    def registers(self) -> list[tuple[int, ...]]:
        """Function, address, count and order of each column."""
        return [register_of(item) for item, _, _, _ in self.packed[1:]]

    @property
    def absents(self) -> list[list[int]]:
        """Of each column the readings without a value."""
        return [absent for _, _, _, absent in self.packed[1:]]

    @property
    def numbered(self) -> bool:
        """Whether it states its sequence numbers."""
        return self.found[4] is not None

    @property
    def sequence(self) -> tuple[int, int]:
        """The first sequence number, and the step to the next."""
        first, step = self.found.group(4, 5)
        if first is None:
            return forms.uint(self.first_sequence), 1 if self.n > 1 else 0
        return forms.uint(first), forms.uint(step)

    def series(self, first_sequence: int) -> list[Series]:
        """Sequence numbers, times, then the columns."""
        first, step = self.sequence
        found: list[Series] = [(64, self.n, first, step, 0, b"", [])]
        for item, at, patches, absent in self.packed:
            bits = register_of(item)[2] << 4 if item else 64
            values = [] if patches is None else forms.uint_list(patches.groups())
            found.append((bits, self.n - len(absent), *forms.packed(self.data, at), values))
        return found


class FastPayload:
    """A payload that passed the schema.

    `heads` and `anchors` matched keys 0 to 8, `static` has the values of keys 9 to 12, `health` is
    its key's encoding, `rare` has the values of all others.
    """

    __slots__ = ("_contents", "_parts", "groups")

    def __init__(
        self,
        heads: Found,
        anchors: Found | None,
        static: list[Any],
        groups: list[FastGroup],
        health: bytes,
        rare: dict[int, Any],
    ) -> None:
        self.groups = groups
        self._parts = heads, anchors, static, health, rare
        self._contents: Contents | None = None

    @property
    def is_run(self) -> bool:
        """Whether it is clear at sight that one group has just the sequence numbers stated."""
        if len(self.groups) != 1:
            return False
        group = self.groups[0]
        n_item, first, step = group.found.group(3, 4, 5)
        return (first or group.first_sequence, n_item) == self._parts[0].group(6, 7) and (
            first is None or step == b"\x01"
        )

    @property
    def contents(self) -> Contents:
        """What the payload says."""
        if self._contents is None:
            self._contents = self._convert()
        return self._contents

    def _convert(self) -> Contents:
        heads, anchors, static, health, rare = self._parts
        chain, number, previous, *numbers = heads.groups()
        extra = dict(rare)
        return Contents._make(
            (
                chain,
                forms.uint(number),
                previous,
                *forms.uint_list(numbers),
                () if anchors is None else _anchors(forms.uint_list(anchors.groups())),
                *static,
                tuple(self.groups),
                extra.pop(_EVENTS_KEY, ()),
                extra.pop(_LOST_KEY, ()),
                health,
                None,
                extra,
            )
        )


def _anchors(numbers: list[int]) -> tuple[Anchor, ...]:
    step = forms.ANCHOR_LEN
    return tuple([Anchor._make(numbers[at : at + step]) for at in range(0, len(numbers), step)])


@lru_cache(maxsize=10_000)
def register_of(item: bytes) -> tuple[int, ...]:
    """Function, address, count and order of a column."""
    match = forms.register(item)
    assert match is not None  # it is a part of `forms.column`
    return tuple(forms.uint_list(match.groups()))
