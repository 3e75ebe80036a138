"""The report as one JSON document: every figure as text or integer, the same bytes everywhere.

Everything that people read (HTML, PDF, CSV, spreadsheet) is rendered from this document alone.
"""

from fractions import Fraction
from typing import Any, Final

from meterseal.mrv.calculate import allocate, linear_t, sensitivity
from meterseal.mrv.cuts import LAST_DAY_MS, local_day
from meterseal.mrv.exact import decimal_text, percent_text, ratio_text
from meterseal.mrv.findings import withheld_text
from meterseal.mrv.installations import FOREVER_MS, Calibration
from meterseal.mrv.ledger import MeterLedger, treatment
from meterseal.mrv.merkle import upper_root
from meterseal.mrv.run import Outcome
from meterseal.mrv.segments import KINDS, energy_milliwh

DRAFT, UNDER_REVIEW, FINAL = "DRAFT", "UNDER_REVIEW", "FINAL"
TONNE_DIGITS: Final = 6
CLAIM: Final = "Claimed by the operator; not verified by a validation and verification body."
AEF_MARK: Final = "DRAFT - not a registry action"


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
        "stations": _stations(outcome),
        "meters": [_meter(outcome, one) for one in outcome.ledgers],
        "energy_by_proof": _kinds(outcome),
        "rules": outcome.findings.rule_table(),
        "findings": [one.as_json() for one in outcome.findings.sorted],
        "allocation": _allocation(outcome),
        "progress": _progress(outcome),
        "sensitivity": _sensitivity(outcome),
        "aef_draft": _aef(outcome),
        "parameters": [one.as_json() for one in request.activity.parameters.parameters],
        "consumption": _consumption(outcome),
        "invoices": _invoices(outcome),
        "methodology": _methodology(outcome),
        "evidence": _evidence(outcome),
    }


def status(outcome: Outcome) -> str:
    """FINAL only if asked for and nothing needs a person; demonstrations never need one."""
    reasons = [
        one
        for one in outcome.findings.sorted
        if one.severity == "review" and not (outcome.request.demo and one.code in _DEMO_CODES)
    ]
    if reasons:
        return UNDER_REVIEW
    return FINAL if outcome.request.final else DRAFT


_DEMO_CODES: Final = frozenset(("key-simulated",))


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
    if not outcome.trust.anchored:
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


def tonnes_text(value: Fraction) -> str:
    """Tonnes with six places."""
    return decimal_text(value, TONNE_DIGITS)


def _sum(values: Any) -> Fraction:
    return sum(values, Fraction(0))


def _totals(outcome: Outcome) -> dict[str, Any]:
    years = outcome.vintages
    baseline = _sum(e for one in years for e in one.baseline.values())
    project = _sum(e for one in years for e in one.project.values())
    reductions = _sum(one.reductions_t for one in years)
    register = sum(one.register_milliwh for one in outcome.months)
    return {
        "register_kwh": withheld_text(Fraction(register)),
        "baseline_kwh": withheld_text(baseline),
        "project_kwh": withheld_text(project),
        "withheld_kwh": withheld_text(project - baseline),
        "baseline_t": tonnes_text(_sum(one.baseline_t for one in years)),
        "project_t": tonnes_text(_sum(one.project_t for one in years)),
        "leakage_t": tonnes_text(_sum(one.leakage_t for one in years)),
        "reductions_t": tonnes_text(reductions),
        "issued_t": sum(one.issued_t for one in years),
        "deficit_t": sum(one.deficit_t for one in years),
        "before_t": outcome.state.all_issued_t,
        "cumulative_t": outcome.state.all_issued_t + sum(one.issued_t for one in years),
        "stations": len({one.installation.station for one in outcome.ledgers}),
        "meters": len(outcome.ledgers),
        "devices": len(outcome.results),
        "vehicles": len({one.name for one in outcome.vehicles}),
    }


def _vintage(outcome: Outcome, index: int) -> dict[str, Any]:
    one = outcome.vintages[index]
    year, state = one.span.vintage, outcome.state
    factors = one.factors
    return {
        "vintage": year,
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
                "baseline_kwh": withheld_text(_sum(e for o in own for e in o.baseline.values())),
                "project_kwh": withheld_text(_sum(e for o in own for e in o.project.values())),
                "meters_reporting": seen,
                "meters_due": due,
            }
        )
    return rows


def _stations(outcome: Outcome) -> list[dict[str, Any]]:
    rows = []
    for name in sorted({one.installation.station for one in outcome.ledgers}):
        station = outcome.registry.stations[name]
        own = [one for one in outcome.months if one.station == name]
        rows.append(
            {
                "station": name,
                "name": station.name,
                "latitude_e7": station.latitude_e7,
                "longitude_e7": station.longitude_e7,
                "sources": [{"source": s, "share_ppm": p} for s, p in station.sources],
                "baseline_kwh": withheld_text(_sum(e for o in own for e in o.baseline.values())),
                "project_kwh": withheld_text(_sum(e for o in own for e in o.project.values())),
                "months": {
                    o.month: {
                        "baseline": {k: withheld_text(e) for k, e in sorted(o.baseline.items())},
                        "project": {k: withheld_text(e) for k, e in sorted(o.project.items())},
                    }
                    for o in own
                },
            }
        )
    return rows


def _meter(outcome: Outcome, one: MeterLedger) -> dict[str, Any]:
    installation, offset = one.installation, outcome.request.period.offset_min
    ended = installation.until_unix_ms < FOREVER_MS
    return {
        "meter": installation.key,
        "maker": installation.meter[0],
        "serial": installation.meter[1],
        "epoch": installation.epoch,
        "model": installation.model,
        "profile": installation.profile,
        "station": installation.station,
        "role": installation.role,
        "parent": "/".join(installation.parent or ()),
        "vehicle_class": installation.vehicle_class,
        "accuracy_class": installation.accuracy_class,
        "mpe_ppm": installation.mpe_ppm,
        "ct_ratio": list(installation.ct_ratio),
        "installed": local_day(installation.from_unix_ms, offset).isoformat(),
        "removed": local_day(installation.until_unix_ms, offset).isoformat() if ended else "",
        "devices": sorted({b.device for b in installation.bindings}),
        "calibrations": [_calibration(c, offset) for c in installation.calibrations],
        "opening_milliwh": one.opening_milliwh if one.opening_milliwh is not None else -1,
        "closing_milliwh": one.closing_milliwh if one.closing_milliwh is not None else -1,
        "register_kwh": withheld_text(Fraction(energy_milliwh(one.segments))),
        "baseline_kwh": withheld_text(one.baseline),
        "project_kwh": withheld_text(one.project),
        "counted_as_baseline": int(installation.key in outcome.accounts.credited),
        "withheld_kwh": {k: withheld_text(e) for k, e in sorted(one.withheld.items())},
        "excluded_kwh": {
            code: withheld_text(Fraction(energy_milliwh(parts)))
            for code, parts in sorted(one.excluded.items())
        },
        "months": {
            share.month: {
                "register_kwh": withheld_text(Fraction(share.register_milliwh)),
                "baseline_kwh": withheld_text(share.baseline),
                "project_kwh": withheld_text(share.project),
            }
            for share in sorted(one.shares.values(), key=lambda item: item.month)
        },
    }


def _calibration(one: Calibration, offset: int) -> dict[str, Any]:
    until = min(one.until_unix_ms, LAST_DAY_MS)
    return {
        "from": local_day(one.from_unix_ms, offset).isoformat(),
        "until": local_day(until, offset).isoformat(),
        "certificate_sha256": one.certificate,
        "mpe_ppm": one.mpe_ppm,
    }


def _kinds(outcome: Outcome) -> list[dict[str, Any]]:
    """How well the energy is proven, over the meters that may earn baseline."""
    options = outcome.request.activity.methodology.options
    rows = []
    for kind in KINDS:
        own = [
            one
            for ledger in outcome.ledgers
            if ledger.installation.key in outcome.accounts.credited
            for one in ledger.segments
            if one.kind == kind
        ]
        rows.append(
            {
                "kind": kind,
                "kwh": withheld_text(Fraction(energy_milliwh(own))),
                "baseline": int(treatment(kind, options)),
                "project": 1,
            }
        )
    return rows


def _allocation(outcome: Outcome) -> dict[str, Any]:
    activity = outcome.request.activity
    before_t = outcome.state.all_issued_t
    after_t = before_t + sum(one.issued_t for one in outcome.vintages)
    before, after = allocate(activity, before_t), allocate(activity, after_t)
    rows = [
        {
            "holder": holder.name,
            "party": activity.parties[holder.name],
            "weight": holder.weight,
            "cap_t": holder.cap_t if holder.cap_t is not None else -1,
            "cumulative_t": new,
            "this_report_t": new - old,
        }
        for holder, old, new in zip(activity.holders, before.tonnes, after.tonnes, strict=True)
    ]
    return {
        "rule": activity.allocation_rule,
        "holders": rows,
        "cumulative_t": after_t,
        "this_report_t": after_t - before_t,
        "unallocated_cumulative_t": after.unallocated,
        "unallocated_this_report_t": after.unallocated - before.unallocated,
    }


def _progress(outcome: Outcome) -> list[dict[str, Any]]:
    """Each target: where it stands, where a straight line would, what pace is left to run."""
    activity, last = outcome.request.activity, outcome.request.period.last
    allocation = _allocation(outcome)
    by_holder = {one["holder"]: one["cumulative_t"] for one in allocation["holders"]}
    rows = []
    for target in activity.targets:
        reached = by_holder[target.holder] if target.holder else allocation["cumulative_t"]
        remaining = max(0, target.tonnes - reached)
        years_left = target.until_year - last.year
        need = Fraction(remaining, years_left) if years_left > 0 else Fraction(remaining)
        rows.append(
            {
                "target": target.name,
                "tonnes": target.tonnes,
                "from_year": target.from_year,
                "until_year": target.until_year,
                "reached_t": reached,
                "reached_percent": percent_text(reached, target.tonnes, 6),
                "linear_path_t": decimal_text(linear_t(target, last), 0),
                "remaining_t": remaining,
                "needed_t_per_year": decimal_text(need, 0),
                "fleet_factor": _fleet_factor(outcome, need, target.holder),
            }
        )
    return rows


def _fleet_factor(outcome: Outcome, need: Fraction, holder: str) -> str:
    """How many times this period's yearly pace is needed from now on."""
    period = outcome.request.period
    days = (period.last - period.first).days + 1
    issued = sum(one.issued_t for one in outcome.vintages)
    if holder:
        rows = _allocation(outcome)["holders"]
        issued = next(one["this_report_t"] for one in rows if one["holder"] == holder)
    pace = Fraction(issued * 365, days)
    return decimal_text(need / pace, 1) if pace else "-"


def _sensitivity(outcome: Outcome) -> list[dict[str, str]]:
    leakage = outcome.request.activity.methodology.options.leakage_fraction
    base = _sum(one.reductions_t for one in outcome.vintages)
    return [
        {
            "parameter": name,
            "minus_10_percent_t": tonnes_text(low),
            "plus_10_percent_t": tonnes_text(high),
            "change_minus_t": tonnes_text(low - base),
            "change_plus_t": tonnes_text(high - base),
        }
        for name, low, high in sensitivity(outcome.vintages, leakage)
    ]


def _aef(outcome: Outcome) -> list[dict[str, Any]]:
    """Draft rows for the Actions table of the agreed electronic format; no identifiers invented.

    Tonnes of a vintage go to a Party as its share of this report's total; the rest is in the
    allocation table.
    """
    activity = outcome.request.activity
    allocation = _allocation(outcome)
    rows: list[dict[str, Any]] = []
    left = {
        one["holder"]: one["this_report_t"]
        for one in allocation["holders"]
        if one["party"] and one["party"] != activity.host_party
    }
    for vintage in outcome.vintages:
        room = vintage.issued_t
        for holder in left:
            quantity = min(room, left[holder])
            if quantity:
                rows.append(_aef_row(outcome, vintage.span.vintage, holder, quantity))
            left[holder] -= quantity
            room -= quantity
    return rows


def _aef_row(outcome: Outcome, vintage: int, holder: str, quantity: int) -> dict[str, Any]:
    activity = outcome.request.activity
    return {
        "mark": AEF_MARK,
        "action_type": "First transfer",
        "cooperative_approach_id": activity.cooperative_approach,
        "first_transferring_party_id": activity.host_party,
        "first_id": "",
        "last_id": "",
        "metric": "GHG",
        "quantity_t_co2_eq": quantity,
        "mitigation_type": "Emission reductions",
        "sector": activity.sector,
        "vintage": vintage,
        "transferring_party": activity.host_party,
        "acquiring_party": activity.parties[holder],
    }


def _consumption(outcome: Outcome) -> list[dict[str, Any]]:
    return [
        {
            "vehicle_class": one.vehicle_class,
            "samples": one.samples,
            "mean_kwh_per_km": decimal_text(one.mean, 9),
            "half_width_kwh_per_km": decimal_text(one.half_width, 9),
            "value_kwh_per_km": decimal_text(one.value, 9),
            "precise": int(one.precise),
        }
        for one in outcome.consumption.values()
    ]


def _invoices(outcome: Outcome) -> list[dict[str, str]]:
    return [
        {
            "station": invoice.station,
            "first_day": invoice.first.isoformat(),
            "last_day": invoice.last.isoformat(),
            "billed_kwh": decimal_text(invoice.energy_kwh, 3),
            "metered_kwh": decimal_text(metered, 3),
        }
        for invoice, metered in outcome.invoices
    ]


def _methodology(outcome: Outcome) -> dict[str, Any]:
    methodology = outcome.request.activity.methodology
    options = methodology.options
    return {
        "id": methodology.id,
        "title": methodology.title,
        "calculator": methodology.calculator,
        "source": methodology.source,
        "equations": list(methodology.equations),
        "sha256": methodology.sha256,
        "parameters_sha256": outcome.request.activity.parameters.sha256,
        "options": {
            name: str(getattr(options, name)).lower() for name in sorted(options.__slots__)
        },
    }


def _evidence(outcome: Outcome) -> dict[str, Any]:
    """What the figures rest on, by hash."""
    request, results = outcome.request, outcome.results
    root = upper_root((one.device, one.tree_size, one.tree_root) for one in results)
    totals = {
        name: sum(one.counts[name] for one in results)
        for name in (
            "batches",
            "readings",
            "readings_recovered",
            "readings_unsynchronised",
            "readings_rejected",
        )
    }
    return {
        "merkle_root": root.hex(),
        "devices": [
            {"device": one.device, "batches": one.tree_size, "root": one.tree_root.hex()}
            for one in results
        ],
        "batches_in_tree": sum(one.tree_size for one in results),
        "batches_refused": sum(sum(one.refused.values()) for one in results),
        "counts": totals,
        "trust_head": outcome.trust.head,
        "operator": outcome.trust.operator,
        "anchored": int(outcome.trust.anchored),
        "second_roles": sorted(outcome.registry.second_roles),
        "second_roles_anchored": int(bool(request.second_anchors)),
        "activity_sha256": request.activity.sha256,
        "inputs_sha256": request.activity.inputs.hashes(),
        "book_head": outcome.state.head,
    }
