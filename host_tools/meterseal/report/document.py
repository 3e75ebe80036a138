"""The report as one JSON document: every figure as text or integer, the same bytes everywhere.

Everything that people read (HTML, PDF, CSV, spreadsheet) is rendered from this document alone.
"""

from fractions import Fraction
from typing import Any, Final

from meterseal.mrv.activity import Accepted
from meterseal.mrv.exact import decimal_text, ratio_text
from meterseal.mrv.findings import REVIEW, ReportFinding, withheld_text
from meterseal.mrv.methodology import improvement_years
from meterseal.mrv.run import Outcome
from meterseal.report.numbers import tonnes_text, total
from meterseal.report.outlook import aef, allocation, progress, sensitivity
from meterseal.report.parts import (
    consumption,
    evidence,
    invoices,
    kinds,
    meter,
    methodology,
    stations,
)

DRAFT, UNDER_REVIEW, FINAL = "DRAFT", "UNDER_REVIEW", "FINAL"
CLAIM: Final = "Claimed by the operator; not verified by a validation and verification body."
_DEMO_CODES: Final = frozenset(("key-simulated",))
_ANCHORS: Final = frozenset(("key-simulated", "unanchored"))
"""Nobody's word replaces keys."""
_REVERSAL_CODES: Final = frozenset(("deficit", "reduction-negative"))


def build(outcome: Outcome) -> dict[str, Any]:
    """The document."""
    request = outcome.request
    return {
        "format": "meterseal-report",
        "version": 1,
        "report": header(outcome),
        "totals": _totals(outcome),
        "vintages": [_vintage(outcome, i) for i in range(len(outcome.vintages))],
        "months": _months(outcome),
        "stations": stations(outcome),
        "meters": [meter(outcome, one) for one in outcome.ledgers],
        "energy_by_proof": kinds(outcome),
        "rules": outcome.findings.rule_table(),
        "findings": [_finding(outcome, one) for one in outcome.findings.sorted],
        "allocation": allocation(outcome),
        "progress": progress(outcome),
        "history": [
            {"last_day": day.isoformat(), "cumulative_t": tonnes}
            for day, tonnes in outcome.state.history
        ],
        "sensitivity": sensitivity(outcome),
        "aef_draft": aef(outcome),
        "parameters": [one.as_json() for one in request.activity.parameters.parameters],
        "consumption": consumption(outcome),
        "invoices": invoices(outcome),
        "methodology": methodology(outcome),
        "evidence": evidence(outcome),
    }


def status(outcome: Outcome) -> str:
    """FINAL only if asked for and nothing needs a person.

    A demonstration is about simulated keys; a report that supersedes one may name a deficit.
    """
    open_ones = [one for one in outcome.findings.sorted if one.severity == REVIEW]
    if any(not _is_settled(outcome, one) for one in open_ones):
        return UNDER_REVIEW
    return FINAL if outcome.request.final else DRAFT


def _is_settled(outcome: Outcome, found: ReportFinding) -> bool:
    """Whether a report may become final with a finding that a person has to judge."""
    request = outcome.request
    if found.code in _ANCHORS:
        return request.demo and found.code in _DEMO_CODES
    if request.supersedes and found.code in _REVERSAL_CODES:
        return True
    return _acceptance(outcome, found) is not None


def _acceptance(outcome: Outcome, found: ReportFinding) -> Accepted | None:
    accepted = outcome.request.activity.accepted
    same = (one for one in accepted if (one.code, one.subject) == (found.code, found.subject))
    return next(same, None)


def _finding(outcome: Outcome, found: ReportFinding) -> dict[str, str]:
    one = _acceptance(outcome, found)
    said = f"{one.by}, {one.on}: {one.reason}" if one and found.code not in _ANCHORS else ""
    return {**found.as_json(), "accepted": said}


def report_id(outcome: Outcome) -> str:
    """Activity, days and version."""
    request = outcome.request
    period = request.period
    return f"{request.activity.id}_{period.first}_{period.last}_v{outcome.version}"


def header(outcome: Outcome) -> dict[str, Any]:
    """Who reports what; `stamps` go on every page."""
    request = outcome.request
    activity = request.activity
    stamps = ["DEMONSTRATION: SIMULATED KEYS"] if request.demo else []
    if not outcome.anchored:
        stamps.append("UNANCHORED")
    return {
        "id": report_id(outcome),
        "status": status(outcome),
        "stamps": stamps,
        "claim": CLAIM,
        "activity": activity.id,
        "title": activity.title,
        "host_party": activity.host_party,
        "acquiring_party": activity.acquiring_party,
        "proponent": activity.proponent,
        "cooperative_approach": activity.cooperative_approach,
        "sector": activity.sector,
        "time_zone": activity.time_zone,
        "max_interval_s": activity.max_interval_s,
        "meter_boundary": activity.meter_boundary,
        "period": request.period.as_json(),
        "version": outcome.version,
        "supersedes": request.supersedes,
    }


def _totals(outcome: Outcome) -> dict[str, Any]:
    years = outcome.vintages
    baseline = total(e for one in years for e in one.baseline.values())
    project = total(e for one in years for e in one.project.values())
    reductions = total(one.reductions_t for one in years)
    register = sum(one.register_milliwh for one in outcome.months)
    return {
        "register_kwh": withheld_text(Fraction(register)),
        "baseline_kwh": withheld_text(baseline),
        "project_kwh": withheld_text(project),
        "withheld_kwh": withheld_text(project - baseline),
        "baseline_t": tonnes_text(total(one.baseline_t for one in years)),
        "project_t": tonnes_text(total(one.project_t for one in years)),
        "leakage_t": tonnes_text(total(one.leakage_t for one in years)),
        "reductions_t": tonnes_text(reductions),
        "issued_t": outcome.issued_t,
        "deficit_t": sum(one.deficit_t for one in years),
        "before_t": outcome.state.all_issued_t,
        "cumulative_t": outcome.state.all_issued_t + outcome.issued_t,
        "stations": len({one.installation.station for one in outcome.ledgers}),
        "meters": len(outcome.ledgers),
        "devices": len(outcome.results),
        "vehicles": len({one.name for one in outcome.vehicles}),
    }


def _vintage(outcome: Outcome, index: int) -> dict[str, Any]:
    one = outcome.vintages[index]
    year, state = one.span.vintage, outcome.state
    factors, options = one.factors, outcome.request.activity.methodology.options
    return {
        "vintage": year,
        "improvement_years": improvement_years(options, one.span),
        "first_day": one.span.first.isoformat(),
        "last_day": one.span.last.isoformat(),
        "baseline": [
            {
                "vehicle_class": name,
                "kwh": withheld_text(energy),
                "uncredited_kwh": withheld_text(one.uncredited.get(name, Fraction(0))),
                "specific_consumption": decimal_text(factors.specific_consumption(name), 9),
                "t_per_kwh": decimal_text(factors.baseline_t_per_kwh(name), 15),
                "t_per_kwh_exact": ratio_text(factors.baseline_t_per_kwh(name)),
            }
            for name, energy in sorted(one.baseline.items())
        ],
        "project": [
            {
                "source": name,
                "kwh": withheld_text(energy),
                "t_per_kwh": decimal_text(factors.project_t_per_kwh(name), 15),
                "t_per_kwh_exact": ratio_text(factors.project_t_per_kwh(name)),
            }
            for name, energy in sorted(one.project.items())
        ],
        "baseline_t": tonnes_text(one.baseline_t),
        "project_t": tonnes_text(one.project_t),
        "leakage_t": tonnes_text(one.leakage_t),
        "reductions_t": tonnes_text(one.reductions_t),
        "reductions_exact_t": ratio_text(one.reductions_t),
        "cumulative_t": tonnes_text(one.cumulative_t),
        "cumulative_exact_t": ratio_text(one.cumulative_t),
        "issued_before_t": state.issued_t.get(year, 0),
        "issued_t": one.issued_t,
        "deficit_t": one.deficit_t,
    }


def _months(outcome: Outcome) -> list[dict[str, Any]]:
    rows = []
    reporting = {name: (seen, due) for name, seen, due in outcome.coverage}
    for name in sorted({one.month for one in outcome.months} | set(reporting)):
        own = [one for one in outcome.months if one.month == name]
        seen, due = reporting.get(name, (0, 0))
        rows.append(
            {
                "month": name,
                "register_kwh": withheld_text(Fraction(sum(o.register_milliwh for o in own))),
                "baseline_kwh": withheld_text(total(e for o in own for e in o.baseline.values())),
                "project_kwh": withheld_text(total(e for o in own for e in o.project.values())),
                "meters_reporting": seen,
                "meters_due": due,
            }
        )
    return rows
