"""Verra VM0038 v1.0, electric vehicle charging systems: emission reductions, exactly.

BE = ED * EF_fuel * 100 * IR^(y-1) / (AFEC * MPG), PE = EC * EF_grid, ER = BE - PE (leakage 0).
ED is energy delivered to the fleet, EC energy consumed by the chargers (EC >= ED: losses of the
charger stay on the project side). No transmission term. All arithmetic is rational.
"""

from dataclasses import dataclass
from fractions import Fraction

from meterseal.errors import MethodologyError

KM_PER_MILE = Fraction("1.609344")
LITRE_PER_GALLON = Fraction("3.785411784")


@dataclass(frozen=True, slots=True)
class Parameters:
    """One parameter set for one fleet and one grid region; `year` counts from 1."""

    fuel_emission_factor_t_per_gallon: Fraction
    fleet_consumption_kwh_per_100_miles: Fraction
    comparable_miles_per_gallon: Fraction
    improvement_rate: Fraction
    year: int
    grid_emission_factor_t_per_kwh: Fraction


def baseline_emissions_t(delivered_kwh: Fraction, p: Parameters) -> Fraction:
    """BE in tCO2e for `delivered_kwh`. Raises MethodologyError `vm0038-divisor`, `vm0038-year`."""
    divisor = p.fleet_consumption_kwh_per_100_miles * p.comparable_miles_per_gallon
    if divisor <= 0:
        raise MethodologyError(
            "vm0038-divisor", f"expected AFEC and MPG above 0, found {divisor}", "Correct them."
        )
    if p.year < 1:
        raise MethodologyError(
            "vm0038-year", f"expected a year from 1 on, found {p.year}", "Correct it."
        )
    factor = p.fuel_emission_factor_t_per_gallon * p.improvement_rate ** (p.year - 1)
    return delivered_kwh * factor * 100 / divisor


def project_emissions_t(consumed_kwh: Fraction, p: Parameters) -> Fraction:
    """PE in tCO2e for the electricity that the chargers took from the grid."""
    return consumed_kwh * p.grid_emission_factor_t_per_kwh


def emission_reductions_t(
    delivered_kwh: Fraction, consumed_kwh: Fraction, p: Parameters
) -> Fraction:
    """ER in tCO2e. Raises MethodologyError `vm0038-delivered` if more left than was taken."""
    if delivered_kwh > consumed_kwh:
        raise MethodologyError(
            "vm0038-delivered",
            f"expected at most {consumed_kwh} kWh delivered, found {delivered_kwh}",
            "Check which meter stands before and which behind the charger.",
        )
    return baseline_emissions_t(delivered_kwh, p) - project_emissions_t(consumed_kwh, p)
