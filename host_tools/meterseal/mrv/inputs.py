"""Inputs beside the chain: vehicle and battery register, consumption samples, invoices.

Each is a CSV file that the activity names; a file without rows is a statement, a missing one a
refusal. No vehicle is identified: the register holds pseudonyms.
"""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from math import isqrt
from typing import Final, NamedTuple

from meterseal.errors import MethodologyError
from meterseal.mrv.exact import decimal
from meterseal.mrv.table import csv_rows, day, whole

VEHICLE_COLUMNS: Final = ("vehicle", "vehicle_class", "battery_class", "from", "until")
SAMPLE_COLUMNS: Final = ("vehicle_class", "date", "boundary", "distance_m", "energy_wh")
INVOICE_COLUMNS: Final = ("station", "from", "until", "energy_kwh")

# Student's t for a two-sided confidence of 90 %, thousandths, by degrees of freedom from 1 to 30;
# the last one stays above the normal distribution's 1.645 and is on the safe side beyond.
_T90_THOUSANDTHS: Final = (
    *(6314, 2920, 2353, 2132, 2015, 1943, 1895, 1860, 1833, 1812),
    *(1796, 1782, 1771, 1761, 1753, 1746, 1740, 1734, 1729, 1725),
    *(1721, 1717, 1714, 1711, 1708, 1706, 1703, 1701, 1699, 1697),
)
_CLASS: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z ._-]{0,39}")
SAMPLES_HOLD: Final = timedelta(days=731)
"""Retest every 24 months, as Gold Standard MECD v2.0 demands."""
_PRECISION: Final = Fraction(1, 10)
_ROOT_DIGITS: Final = 10**12
_VALUE_DIGITS: Final = 10**9


class Vehicle(NamedTuple):
    """A project vehicle, in use from the first to the last day given."""

    name: str
    vehicle_class: str
    battery_class: str
    first: date
    last: date


class Consumption(NamedTuple):
    """Specific consumption of a class in kWh/km from samples.

    `value`: the mean where it is known to 10 % at 90 % confidence, else its upper bound; rounded
    up to 1e-9 kWh/km, which is never in favour of the claim.
    """

    vehicle_class: str
    samples: int
    mean: Fraction
    half_width: Fraction
    value: Fraction
    precise: bool
    outdated: int = 0
    """Samples left out for their date."""


class Invoice(NamedTuple):
    """What the utility billed for a station."""

    station: str
    first: date
    last: date
    energy_kwh: Fraction


def read_vehicles(data: bytes) -> list[Vehicle]:
    """Vehicle register. Raises MethodologyError; `vehicle-twice` for overlapping entries."""
    vehicles = [
        Vehicle(
            row["vehicle"],
            _class(row["vehicle_class"]),
            row["battery_class"],
            day(row["from"], "vehicles"),
            day(row["until"], "vehicles"),
        )
        for row in csv_rows(data, VEHICLE_COLUMNS, "vehicles")
    ]
    last: Vehicle | None = None
    for one in sorted(vehicles, key=lambda one: (one.name, one.first)):
        if last is not None and last.name == one.name and one.first <= last.last:
            raise MethodologyError(
                "vehicle-twice",
                f"expected a vehicle once at a time, found {one.name} twice on {one.first}",
                "Correct the vehicle register.",
            )
        last = one
    return vehicles


def _class(text: str) -> str:
    """A class in plain words: it stands in formulas and file names."""
    if not _CLASS.fullmatch(text):
        raise MethodologyError(
            "vehicle-class",
            f"expected a class of letters, digits, spaces, '.', '_' and '-', found {text!r}",
            "Name the class otherwise, here and in the other files.",
        )
    return text


def vehicle_days(vehicles: Sequence[Vehicle], vehicle_class: str, first: date, last: date) -> int:
    """Days that vehicles of a class were in use between two days, both included."""
    total = 0
    for one in vehicles:
        if one.vehicle_class == vehicle_class:
            days = (min(one.last, last) - max(one.first, first)).days + 1
            total += max(0, days)
    return total


def read_consumption(
    data: bytes, meter_boundary: str, first: date, last: date
) -> dict[str, Consumption]:
    """Specific consumption by vehicle class, for a period from `first` to `last`.

    Samples count for two years before and behind the day they were taken on.

    Raises MethodologyError `consumption-boundary`: a value measured behind charger and battery
    losses with energy measured before them over-credits by those losses.
    """
    by_class: dict[str, list[tuple[int, int]]] = {}
    outdated: Counter[str] = Counter()
    for row in csv_rows(data, SAMPLE_COLUMNS, "consumption samples"):
        if row["boundary"] != meter_boundary:
            raise MethodologyError(
                "consumption-boundary",
                f"expected samples at {meter_boundary}, where the meters are, "
                f"found {row['boundary']}",
                "Measure the consumption at the boundary of the meters.",
            )
        taken = day(row["date"], "consumption samples")
        distance_m = whole(row["distance_m"], "consumption samples")
        energy_wh = whole(row["energy_wh"], "consumption samples")
        if not distance_m or not energy_wh:
            raise MethodologyError(
                "consumption-zero", "expected distance and energy above 0, found 0", "Correct it."
            )
        samples = by_class.setdefault(row["vehicle_class"], [])
        if first - SAMPLES_HOLD <= taken <= last + SAMPLES_HOLD:
            samples.append((energy_wh, distance_m))
        else:
            outdated[row["vehicle_class"]] += 1
    return {
        name: _estimate(name, samples)._replace(outdated=outdated[name])
        for name, samples in sorted(by_class.items())
    }


def _estimate(name: str, samples: list[tuple[int, int]]) -> Consumption:
    """Mean of the samples and half the width of its 90 % interval (square root rounded up)."""
    if len(samples) < 2:
        raise MethodologyError(
            "consumption-samples",
            f"expected at least 2 samples of class {name} of the last two years, "
            f"found {len(samples)}",
            "Measure more vehicles.",
        )
    values = [Fraction(energy_wh, distance_m) for energy_wh, distance_m in samples]
    count = len(values)
    mean = sum(values, Fraction(0)) / count
    variance = sum(((one - mean) ** 2 for one in values), Fraction(0)) / (count - 1)
    t90 = Fraction(_T90_THOUSANDTHS[min(count - 1, len(_T90_THOUSANDTHS)) - 1], 1000)
    half_width = t90 * _root_up(variance / count)
    precise = half_width <= mean * _PRECISION
    value = mean if precise else mean + half_width
    value = Fraction(-(-value.numerator * _VALUE_DIGITS // value.denominator), _VALUE_DIGITS)
    return Consumption(name, count, mean, half_width, value, precise)


def _root_up(value: Fraction) -> Fraction:
    scaled = -(-value.numerator * _ROOT_DIGITS**2 // value.denominator)
    root = isqrt(scaled)
    return Fraction(root + (root * root < scaled), _ROOT_DIGITS)


def read_invoices(data: bytes) -> list[Invoice]:
    """Utility invoices."""
    return [
        Invoice(
            row["station"],
            day(row["from"], "invoices"),
            day(row["until"], "invoices"),
            decimal(row["energy_kwh"], "invoices: energy_kwh"),
        )
        for row in csv_rows(data, INVOICE_COLUMNS, "invoices")
    ]
