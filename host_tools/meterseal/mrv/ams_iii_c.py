"""CDM AMS-III.C, charging-station option: reductions from metered charging energy, exactly.

Equations of the methodology's option with metered energy EC and specific consumption SEC:
BE = EF_BL,km * EC / SEC, PE = EC * EF_elect / (1 - TDL), ER = BE - PE (leakage 0), with
EF_BL,km = SFC * NCV * EF_fuel * IR^t. All arithmetic is rational: nothing is rounded here.
"""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Parameters:
    """One parameter set; every number carries its unit in its name."""

    fuel_consumption_g_per_km: Fraction
    net_calorific_value_kj_per_g: Fraction
    fuel_emission_factor_g_per_kj: Fraction
    improvement_rate: Fraction
    years_since_start: int
    specific_consumption_kwh_per_km: Fraction
    grid_emission_factor_kg_per_kwh: Fraction
    transmission_loss_fraction: Fraction


# Illustrative only (SFC: GACMO value in a public ICAT dump; NCV and EF: IPCC 2006; the others
# are assumptions). They are not the parameters of any activity.
ILLUSTRATIVE = Parameters(
    fuel_consumption_g_per_km=Fraction("18.1"),
    net_calorific_value_kj_per_g=Fraction("44.3"),
    fuel_emission_factor_g_per_kj=Fraction("0.0693"),
    improvement_rate=Fraction("0.99"),
    years_since_start=1,
    specific_consumption_kwh_per_km=Fraction("0.035"),
    grid_emission_factor_kg_per_kwh=Fraction("0.60"),
    transmission_loss_fraction=Fraction("0.10"),
)


def baseline_factor_g_per_km(p: Parameters) -> Fraction:
    """EF_BL,km in gCO2/km: what the displaced petrol motorcycle would have emitted."""
    fuel = p.fuel_consumption_g_per_km * p.net_calorific_value_kj_per_g
    return fuel * p.fuel_emission_factor_g_per_kj * p.improvement_rate**p.years_since_start


def baseline_emissions_kg(energy_kwh: Fraction, p: Parameters) -> Fraction:
    """BE in kgCO2 for `energy_kwh` charged into project vehicles."""
    distance_km = energy_kwh / p.specific_consumption_kwh_per_km
    return baseline_factor_g_per_km(p) * distance_km / 1000


def project_emissions_kg(energy_kwh: Fraction, p: Parameters) -> Fraction:
    """PE in kgCO2 of the electricity, grid losses included (mode 1/(1-TDL))."""
    return energy_kwh * p.grid_emission_factor_kg_per_kwh / (1 - p.transmission_loss_fraction)


def emission_reductions_kg(energy_kwh: Fraction, p: Parameters) -> Fraction:
    """ER = BE - PE in kgCO2; may be negative, never clamped."""
    return baseline_emissions_kg(energy_kwh, p) - project_emissions_kg(energy_kwh, p)
