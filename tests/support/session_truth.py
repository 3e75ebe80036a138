"""What really happened at a connector, apart from what the station says of it.

A row for each reading that became durable, with the car that charged then; from these alone
follows which sessions there must be, where each may begin and where it must have ended.
"""

from collections.abc import Iterator
from typing import NamedTuple


class Row(NamedTuple):
    """`car`: 0 for none; `whole`: the round of this reading came to its end with power."""

    sequence: int
    boot: int
    mono_ms: int
    mwh: int
    car: int
    whole: bool


class Expected(NamedTuple):
    """A car's session. `first`: it cannot begin before; `begun`: it has begun then at the latest,
    None if there need be none; `charging`: the last reading that is surely in it; `over`: it has
    ended then at the latest.
    """

    car: int
    first: Row
    begun: Row | None
    charging: Row
    over: Row


class Truth:
    """`start_hold_s`, `stop_hold_s`: 0 where the trigger knows no hold."""

    def __init__(self, start_hold_s: int, stop_hold_s: int) -> None:
        self.rows: list[Row] = []
        self._start_ms, self._stop_ms = 1000 * start_hold_s, 1000 * stop_hold_s

    def expected(self) -> Iterator[Expected]:
        """One for each car of which a reading is durable."""
        for car in sorted({row.car for row in self.rows} - {0}):
            there = [at for at, row in enumerate(self.rows) if row.car == car]
            on, off = self.rows[there[0] : there[-1] + 1], self.rows[there[-1] + 1 :]
            off = off[: next((at for at, row in enumerate(off) if row.car), len(off))]
            whole = [row for row in on if row.whole]
            charging = (whole or on)[-1]
            over = self._over(off, on[-1].boot)
            yield Expected(car, on[0], held(on, self._start_ms), charging, over)

    def _over(self, off: list[Row], boot: int) -> Row:
        """A hold that was kept to its end, or the first whole reading after a power cut."""
        found = [held(off, self._stop_ms)]
        boots = [boot] + [row.boot for row in off]
        found += [
            row
            for row, before in zip(off, boots, strict=False)
            if row.boot != before and row.whole
        ]
        return min(row for row in found if row)


def held(rows: list[Row], hold_ms: int) -> Row | None:
    """First of the whole rows of one boot that span so long a time."""
    for first in rows:
        for row in rows:
            if row.whole and row.boot == first.boot and row.mono_ms - first.mono_ms >= hold_ms:
                return first
    return None
