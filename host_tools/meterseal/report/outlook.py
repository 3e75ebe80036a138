"""What follows from the tonnes: allocation, progress, sensitivity, draft rows for the AEF."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from math import ceil
from typing import Any, Final

from meterseal.mrv.calculate import linear_t
from meterseal.mrv.calculate import sensitivity as calculate_sensitivity
from meterseal.mrv.exact import decimal_text, percent_text
from meterseal.mrv.run import Outcome
from meterseal.report.numbers import tonnes_text, total

AEF_MARK: Final = "DRAFT - not a registry action"
AEF_COLUMNS: Final = (
    *("mark", "action_date", "action_type", "action_subtype", "cooperative_approach_id"),
    *("authorization_id", "first_transferring_party_id", "party_itmo_registry_id"),
    *("first_id", "last_id", "underlying_unit_registry_id", "first_unit_id", "last_unit_id"),
    *("metric", "gwp", "non_ghg_metric", "quantity_t_co2_eq", "quantity_non_ghg"),
    *("mitigation_type", "sector", "vintage", "transferring_party", "acquiring_party"),
    *("purpose_oimp", "using_party", "using_entity", "year_used_for_ndc", "information"),
)


def allocation(outcome: Outcome) -> dict[str, Any]:
    """Whole tonnes by holder, now and in all."""
    activity, shared, issued_t = outcome.request.activity, outcome.shared, outcome.issued_t
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
        need = needed_t_per_year(remaining, (end - last).days)
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
                "fleet_vehicles": _fleet_vehicles(outcome, need, target.holder),
            }
        )
    return rows


def needed_t_per_year(remaining_t: int, days_left: int) -> Fraction:
    """Pace that reaches a target in time; when its time is over, all that remains in a year."""
    return Fraction(remaining_t * 365, days_left) if days_left > 0 else Fraction(remaining_t)


def _fleet_factor(outcome: Outcome, need: Fraction, holder: str) -> str:
    """How many times this period's yearly pace is needed from now on."""
    pace = _pace(outcome, holder)
    return decimal_text(need / pace, 1) if pace else "-"


def _fleet_vehicles(outcome: Outcome, need: Fraction, holder: str) -> str:
    """How many vehicles that would be, each as productive as those of this period."""
    pace, vehicles = _pace(outcome, holder), len({one.name for one in outcome.vehicles})
    return str(ceil(need / pace * vehicles)) if pace else "-"


def _pace(outcome: Outcome, holder: str) -> Fraction:
    """Exact tonnes a year of this period, of all or of a holder's share."""
    period = outcome.request.period
    days = (period.last - period.first).days + 1
    reductions = total(one.reductions_t for one in outcome.vintages)
    holders = outcome.request.activity.holders
    share = Fraction(1)
    if holder:
        weight = next(one.weight for one in holders if one.name == holder)
        share = Fraction(weight, sum(one.weight for one in holders))
    return max(Fraction(0), reductions * share * 365 / days)


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

    Each foreign holder's tonnes come from the vintages in proportion to what each of them issued,
    rounded so that the rows of a holder add up to its tonnes.
    """
    activity = outcome.request.activity
    issued = [one.issued_t for one in outcome.vintages]
    rows = []
    for one in allocation(outcome)["holders"]:
        if one["party"] in ("", activity.host_party):
            continue
        for vintage, quantity in zip(
            outcome.vintages, parts_of(one["this_report_t"], issued), strict=True
        ):
            if quantity:
                rows.append(_aef_row(outcome, vintage.span.vintage, one["holder"], quantity))
    return rows


def parts_of(share_t: int, issued_t: Sequence[int]) -> list[int]:
    """A share of the sum of `issued_t`, in parts of each; the parts add up to the share."""
    total_t, so_far = sum(issued_t), 0
    parts: list[int] = []
    for one in issued_t:
        so_far += one
        parts.append((share_t * so_far // total_t if total_t else 0) - sum(parts))
    return parts


def _aef_row(outcome: Outcome, vintage: int, holder: str, quantity: int) -> dict[str, Any]:
    """Columns in the order of the Actions table (notes to decision 6/CMA.4, annex I)."""
    activity = outcome.request.activity
    known = {
        "mark": AEF_MARK,
        "action_type": "First transfer",
        "cooperative_approach_id": activity.cooperative_approach,
        "first_transferring_party_id": activity.host_party,
        "metric": "GHG",
        "quantity_t_co2_eq": quantity,
        "mitigation_type": "Emission reductions",
        "sector": activity.sector,
        "vintage": vintage,
        "transferring_party": activity.host_party,
        "acquiring_party": activity.parties[holder],
    }
    return {name: known.get(name, "") for name in AEF_COLUMNS}
