"""Which hours of a device are proven, stated as lost, missing, or without any reading."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from meterseal.models import Group, VerifiedBatch
from meterseal.verify.chain import Stated
from meterseal.verify.clock import UNBOUNDED_UNIX_MS

HOUR_MS = 3_600_000
PROVEN, STATED, MISSING, SILENT = "p", "s", "m", "-"
_DAY_H = 24


class _Hole(NamedTuple):
    chain: bytes
    first_sequence: int
    last_sequence: int
    first_hour: int
    last_hour: int


class Coverage:
    """Hours since 1970 (UTC). As large as the time covered, whatever the number of readings."""

    def __init__(self) -> None:
        self._proven: set[int] = set()
        self._holes: list[_Hole] = []
        self._ends: dict[bytes, tuple[int, int]] = {}

    def take(self, batch: VerifiedBatch) -> None:
        """Readings of a batch; batches of a chain come in order."""
        hours = [one for group in batch.groups for one in _hours(batch, group)]
        self._proven.update(hours)
        contents = batch.contents
        end = self._ends.get(batch.chain)
        if not hours:
            return
        if end and contents.first_sequence > end[0]:
            sequences = end[0], contents.first_sequence - 1
            self._holes.append(_Hole(batch.chain, *sequences, end[1], min(hours)))
        self._ends[batch.chain] = contents.next_sequence, max(hours)

    def days(self, stated: dict[bytes, Stated]) -> dict[int, str]:
        """Day since 1970 -> state of its 24 hours. An hour with a hole in it is not proven."""
        hours = dict.fromkeys(self._proven, PROVEN)
        for hole in self._holes:
            unstated = stated[hole.chain].sequences.missing(
                hole.first_sequence, hole.last_sequence
            )
            state = MISSING if unstated else STATED
            for hour in range(hole.first_hour, hole.last_hour + 1):
                if hours.get(hour) != MISSING:
                    hours[hour] = state
        days = range(min(hours) // _DAY_H, max(hours) // _DAY_H + 1) if hours else range(0)
        return {
            day: "".join(hours.get(day * _DAY_H + hour, SILENT) for hour in range(_DAY_H))
            for day in days
        }


def _hours(batch: VerifiedBatch, group: Group) -> Iterator[int]:
    """Hours of readings that the meter answered and whose time is known to the hour."""
    earliest, latest = batch.clocks[group.boot].utc(group)
    dated = (latest < UNBOUNDED_UNIX_MS) & (latest - earliest <= HOUR_MS) & (group.status == 0)
    yield from (int(hour) for hour in np.unique(earliest[dated] // HOUR_MS))
