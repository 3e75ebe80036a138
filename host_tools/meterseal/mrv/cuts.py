"""Time slots: local months of a reporting period, cut further where a meter's treatment changes.

The time zone is a fixed offset that the activity states, so that no table of time zones can change
a result. An interval between two readings that crosses a cut belongs to the later side.
"""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from meterseal.errors import MethodologyError

DAY_MS = 86_400_000
LAST_DAY_MS = 253_370_000_000_000
"""A moment in the year 9998: what never ends is shown as ending then."""


class Period(NamedTuple):
    """Local days `first` to `last`, both included; `offset_min`: local time minus UTC."""

    first: date
    last: date
    offset_min: int

    @property
    def from_unix_ms(self) -> int:
        """Begin of the first day."""
        return midnight_ms(self.first, self.offset_min)

    @property
    def until_unix_ms(self) -> int:
        """End of the last day."""
        return midnight_ms(self.last, self.offset_min) + DAY_MS

    def as_json(self) -> dict[str, str]:
        """For the report."""
        return {
            "first_day": self.first.isoformat(),
            "last_day": self.last.isoformat(),
            "utc_offset": offset_text(self.offset_min),
        }


class Slots:
    """Numbered spans between cuts; slot i ends at cut i, the last one never ends."""

    def __init__(self, cuts_unix_ms: Iterable[int]) -> None:
        self.cuts = sorted(set(cuts_unix_ms))

    def of(self, t_unix_ms: int) -> int:
        """Slot of an interval that ends at a time; an end on the cut is before it."""
        return bisect_left(self.cuts, t_unix_ms)

    def end_ms(self, slot: int) -> int:
        """The cut that ends a slot; beyond all cuts a time that never comes."""
        return self.cuts[slot] if slot < len(self.cuts) else 1 << 62


def midnight_ms(day: date, offset_min: int) -> int:
    """Begin of a local day in ms since 1970."""
    utc = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(minutes=offset_min)
    return int(utc.timestamp()) * 1000


def local_day(t_unix_ms: int, offset_min: int) -> date:
    """Local day of a moment."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=t_unix_ms)
    return (moment + timedelta(minutes=offset_min)).date()


def month_starts_ms(first: date, last: date, offset_min: int) -> list[int]:
    """Begin of each local month from that of `first` to the one behind `last`."""
    starts = []
    year, month = first.year, first.month
    while (year, month) <= (last.year, last.month):
        starts.append(midnight_ms(date(year, month, 1), offset_min))
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return [*starts, midnight_ms(date(year, month, 1), offset_min)]


def months(first: date, last: date) -> list[str]:
    """`2026-01`, `2026-02`, ... from `first` to `last`."""
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    numbers = [first.year * 12 + first.month - 1 + i for i in range(count)]
    return [f"{number // 12}-{number % 12 + 1:02d}" for number in numbers]


def month_ms(month: str, period: Period) -> int:
    """How long the part of a month is that lies in a period."""
    day = date.fromisoformat(f"{month}-01")
    start, end = month_starts_ms(day, day, period.offset_min)
    return min(end, period.until_unix_ms) - max(start, period.from_unix_ms)


def month_before(t_unix_ms: int, offset_min: int) -> str:
    """Local month that an interval ending at a time belongs to."""
    return local_day(t_unix_ms - 1, offset_min).isoformat()[:7]


def parse_offset(text: str) -> int:
    """Minutes of `+07:00`. Raises MethodologyError `input-value`."""
    try:
        moment = datetime.strptime(text, "%z")
    except ValueError as problem:
        raise MethodologyError(
            "input-value", f"utc_offset: expected the form +07:00, found {text!r}"
        ) from problem
    offset = moment.utcoffset() or timedelta(0)
    return round(offset.total_seconds()) // 60


def offset_text(offset_min: int) -> str:
    """`+07:00` of minutes."""
    sign = "-" if offset_min < 0 else "+"
    return f"{sign}{abs(offset_min) // 60:02d}:{abs(offset_min) % 60:02d}"


def parse_period(text: str, offset_min: int) -> Period:
    """`2026`, `2026-03`, or `2026-01-01..2026-06-30`. Raises MethodologyError `period-form`."""
    try:
        if ".." in text:
            first, last = (date.fromisoformat(part) for part in text.split("..", 1))
        else:
            year, month = (int(part) for part in (text + "-0").split("-")[:2])
            first = date(year, month or 1, 1)
            last = (date(year, month or 12, 28) + timedelta(days=4)).replace(day=1)
            last -= timedelta(days=1)
    except ValueError:
        first, last = date(1, 1, 2), date(1, 1, 1)
    if last < first:
        raise MethodologyError(
            "period-form",
            f"expected 2026, 2026-03 or 2026-01-01..2026-06-30, found {text!r}",
            "Correct --period.",
        )
    return Period(first, last, offset_min)
