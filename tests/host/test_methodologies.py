"""The methodologies against published and golden figures, and against each other."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meterseal.errors import MethodologyError
from meterseal.mrv import ams_iii_c, mecd, vm0038

# Gold Standard GS11817 fixture, published with the Guardian policy of MECD v2.0.
G1 = mecd.Inputs(
    energy_mwh=Fraction("492.75"),
    grid_emission_factor_t_per_mwh=Fraction("0.412"),
    transmission_loss_fraction=Fraction("0.1041"),
    baseline_specific_consumption=Fraction("0.002402"),
    project_specific_consumption=Fraction("0.000276"),
    devices=1500,
    fuels=[
        mecd.Fuel(*map(Fraction, (".80", "112", ".8347", "9.46", "1.5"))),
        mecd.Fuel(*map(Fraction, (".11", "56.1", "1", ".293", "8"))),
        mecd.Fuel(*map(Fraction, (".09", "63.1", "1", ".89", "6"))),
    ],
)
G3 = vm0038.Parameters(
    fuel_emission_factor_t_per_gallon=Fraction(0),
    fleet_consumption_kwh_per_100_miles=Fraction("5.632704"),
    comparable_miles_per_gallon=Fraction(1),
    improvement_rate=Fraction("0.99"),
    year=1,
    grid_emission_factor_t_per_kwh=Fraction("0.0006"),
)


def test_g1_to_the_last_published_digit() -> None:
    found = mecd.emissions(G1)
    assert round(found.project_t, 7) == Fraction("224.1466533")
    assert round(found.baseline_t, 7) == Fraction("1496.5581835")
    assert round(found.leakage_t, 7) == Fraction("50.9482306")
    assert round(found.reductions_t, 7) == Fraction("1221.4632995")


def translated(p: ams_iii_c.Parameters, density_kg_per_l: Fraction) -> vm0038.Parameters:
    """The same vehicles in the units of VM0038; the fuel's density must cancel."""
    km_per_litre = 1000 * density_kg_per_l / p.fuel_consumption_g_per_km
    fuel_t_per_gallon = (
        vm0038.LITRE_PER_GALLON
        * density_kg_per_l
        * p.net_calorific_value_kj_per_g
        * p.fuel_emission_factor_g_per_kj
        / 1000
    )
    return vm0038.Parameters(
        fuel_emission_factor_t_per_gallon=fuel_t_per_gallon,
        fleet_consumption_kwh_per_100_miles=p.specific_consumption_kwh_per_km
        * 100
        * vm0038.KM_PER_MILE,
        comparable_miles_per_gallon=km_per_litre * vm0038.LITRE_PER_GALLON / vm0038.KM_PER_MILE,
        improvement_rate=p.improvement_rate,
        year=p.years_since_start + 1,
        grid_emission_factor_t_per_kwh=p.grid_emission_factor_kg_per_kwh / 1000,
    )


@pytest.mark.parametrize(("year", "baseline_t"), [(0, "1984.52925"), (1, "1964.6839575")])
def test_g3_is_g2_in_other_units(year: int, baseline_t: str) -> None:
    p = replace(ams_iii_c.ILLUSTRATIVE, years_since_start=year)
    other = translated(p, Fraction("0.74"))
    assert other.fleet_consumption_kwh_per_100_miles == G3.fleet_consumption_kwh_per_100_miles
    assert round(other.comparable_miles_per_gallon, 8) == Fraction("96.16507827")
    assert round(other.fuel_emission_factor_t_per_gallon, 11) == Fraction("0.00859967048")
    assert vm0038.baseline_emissions_t(Fraction(1_250_000), other) == Fraction(baseline_t)


POSITIVE = st.fractions(min_value=Fraction(1, 1000), max_value=1000, max_denominator=10_000)


@given(POSITIVE, POSITIVE, POSITIVE, POSITIVE, POSITIVE, POSITIVE, st.integers(0, 12))
def test_both_methodologies_give_the_same_baseline(
    energy_kwh: Fraction,
    fuel_consumption: Fraction,
    calorific: Fraction,
    specific: Fraction,
    rate: Fraction,
    density: Fraction,
    year: int,
) -> None:
    p = replace(
        ams_iii_c.ILLUSTRATIVE,
        fuel_consumption_g_per_km=fuel_consumption,
        net_calorific_value_kj_per_g=calorific,
        specific_consumption_kwh_per_km=specific,
        improvement_rate=rate,
        years_since_start=year,
    )
    in_kg = ams_iii_c.baseline_emissions_kg(energy_kwh, p)
    assert vm0038.baseline_emissions_t(energy_kwh, translated(p, density)) == in_kg / 1000


@pytest.mark.parametrize(
    ("change", "delivered", "code"),
    [
        ({"comparable_miles_per_gallon": Fraction(0)}, 1, "vm0038-divisor"),
        ({"year": 0}, 1, "vm0038-year"),
        ({}, 3, "vm0038-delivered"),
    ],
)
def test_vm0038_refusals(change: dict[str, Fraction], delivered: int, code: str) -> None:
    with pytest.raises(MethodologyError) as refused:
        vm0038.emission_reductions_t(Fraction(delivered), Fraction(2), replace(G3, **change))
    assert refused.value.code == code
