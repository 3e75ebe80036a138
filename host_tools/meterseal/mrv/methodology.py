"""Methodology profiles: which equations, which options, which parameters; data, never constants.

Both calculators are linear in energy, so that a methodology comes down to exact factors: tonnes of
baseline for each kWh of a vehicle class, tonnes of project emissions for each kWh of a source. The
factors come from the calculators themselves (ams_iii_c, vm0038).
"""

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Final

from meterseal.errors import MethodologyError
from meterseal.mrv import ams_iii_c, vm0038
from meterseal.mrv.exact import decimal, sha256_hex
from meterseal.mrv.parameters import Demand, ParameterSet, parse_demand
from meterseal.mrv.table import Table, toml_table

CREDITED, PROJECT_ONLY = "credited", "project_only"
TDL_MODES: Final = ("one_plus", "one_over_one_minus", "none")
EXPONENTS: Final = ("yearly", "once", "none")
CALCULATORS: Final = ("ams-iii-c", "vm0038")
GRID: Final = "grid"
KM_PER_100_MILES: Final = 100 * vm0038.KM_PER_MILE


@dataclass(frozen=True, slots=True)
class Options:
    """What a methodology leaves open and a profile decides; fractions of 1."""

    tdl_mode: str
    improvement_exponent: str
    leakage_fraction: Fraction
    stated_gap: str
    unsynchronised: str
    year_crossing: str
    minimum_coverage: Fraction
    minimum_reporting: Fraction
    invoice_tolerance: Fraction
    plausibility_tolerance: Fraction
    distance_warning_only: bool


@dataclass(frozen=True, slots=True)
class Methodology:
    """One profile file; `sha256` is over its bytes."""

    id: str
    title: str
    calculator: str
    source: str
    equations: tuple[str, ...]
    options: Options
    demands: tuple[Demand, ...]
    sha256: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Span:
    """The days of one vintage that a calculation covers; `start_year`: year 0 of the activity."""

    vintage: int
    first: date
    last: date
    start_year: int

    @property
    def years(self) -> int:
        """Years since the start of the activity. Raises MethodologyError `vintage-early`."""
        if self.vintage < self.start_year:
            raise MethodologyError(
                "vintage-early",
                f"expected a vintage from {self.start_year} on, found {self.vintage}",
                "Correct the start year of the activity or the period.",
            )
        return self.vintage - self.start_year


def load(name: str) -> Methodology:
    """Profile by id, or by the path of a .toml file. Raises MethodologyError."""
    if name.endswith(".toml"):
        return parse(Path(name).read_bytes(), name)
    folder = resources.files("meterseal.mrv") / "methodologies"
    known = sorted(item.name.removesuffix(".toml") for item in folder.iterdir())
    if name not in known:
        raise MethodologyError(
            "methodology-unknown",
            f"expected one of {', '.join(known)} or a .toml file, found {name!r}",
            "Correct `methodology` in the activity file.",
        )
    return parse((folder / f"{name}.toml").read_bytes(), name)


def is_shipped(methodology: Methodology) -> bool:
    """Whether a profile is one of this package, to the byte."""
    try:
        return load(methodology.id.removesuffix(".toml")).data == methodology.data
    except MethodologyError:
        return False


def parse(data: bytes, where: str) -> Methodology:
    """Profile from the bytes of its file. Raises MethodologyError."""
    table = toml_table(data, where)
    table.choice("format", ("meterseal-methodology",))
    table.integer("version", 1, 1)
    equations = table.raw("equations")
    methodology = Methodology(
        id=table.text("id"),
        title=table.text("title"),
        calculator=table.choice("calculator", CALCULATORS),
        source=table.text("source"),
        equations=tuple(str(line) for line in equations),
        options=_options(table.table("options")),
        demands=tuple(parse_demand(one) for one in table.tables("parameter")),
        sha256=sha256_hex(data),
        data=data,
    )
    table.done()
    return methodology


def _options(table: Table) -> Options:
    def fraction(name: str) -> Fraction:
        value = decimal(table.text(name), f"{table.where}: {name}")
        if not 0 <= value <= 1:
            raise MethodologyError(
                "input-value", f"{table.where}: {name}: expected 0 to 1, found {value}"
            )
        return value

    treatments = (CREDITED, PROJECT_ONLY)
    options = Options(
        tdl_mode=table.choice("tdl_mode", TDL_MODES),
        improvement_exponent=table.choice("improvement_exponent", EXPONENTS),
        leakage_fraction=fraction("leakage_fraction"),
        stated_gap=table.choice("stated_gap", treatments),
        unsynchronised=table.choice("unsynchronised", treatments),
        year_crossing=table.choice("year_crossing", ("later_year", PROJECT_ONLY)),
        minimum_coverage=fraction("minimum_coverage"),
        minimum_reporting=fraction("minimum_reporting"),
        invoice_tolerance=fraction("invoice_tolerance"),
        plausibility_tolerance=fraction("plausibility_tolerance"),
        distance_warning_only=table.flag("distance_warning_only"),
    )
    table.done()
    return options


def loss_factor(mode: str, loss: Fraction) -> Fraction:
    """What one kWh at the meter makes the grid generate: three forms, never mixed up silently."""
    if mode == "one_plus":
        return 1 + loss
    return 1 / (1 - loss) if mode == "one_over_one_minus" else Fraction(1)


def improvement_years(options: Options, span: Span) -> int:
    """The exponent of the improvement rate."""
    return {"yearly": span.years, "once": 1, "none": 0}[options.improvement_exponent]


class Factors:
    """Exact factors of one vintage; every parameter used is remembered for the report."""

    def __init__(
        self,
        methodology: Methodology,
        parameters: ParameterSet,
        span: Span,
        measured: dict[str, Fraction],
    ) -> None:
        """`measured`: specific consumption by class from samples, in the methodology's unit."""
        self._methodology = methodology
        self._parameters = parameters
        self._span = span
        self._measured = measured
        self._scale: dict[str, Fraction] = {}

    def scaled(self, name: str, factor: Fraction) -> "Factors":
        """The same with one parameter multiplied, for the sensitivity block."""
        other = Factors(self._methodology, self._parameters, self._span, self._measured)
        other._scale = {**self._scale, name: factor}
        return other

    def value(self, name: str, subject: str = "") -> Fraction:
        """A parameter over the whole span. Raises MethodologyError `parameter-...`."""
        span = self._span
        found = self._parameters.find(name, subject, span.first, span.last).value
        return found * self._scale.get(name, 1)

    def specific_consumption(self, vehicle_class: str) -> Fraction:
        """The greater, that is the conservative one, of the declared and the sampled value."""
        name = "specific_consumption"
        sampled = self._measured.get(vehicle_class)
        if sampled is not None and not self._parameters.given(name, vehicle_class):
            return sampled * self._scale.get(name, 1)
        declared = self.value(name, vehicle_class)
        if sampled is None:
            return declared
        return max(declared, sampled * self._scale.get(name, 1))

    def consumption_kwh_per_km(self, vehicle_class: str) -> Fraction:
        """Specific consumption in kWh/km, whatever the methodology's unit."""
        value = self.specific_consumption(vehicle_class)
        return value if self._methodology.calculator == "ams-iii-c" else value / KM_PER_100_MILES

    def baseline_t_per_kwh(self, vehicle_class: str) -> Fraction:
        """Baseline emissions in t for each kWh charged into vehicles of a class."""
        if self._methodology.calculator == "ams-iii-c":
            return ams_iii_c.baseline_emissions_kg(Fraction(1), self._ams(vehicle_class)) / 1000
        return vm0038.baseline_emissions_t(Fraction(1), self._vm0038(vehicle_class))

    def project_t_per_kwh(self, source: str) -> Fraction:
        """Project emissions in t for each kWh taken from a source; losses for the grid only."""
        factor = self.value("electricity_emission_factor", source)
        mode = self._methodology.options.tdl_mode
        if source == GRID and mode != "none":
            factor *= loss_factor(mode, self.value("transmission_loss"))
        return factor / 1000

    def _ams(self, vehicle_class: str) -> ams_iii_c.Parameters:
        return ams_iii_c.Parameters(
            fuel_consumption_g_per_km=self.value("fuel_consumption", vehicle_class),
            net_calorific_value_kj_per_g=self.value("net_calorific_value"),
            fuel_emission_factor_g_per_kj=self.value("fuel_emission_factor") / 1000,
            improvement_rate=self.value("improvement_rate"),
            years_since_start=improvement_years(self._methodology.options, self._span),
            specific_consumption_kwh_per_km=self.specific_consumption(vehicle_class),
            grid_emission_factor_kg_per_kwh=Fraction(0),  # the project side is computed by source
            transmission_loss_fraction=Fraction(0),
        )

    def _vm0038(self, vehicle_class: str) -> vm0038.Parameters:
        return vm0038.Parameters(
            fuel_emission_factor_t_per_gallon=self.value("fuel_emission_factor"),
            fleet_consumption_kwh_per_100_miles=self.specific_consumption(vehicle_class),
            comparable_miles_per_gallon=self.value("comparable_mileage", vehicle_class),
            improvement_rate=self.value("improvement_rate"),
            year=improvement_years(self._methodology.options, self._span) + 1,
            grid_emission_factor_t_per_kwh=Fraction(0),
        )
