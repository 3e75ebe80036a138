"""From energy to tonnes: by vintage, exact, rounded down once on the cumulative total.

Also what follows from the totals: allocation to holders, progress against targets, sensitivity.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from math import floor
from typing import Final, NamedTuple

from meterseal.errors import MethodologyError
from meterseal.mrv.accounting import Month
from meterseal.mrv.activity import Activity, Target, days_of_year
from meterseal.mrv.allocation import Allocation, capped, pro_rata, waterfall
from meterseal.mrv.book import State
from meterseal.mrv.cuts import Period
from meterseal.mrv.exact import kwh
from meterseal.mrv.findings import Findings
from meterseal.mrv.inputs import Vehicle, vehicle_days
from meterseal.mrv.methodology import KM_PER_100_MILES, Factors, Span

SENSITIVE: Final = (
    "electricity_emission_factor",
    "specific_consumption",
    "fuel_consumption",
    "comparable_mileage",
    "fuel_emission_factor",
    "transmission_loss",
)
UP, DOWN = Fraction(11, 10), Fraction(9, 10)


@dataclass(slots=True)
class Vintage:
    """One calendar year of a report. Energies in mWh, tonnes exact."""

    span: Span
    factors: Factors
    baseline: dict[str, Fraction] = field(default_factory=dict)
    project: dict[str, Fraction] = field(default_factory=dict)
    uncredited: dict[str, Fraction] = field(default_factory=dict)
    baseline_t: Fraction = Fraction(0)
    project_t: Fraction = Fraction(0)
    leakage_t: Fraction = Fraction(0)
    cumulative_t: Fraction = Fraction(0)
    issued_t: int = 0
    deficit_t: int = 0

    @property
    def reductions_t(self) -> Fraction:
        """ER = BE - PE - LE; may be negative."""
        return self.baseline_t - self.project_t - self.leakage_t


def span_of(vintage: int, period: Period, months: Iterable[str], start_year: int) -> Span:
    """Days that the energy of a vintage comes from."""
    own = [date.fromisoformat(f"{month}-01") for month in months if month[:4] == str(vintage)]
    first, last = max(period.first, date(vintage, 1, 1)), min(period.last, date(vintage, 12, 31))
    if first > last:
        first, last = min(own, default=date(vintage, 1, 1)), date(vintage, 12, 31)
    return Span(vintage, first, last, start_year)


def sampled(activity: Activity, samples: dict[str, Fraction]) -> dict[str, Fraction]:
    """Sampled specific consumption, kWh/km, in the unit of the methodology."""
    if activity.methodology.calculator == "ams-iii-c":
        return samples
    return {name: value * KM_PER_100_MILES for name, value in samples.items()}


def vintages(
    activity: Activity,
    period: Period,
    months: Sequence[Month],
    samples: dict[str, Fraction],
    state: State,
) -> list[Vintage]:
    """Energy by vintage, with the factors of each. Raises MethodologyError for parameters.

    Years without any energy now are among them if more was issued than is still proven.
    """
    found = {}
    short = {year for year, t in state.issued_t.items() if t > state.exact_t.get(year, 0)}
    for year in sorted({one.vintage for one in months} | short):
        own = [one for one in months if one.vintage == year]
        span = span_of(year, period, {one.month for one in own}, activity.start_year)
        factors = Factors(
            activity.methodology, activity.parameters, span, sampled(activity, samples)
        )
        vintage = found[year] = Vintage(span, factors)
        for month in own:
            _merge(vintage.baseline, month.baseline)
            _merge(vintage.project, month.project)
    return list(found.values())


def cap_by_distance(
    vintage: Vintage, vehicles: Sequence[Vehicle], warning_only: bool, findings: Findings
) -> None:
    """No more energy of a class than its vehicles can plausibly have driven on (R14)."""
    span = vintage.span
    for name, energy in sorted(vintage.baseline.items()):
        days = vehicle_days(vehicles, name, span.first, span.last)
        per_km = vintage.factors.consumption_kwh_per_km(name)
        limit_km = vintage.factors.value("maximum_distance", name)
        limit = Fraction(days, days_of_year(span.vintage)) * limit_km * per_km * 10**6
        if energy <= limit:
            continue
        excess = Fraction(0) if warning_only else energy - limit
        text = (
            f"{span.vintage}: {round(kwh(energy) / per_km)} km implied, at most "
            f"{round(kwh(limit) / per_km)} km plausible for its vehicles"
        )
        findings.add("vehicles-distance", name, text, excess)
        if excess:
            vintage.baseline[name] = limit
            vintage.uncredited[name] = excess


def emissions(vintage: Vintage, factors: Factors, leakage: Fraction) -> tuple[Fraction, ...]:
    """BE, PE and LE of a vintage in t with the given factors; LE is never below 0."""
    baseline = sum(
        (kwh(e) * factors.baseline_t_per_kwh(name) for name, e in vintage.baseline.items()),
        Fraction(0),
    )
    project = sum(
        (kwh(e) * factors.project_t_per_kwh(name) for name, e in vintage.project.items()),
        Fraction(0),
    )
    return baseline, project, max(Fraction(0), (baseline - project) * leakage)


def settle_tonnes(
    vintages_: Sequence[Vintage], state: State, leakage: Fraction, findings: Findings
) -> None:
    """Emissions, cumulative total, whole tonnes issued now, or the deficit."""
    for one in vintages_:
        one.baseline_t, one.project_t, one.leakage_t = emissions(one, one.factors, leakage)
        year = one.span.vintage
        one.cumulative_t = state.exact_t.get(year, Fraction(0)) + one.reductions_t
        whole = max(0, floor(one.cumulative_t))
        before = state.issued_t.get(year, 0)
        one.issued_t, one.deficit_t = max(0, whole - before), max(0, before - whole)
        if one.reductions_t < 0:
            text = f"vintage {year}: project emissions exceed the baseline; the deficit is carried"
            findings.add("reduction-negative", str(year), text)
        if one.deficit_t:
            text = f"vintage {year}: {one.deficit_t} t issued before are not proven any more"
            new = one.deficit_t > state.deficit_t.get(year, 0)
            findings.add("deficit" if new else "deficit-carried", str(year), text)


class Shared(NamedTuple):
    """Whole tonnes in the order of the holders, before and after a report."""

    before_t: tuple[int, ...]
    after_t: tuple[int, ...]
    unallocated_before_t: int
    unallocated_after_t: int


def allocate(activity: Activity, state: State, issued_t: int) -> Shared:
    """The activity's rule on the cumulative total; what was handed out stays handed out.

    Raises MethodologyError `allocation-taken-back` if another rule, weight or holder than that of
    the locked reports would take a tonne from somebody.
    """
    before_t = state.all_issued_t
    after = _by_rule(activity, before_t + issued_t)
    held = dict(state.allocated_t)
    before = tuple(held.pop(holder.name, 0) for holder in activity.holders)
    shared = Shared(before, after.tonnes, before_t - sum(before), after.unallocated)
    taken = [
        f"{holder.name}: {new} t instead of {old} t"
        for holder, old, new in zip(activity.holders, before, after.tonnes, strict=True)
        if new < old
    ] + [f"{name}: none instead of {old} t" for name, old in held.items() if old]
    if taken:
        raise MethodologyError(
            "allocation-taken-back",
            f"expected every holder to keep what locked reports gave, found {'; '.join(taken)}",
            "Restore rule, weights and holders of the activity file as they were.",
        )
    return shared


def _by_rule(activity: Activity, total_t: int) -> Allocation:
    holders, rule = activity.holders, activity.allocation_rule
    if rule == "pro_rata":
        return pro_rata(holders, total_t)
    if rule == "waterfall":
        return waterfall(holders, total_t)
    return capped(holders, total_t, excess_flows_on=rule == "capped_flows_on")


def linear_t(target: Target, last: date) -> Fraction:
    """Where a straight line to the target stands at the end of a day."""
    years = target.until_year - target.from_year + 1
    done = last.year - target.from_year
    passed = done + Fraction((last - date(last.year, 1, 1)).days + 1, days_of_year(last.year))
    return target.tonnes * max(Fraction(0), min(Fraction(1), passed / years))


def sensitivity(
    vintages_: Sequence[Vintage], leakage: Fraction
) -> list[tuple[str, Fraction, Fraction]]:
    """(parameter, reductions at 90 %, at 110 %) in t for every parameter that has an effect."""
    base = sum((one.reductions_t for one in vintages_), Fraction(0))
    rows = []
    for name in SENSITIVE:
        low, high = (_total(vintages_, leakage, name, factor) for factor in (DOWN, UP))
        if low != base or high != base:
            rows.append((name, low, high))
    return rows


def _total(
    vintages_: Sequence[Vintage], leakage: Fraction, name: str, factor: Fraction
) -> Fraction:
    total = Fraction(0)
    for one in vintages_:
        baseline, project, lost = emissions(one, one.factors.scaled(name, factor), leakage)
        total += baseline - project - lost
    return total


def _merge(into: dict[str, Fraction], more: dict[str, Fraction]) -> None:
    for name, energy in more.items():
        into[name] = into.get(name, Fraction(0)) + energy
