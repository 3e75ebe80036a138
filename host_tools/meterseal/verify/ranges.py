"""Sets of integers as disjoint ranges: what a chain states as lost."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator

Range = tuple[int, int]
"""First and last, both included."""


class Ranges:
    """Ranges that merge as they touch. Its size is that of the gaps, not of the chain."""

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._ranges: list[Range] = []
        for first, last in ranges:
            self.add(first, last)

    def __iter__(self) -> Iterator[Range]:
        return iter(self._ranges)

    def add(self, first: int, last: int) -> None:
        """Add `first` to `last`; nothing if `last` is below `first`."""
        if last < first:
            return
        start = bisect_left(self._ranges, first, key=lambda one: one[1] + 1)
        end = start
        while end < len(self._ranges) and self._ranges[end][0] <= last + 1:
            first = min(first, self._ranges[end][0])
            last = max(last, self._ranges[end][1])
            end += 1
        self._ranges[start:end] = [(first, last)]

    def missing(self, first: int, last: int) -> list[Range]:
        """The parts of `first` to `last` that are in none of the ranges."""
        found = []
        for start, end in self._ranges:
            if end < first:
                continue
            if start > last:
                break
            if start > first:
                found.append((first, start - 1))
            first = end + 1
        if first <= last:
            found.append((first, last))
        return found


def text_of(ranges: Iterable[Range]) -> str:
    """Ranges for people: "3, 7 to 9"."""
    return ", ".join(
        str(first) if first == last else f"{first} to {last}" for first, last in ranges
    )
