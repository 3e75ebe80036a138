"""One report, from inputs to figures: what report/document.py then writes down.

Order: registry and book; devices; ledgers of the meters; stations; vintages; rules. Refusals come
as exceptions; whatever a person has to judge becomes a finding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from meterseal.mrv import book, checks
from meterseal.mrv.accounting import Accounts, Month
from meterseal.mrv.archive import Archive
from meterseal.mrv.calculate import (
    Shared,
    Vintage,
    allocate,
    cap_by_distance,
    settle_tonnes,
    vintages,
)
from meterseal.mrv.check_invoices import check_invoices, cut_at_invoices
from meterseal.mrv.cuts import months
from meterseal.mrv.device_result import DeviceResult
from meterseal.mrv.devices import Spread, run_here
from meterseal.mrv.findings import Findings
from meterseal.mrv.gather import Request, bound_devices, own_meters, results_of
from meterseal.mrv.inputs import (
    Consumption,
    Invoice,
    Vehicle,
    read_consumption,
    read_invoices,
    read_vehicles,
)
from meterseal.mrv.installations import Installation, Installations
from meterseal.mrv.ledger import MeterLedger, settle
from meterseal.mrv.registration import read_installations
from meterseal.mrv.segments import Segment
from meterseal.mrv.slots import MeterSlots
from meterseal.trust import Trust, parse_trust

__all__ = ["Outcome", "Request", "run"]


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
    shared: Shared
    coverage: list[tuple[str, int, int]]
    consumption: dict[str, Consumption]
    vehicles: list[Vehicle]
    invoices: list[tuple[Invoice, Fraction]] = field(default_factory=list)
    version: int = 1
    damaged_bytes: int = 0

    @property
    def issued_t(self) -> int:
        """Whole tonnes of this report, over all vintages."""
        return sum(one.issued_t for one in self.vintages)

    @property
    def anchored(self) -> bool:
        """Whether both roles are vouched for from outside, and are two."""
        return self.trust.anchored and self.trust.second_anchored


def run(request: Request, spread: Spread = run_here) -> Outcome:
    """The figures of a report.

    Raises MethodologyError (codes of the inputs, `period-overlap`, `meter-unregistered`,
    `activity-stations`), PolicyRefused `key-simulated`, TrustError, EnvironmentProblem.
    """
    activity, period = request.activity, request.period
    trust = parse_trust(request.trust_data, request.anchors, request.second_anchors)
    registry = read_installations(trust)
    entries = book.read_book(request.book_data)
    state = book.state_of(entries, activity.id, request.supersedes, period.first)
    book.check_overlap(state, period.first, period.last)
    own = own_meters(activity, registry, period)
    vehicles = read_vehicles(activity.inputs.files["vehicles"])
    consumption = read_consumption(
        activity.inputs.files["consumption_samples"],
        activity.meter_boundary,
        period.first,
        period.last,
    )
    invoices = read_invoices(activity.inputs.files["invoices"])
    cut_at_invoices(own, invoices, period)
    findings = Findings()
    archive = Archive(request.paths)
    results = results_of(request, trust, registry, own, state, archive, spread)
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
    shared = allocate(activity, state, sum(one.issued_t for one in years))
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
        shared=shared,
        coverage=checks.coverage(ledgers, names, period, options.minimum_reporting),
        consumption=consumption,
        vehicles=vehicles,
        damaged_bytes=(
            archive.damaged_bytes if request.damaged_bytes is None else request.damaged_bytes
        ),
        version=1 + _depth(entries, request.supersedes),
    )
    outcome.invoices = check_invoices(
        invoices,
        accounts.tops,
        registry.stations,
        period,
        options.invoice_tolerance,
        findings,
    )
    _check(outcome, names)
    return outcome


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
    accounts = Accounts(findings, registry.stations)
    own = {one.installation.meter for one in ledgers}
    stations = {one.installation.station for one in ledgers}
    others = {one.meter for one in registry.meters if one.station not in stations} - own
    accounts.add(ledgers, {one.vehicle_class for one in vehicles}, others)
    return accounts


def _check(outcome: Outcome, names: Sequence[str]) -> None:
    """The rules that only look."""
    request, findings = outcome.request, outcome.findings
    own = [one.installation for one in outcome.ledgers]
    checks.check_registry(outcome.registry, own, request.activity.id, findings)
    bound = bound_devices(own)
    checks.check_devices(outcome.results, outcome.trust, outcome.registry, bound, findings)
    for ledger in outcome.ledgers:
        credited = ledger.installation.key in outcome.accounts.credited
        checks.check_meter(ledger, credited, findings)
        meters = outcome.registry.meters
        checks.check_records(ledger.installation, meters, request.period, findings)
    checks.check_silent(outcome.ledgers, names, request.period, findings)
    minimum = request.activity.methodology.options.minimum_coverage
    checks.check_coverage(outcome.coverage, minimum, findings)
    for one in outcome.consumption.values():
        if not one.precise:
            text = f"{one.samples} samples are not known to 10 %: the upper bound counts"
            findings.add("consumption-imprecise", one.vehicle_class, text)
        if one.outdated:
            text = f"{one.outdated} samples were taken more than two years away: left out"
            findings.add("consumption-outdated", one.vehicle_class, text)
    if outcome.damaged_bytes:
        text = f"{outcome.damaged_bytes} bytes are no batch: see `meterseal salvage`"
        findings.add("archive-damaged", "archive", text)
    if not outcome.anchored:
        text = (
            "operator and second role are not both vouched for from outside the trust file, "
            "or are one: one person could have made all of this"
        )
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
