"""What follows from the tonnes: allocation, progress, sensitivity, draft rows for the AEF."""

from datetime import date
from fractions import Fraction
from typing import Any, Final

from meterseal.mrv.calculate import allocate, linear_t
from meterseal.mrv.calculate import sensitivity as calculate_sensitivity
from meterseal.mrv.exact import decimal_text, percent_text
from meterseal.mrv.run import Outcome
from meterseal.report.numbers import tonnes_text, total

AEF_MARK: Final = "DRAFT - not a registry action"


def allocation(outcome: Outcome) -> dict[str, Any]:
    """Whole tonnes by holder, now and in all."""
    activity = outcome.request.activity
    issued_t = sum(one.issued_t for one in outcome.vintages)
    shared = allocate(activity, outcome.state, issued_t)
    rows = [
        {
            "holder": holder.name,
            "party": activity.parties[holder.name],
            "weight": holder.weight,
            "cap_t": holder.cap_t if holder.cap_t is not None else -1,
            "cumulative_t": new,
            "this_report_t": new - old,
        }
        for holder, old, new in zip(activity.holders, shared.before_t, shared.after_t, strict=True)
    ]
    return {
        "rule": activity.allocation_rule,
        "holders": rows,
        "cumulative_t": outcome.state.all_issued_t + issued_t,
        "this_report_t": issued_t,
        "unallocated_cumulative_t": shared.unallocated_after_t,
        "unallocated_this_report_t": shared.unallocated_after_t - shared.unallocated_before_t,
    }


def progress(outcome: Outcome) -> list[dict[str, Any]]:
    """Each target: where it stands, where a straight line would, what pace is left to run."""
    activity, last = outcome.request.activity, outcome.request.period.last
    shares = allocation(outcome)
    by_holder = {one["holder"]: one["cumulative_t"] for one in shares["holders"]}
    rows = []
    for target in activity.targets:
        reached = by_holder[target.holder] if target.holder else shares["cumulative_t"]
        remaining = max(0, target.tonnes - reached)
        end = date(target.until_year, 12, 31)
        years_left = max(Fraction((end - last).days, 365), Fraction(1, 365))
        need = remaining / years_left
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
        rows = allocation(outcome)["holders"]
        issued = next(one["this_report_t"] for one in rows if one["holder"] == holder)
    pace = Fraction(issued * 365, days)
    return decimal_text(need / pace, 1) if pace else "-"


def sensitivity(outcome: Outcome) -> list[dict[str, str]]:
    """Reductions with each parameter 10 % lower and higher."""
    leakage = outcome.request.activity.methodology.options.leakage_fraction
    base = total(one.reductions_t for one in outcome.vintages)
    return [
        {
            "parameter": name,
            "minus_10_percent_t": tonnes_text(low),
            "plus_10_percent_t": tonnes_text(high),
            "change_minus_t": tonnes_text(low - base),
            "change_plus_t": tonnes_text(high - base),
        }
        for name, low, high in calculate_sensitivity(outcome.vintages, leakage)
    ]


def aef(outcome: Outcome) -> list[dict[str, Any]]:
    """Draft rows for the Actions table of the agreed electronic format; no identifiers invented.

    Tonnes of a vintage go to a Party as its share of this report's total; the rest is in the
    allocation table.
    """
    activity = outcome.request.activity
    shares = allocation(outcome)
    rows: list[dict[str, Any]] = []
    left = {
        one["holder"]: one["this_report_t"]
        for one in shares["holders"]
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
