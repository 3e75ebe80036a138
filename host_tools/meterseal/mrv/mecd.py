"""Gold Standard MECD v2.0, metered electric cooking: enough to reproduce its published figure.

PE = EG * EF * (1 + TDL); BE = EG * 0.0036 * (SC_b / SC_p) * sum over fuels of
share * (EF_CO2 * fNRB + EF_nonCO2 + UEF); LE = 0.017 * devices + 0.02 * (BE - PE);
ER = BE - PE - LE.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

TJ_PER_MWH = Fraction("0.0036")


@dataclass(frozen=True, slots=True)
class Fuel:
    """One displaced fuel; emission factors in t/TJ."""

    share: Fraction
    co2_t_per_tj: Fraction
    non_renewable_fraction: Fraction
    non_co2_t_per_tj: Fraction
    upstream_t_per_tj: Fraction


@dataclass(frozen=True, slots=True)
class Inputs:
    """A monitoring period of one device model."""

    energy_mwh: Fraction
    grid_emission_factor_t_per_mwh: Fraction
    transmission_loss_fraction: Fraction
    baseline_specific_consumption: Fraction
    project_specific_consumption: Fraction
    devices: int
    fuels: Sequence[Fuel]


@dataclass(frozen=True, slots=True)
class Result:
    """Tonnes of CO2 equivalent, not rounded."""

    baseline_t: Fraction
    project_t: Fraction
    leakage_t: Fraction

    @property
    def reductions_t(self) -> Fraction:
        """ER = BE - PE - LE."""
        return self.baseline_t - self.project_t - self.leakage_t


def emissions(inputs: Inputs) -> Result:
    """BE, PE and LE of a period, exactly."""
    energy_tj = inputs.energy_mwh * TJ_PER_MWH
    ratio = inputs.baseline_specific_consumption / inputs.project_specific_consumption
    baseline_t = energy_tj * ratio * sum(_fuel_factor(fuel) for fuel in inputs.fuels)
    losses = 1 + inputs.transmission_loss_fraction
    project_t = inputs.energy_mwh * inputs.grid_emission_factor_t_per_mwh * losses
    leakage_t = Fraction("0.017") * inputs.devices + (baseline_t - project_t) * Fraction("0.02")
    return Result(baseline_t, project_t, leakage_t)


def _fuel_factor(fuel: Fuel) -> Fraction:
    """Emissions of a fuel in t for each TJ of heat that it no longer gives."""
    burnt = fuel.co2_t_per_tj * fuel.non_renewable_fraction + fuel.non_co2_t_per_tj
    return fuel.share * (burnt + fuel.upstream_t_per_tj)
