"""Parameters of an activity: value, unit, source, version, validity and approver, and their hash.

A calculation asks for a parameter by name, subject and time span. Nothing has a default: what is
missing, expired, given twice, in another unit or outside its range is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from meterseal.errors import MethodologyError
from meterseal.mrv.exact import canonical, decimal, sha256_hex
from meterseal.mrv.table import Table

PER_ACTIVITY, PER_CLASS, PER_SOURCE = "activity", "vehicle_class", "source"


@dataclass(frozen=True, slots=True)
class Demand:
    """What a methodology asks for: `above` < value, and value < `below` where there is a bound."""

    name: str
    unit: str
    per: str
    meaning: str
    above: Fraction | None
    below: Fraction | None
    minimum: Fraction | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value with everything that a verifier asks about it; the last day of validity counts."""

    name: str
    subject: str
    value: Fraction
    value_text: str
    unit: str
    source: str
    version: str
    valid_from: date
    valid_to: date
    approved_by: str

    def as_json(self) -> dict[str, str]:
        """All fields as text, for the report and the hash."""
        return {
            "name": self.name,
            "subject": self.subject,
            "value": self.value_text,
            "unit": self.unit,
            "source": self.source,
            "version": self.version,
            "valid_from": self.valid_from.isoformat(),
            "valid_to": self.valid_to.isoformat(),
            "approved_by": self.approved_by,
        }


class ParameterSet:
    """The parameters of an activity under one methodology."""

    def __init__(self, parameters: Sequence[Parameter], demands: Sequence[Demand]) -> None:
        self.parameters = tuple(sorted(parameters, key=_order))
        self._demands = {demand.name: demand for demand in demands}
        for parameter in self.parameters:
            _check(parameter, self._demands.get(parameter.name))

    @property
    def sha256(self) -> str:
        """Hash of the canonical JSON of all parameters, in hexadecimal."""
        return sha256_hex(canonical([one.as_json() for one in self.parameters]))

    def given(self, name: str, subject: str) -> bool:
        """Whether the activity names this parameter at all, whatever its validity."""
        return any(one.name == name and one.subject == subject for one in self.parameters)

    def find(self, name: str, subject: str, first: date, last: date) -> Parameter:
        """The one parameter that is valid on every day from `first` to `last`.

        Raises MethodologyError `parameter-missing`, `parameter-expired`, `parameter-ambiguous`.
        """
        named = [one for one in self.parameters if one.name == name and one.subject == subject]
        label = f"{name} of {subject}" if subject else name
        if not named:
            raise MethodologyError(
                "parameter-missing",
                f"expected a [[parameter]] {label}, found none",
                "Add it with value, unit, source, version, validity and approver.",
            )
        valid = [one for one in named if one.valid_from <= first and last <= one.valid_to]
        if not valid:
            spans = ", ".join(f"{one.valid_from} to {one.valid_to}" for one in named)
            raise MethodologyError(
                "parameter-expired",
                f"{label}: expected validity from {first} to {last}, found {spans}",
                "Have a value approved for this time, or report a shorter period.",
            )
        if len(valid) > 1:
            raise MethodologyError(
                "parameter-ambiguous",
                f"{label}: expected one value from {first} to {last}, found {len(valid)}",
                "End the validity of the older one.",
            )
        return valid[0]


def parse_parameter(table: Table) -> Parameter:
    """One [[parameter]] of an activity file. Raises MethodologyError."""
    text = table.text("value")
    name = table.text("name")
    parameter = Parameter(
        name=name,
        subject=table.text("for") if table.has("for") else "",
        value=decimal(text, f"{table.where}: {name}"),
        value_text=text,
        unit=table.text("unit"),
        source=table.text("source"),
        version=table.text("version"),
        valid_from=table.day("valid_from"),
        valid_to=table.day("valid_to"),
        approved_by=table.text("approved_by"),
    )
    table.done()
    return parameter


def parse_demand(table: Table) -> Demand:
    """One [[parameter]] of a methodology profile. Raises MethodologyError."""
    name = table.text("name")
    bounds = {
        bound: decimal(table.text(bound), f"{table.where}: {bound}") if table.has(bound) else None
        for bound in ("above", "below", "minimum")
    }
    per = table.choice("per", (PER_ACTIVITY, PER_CLASS, PER_SOURCE))
    demand = Demand(name, table.text("unit"), per, table.text("meaning"), **bounds)
    table.done()
    return demand


def _order(parameter: Parameter) -> tuple[str, str, date]:
    return parameter.name, parameter.subject, parameter.valid_from


def _check(parameter: Parameter, demand: Demand | None) -> None:
    if demand is None:
        raise MethodologyError(
            "parameter-unknown",
            f"expected parameters that the methodology uses, found {parameter.name!r}",
            "Remove it, or choose the methodology that it belongs to.",
        )
    if parameter.unit != demand.unit:
        raise MethodologyError(
            "parameter-unit",
            f"{parameter.name}: expected the unit {demand.unit}, found {parameter.unit}",
            "Convert the value and say where it comes from.",
        )
    if parameter.valid_to < parameter.valid_from:
        raise MethodologyError(
            "parameter-validity",
            f"{parameter.name}: expected valid_from before valid_to, found {parameter.valid_from} "
            f"and {parameter.valid_to}",
            "Correct the dates.",
        )
    _check_range(parameter, demand)


def _check_range(parameter: Parameter, demand: Demand) -> None:
    value = parameter.value
    low = demand.above is not None and value <= demand.above
    low = low or (demand.minimum is not None and value < demand.minimum)
    if low or (demand.below is not None and value >= demand.below):
        bounds = (("above", demand.above), ("from", demand.minimum), ("below", demand.below))
        expected = " and ".join(f"{word} {bound}" for word, bound in bounds if bound is not None)
        raise MethodologyError(
            "parameter-range",
            f"{parameter.name}: expected a value {expected}, found {parameter.value_text}",
            "Check the unit: 10 % is written 0.10.",
        )
