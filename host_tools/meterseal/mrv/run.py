"""One report, from inputs to figures: what report/document.py then writes down.

Order: registry and book; devices; ledgers of the meters; stations; vintages; rules. Refusals come
as exceptions; whatever a person has to judge becomes a finding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from meterseal.errors import MethodologyError, PolicyRefused
from meterseal.mrv import book, checks
from meterseal.mrv.accounting import Accounts, Month
from meterseal.mrv.activity import Activity
from meterseal.mrv.archive import Archive
from meterseal.mrv.bind import Plausibility
from meterseal.mrv.calculate import (
    Vintage,
    allocate,
    cap_by_distance,
    settle_tonnes,
    vintages,
)
from meterseal.mrv.cuts import DAY_MS, Period, months
from meterseal.mrv.devices import Job, Spread, run_here
from meterseal.mrv.findings import Findings
from meterseal.mrv.inputs import (
    Consumption,
    Invoice,
    Vehicle,
    read_consumption,
    read_invoices,
    read_vehicles,
)
from meterseal.mrv.installations import Installation, Installations, read_installations
from meterseal.mrv.intake import DeviceResult
from meterseal.mrv.ledger import MeterLedger, settle
from meterseal.mrv.segments import Segment
from meterseal.mrv.slots import MeterSlots, year_cuts
from meterseal.trust import Trust, parse_trust

PPM: Final = 1_000_000
CLOCK_MARGIN_MS: Final = 400 * DAY_MS
"""How far behind the period a clock of a batch may be before it counts as set wrong."""


@dataclass(frozen=True)
class Request:
    """What is to be reported, from which evidence, on whose word."""

    activity: Activity
    period: Period
    paths: tuple[Path, ...]
    trust_data: bytes
    profiles: tuple[bytes, ...]
    book_data: bytes
    other_books: tuple[bytes, ...] = ()
    anchors: tuple[str, ...] = ()
    second_anchors: tuple[str, ...] = ()
    supersedes: str = ""
    demo: bool = False
    final: bool = False


@dataclass
class Outcome:
    """All figures of a report."""

    request: Request
    trust: Trust
    registry: Installations
    state: book.State
    findings: Findings
    results: list[DeviceResult]
    ledgers: list[MeterLedger]
    accounts: Accounts
    months: list[Month]
    vintages: list[Vintage]
    coverage: list[tuple[str, int, int]]
    consumption: dict[str, Consumption]
    vehicles: list[Vehicle]
    invoices: list[tuple[Invoice, Fraction]] = field(default_factory=list)
    version: int = 1


def run(request: Request, spread: Spread = run_here) -> Outcome:
    """The figures of a report.

    Raises MethodologyError (codes of the inputs, `period-overlap`, `meter-unregistered`,
    `activity-stations`), PolicyRefused `key-simulated`, TrustError, EnvironmentProblem.
    """
    activity, period = request.activity, request.period
    trust = parse_trust(request.trust_data, request.anchors)
    registry = read_installations(request.trust_data, request.second_anchors)
    entries = book.read_book(request.book_data)
    state = book.state_of(entries, activity.id, request.supersedes, period.first)
    book.check_overlap(state, period.first, period.last)
    own = _own_meters(activity, registry, period)
    vehicles = read_vehicles(activity.inputs.files["vehicles"])
    consumption = read_consumption(
        activity.inputs.files["consumption_samples"], activity.meter_boundary
    )
    invoices = read_invoices(activity.inputs.files["invoices"])
    findings = Findings()
    results = _devices(request, own, state, spread)
    others = [book.read_book(data, "another activity's book") for data in request.other_books]
    claimed = book.claims_elsewhere([entries, *others], activity.id)
    ledgers = _ledgers(request, own, results, state, claimed)
    accounts = _accounts(registry, ledgers, vehicles, findings)
    samples = {name: one.value for name, one in consumption.items()}
    years = vintages(activity, period, accounts.months, samples, state)
    options = activity.methodology.options
    for one in years:
        cap_by_distance(one, vehicles, options.distance_warning_only, findings)
    settle_tonnes(years, state, options.leakage_fraction, findings)
    allocate(activity, state, sum(one.issued_t for one in years))  # refused before anything else
    names = months(period.first, period.last)
    outcome = Outcome(
        request=request,
        trust=trust,
        registry=registry,
        state=state,
        findings=findings,
        results=results,
        ledgers=ledgers,
        accounts=accounts,
        months=accounts.months,
        vintages=years,
        coverage=checks.coverage(ledgers, names, period),
        consumption=consumption,
        vehicles=vehicles,
        version=1 + _depth(entries, request.supersedes),
    )
    outcome.invoices = checks.check_invoices(
        invoices, outcome.months, options.invoice_tolerance, findings
    )
    _check(outcome, names)
    return outcome


def _own_meters(activity: Activity, registry: Installations, period: Period) -> list[Installation]:
    stations = {one.id for one in registry.stations.values() if one.activity == activity.id}
    meters = [
        one
        for one in registry.meters
        if one.station in stations and one.from_unix_ms < period.until_unix_ms
    ]
    if not meters:
        raise MethodologyError(
            "activity-stations",
            f"expected stations with meters of activity {activity.id} in the registry, found none",
            "Register the stations with this activity, or correct its id.",
        )
    return sorted(meters, key=lambda one: one.key)


def _devices(
    request: Request, own: Sequence[Installation], state: book.State, spread: Spread
) -> list[DeviceResult]:
    """Results of all devices that ever read one of the meters and have batches."""
    activity, period = request.activity, request.period
    archive = Archive(request.paths)
    job = Job(
        paths=request.paths,
        trust_data=request.trust_data,
        anchors=request.anchors,
        profiles=request.profiles,
        installations=tuple(own),
        period=period,
        start_year=activity.start_year,
        rules=Plausibility(
            activity.max_interval_s * 1000,
            int(activity.methodology.options.plausibility_tolerance * PPM),
            year_cuts(period, activity.start_year),
        ),
        setups=tuple(sorted(state.setups.items())),
        simulated=request.demo,
        clock_limit_unix_ms=period.until_unix_ms + CLOCK_MARGIN_MS,
        archive_state=archive.state(),
    )
    bound = {binding.device for one in own for binding in one.bindings}
    present = [one for one in archive.devices() if one in bound]
    results = list(spread(job, present))
    simulated = [one.device for one in results if one.refused["key-simulated"]]
    if simulated:
        raise PolicyRefused(
            "key-simulated",
            f"expected real stations, found {len(simulated)} simulated ones, first {simulated[0]}",
            "Simulated keys never count; --demo makes a report that says so on every page.",
        )
    return results


def _ledgers(
    request: Request,
    own: Sequence[Installation],
    results: Sequence[DeviceResult],
    state: book.State,
    claimed: dict[str, list[tuple[int, int]]],
) -> list[MeterLedger]:
    """One for each meter epoch with a part in the period, or with energy that came late."""
    ledgers = []
    for one in own:
        segments: list[Segment] = []
        for result in results:
            segments += result.segments.get(one.key, ())
        ledger = settle(
            one,
            segments,
            MeterSlots(one, request.period, request.activity.start_year),
            request.activity.methodology.options,
            state.closings.get(one.key),
            [*claimed.get(one.key, ()), *state.claimed_later.get(one.key, ())],
        )
        if checks.active_in(one, request.period) or ledger.segments:
            ledgers.append(ledger)
    return ledgers


def _accounts(
    registry: Installations,
    ledgers: Sequence[MeterLedger],
    vehicles: Sequence[Vehicle],
    findings: Findings,
) -> Accounts:
    accounts = Accounts(findings)
    classes = {one.vehicle_class for one in vehicles}
    for station in sorted({one.installation.station for one in ledgers}):
        own = [one for one in ledgers if one.installation.station == station]
        accounts.add_station(registry.stations[station], own, classes)
    return accounts


def _check(outcome: Outcome, names: Sequence[str]) -> None:
    """The rules that only look."""
    request, findings = outcome.request, outcome.findings
    checks.check_devices(outcome.results, findings)
    for ledger in outcome.ledgers:
        credited = ledger.installation.key in outcome.accounts.credited
        checks.check_meter(ledger, credited, findings)
        checks.check_records(ledger.installation, request.period, findings)
    checks.check_silent(outcome.ledgers, names, request.period, findings)
    minimum = request.activity.methodology.options.minimum_coverage
    checks.check_coverage(outcome.coverage, minimum, findings)
    for one in outcome.consumption.values():
        if not one.precise:
            text = f"{one.samples} samples are not known to 10 %: the upper bound counts"
            findings.add("consumption-imprecise", one.vehicle_class, text)
    if not outcome.trust.anchored:
        text = "the operator key is not vouched for from outside the trust file"
        findings.add("unanchored", "trust file", text)
    if request.demo:
        findings.add("key-simulated", "demonstration", "simulated keys count in this report")


def _depth(entries: Sequence[dict[str, Any]], supersedes: str) -> int:
    """How many versions lie before a report."""
    by_id = {one["id"]: one for one in entries}
    depth = 0
    while supersedes:
        depth, supersedes = depth + 1, by_id[supersedes]["supersedes"]
    return depth
