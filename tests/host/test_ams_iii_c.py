"""AMS-III.C with metered energy against the golden figures (illustrative inputs)."""

from dataclasses import replace
from fractions import Fraction

import pytest
from meterseal.mrv import ams_iii_c as ams

ENERGY_KWH = Fraction(1_250_000)

# year: EF_BL g/km, BE t, PE t (rounded to the sixth digit), whole tonnes
GOLDEN = [
    (0, "55.566819", "1984.529250", "833.333333", 1151),
    (1, "55.01115081", "1964.6839575", "833.333333", 1131),
    (2, "54.4610393019", "1945.037117925", "833.333333", 1111),
]


@pytest.mark.parametrize(("year", "factor", "baseline_t", "project_t", "tonnes"), GOLDEN)
def test_golden_figures(
    year: int, factor: str, baseline_t: str, project_t: str, tonnes: int
) -> None:
    p = replace(ams.ILLUSTRATIVE, years_since_start=year)
    assert ams.baseline_factor_g_per_km(p) == Fraction(factor)
    assert ams.baseline_emissions_kg(ENERGY_KWH, p) / 1000 == Fraction(baseline_t)
    assert round(ams.project_emissions_kg(ENERGY_KWH, p) / 1000, 6) == Fraction(project_t)
    assert ams.emission_reductions_kg(ENERGY_KWH, p) // 1000 == tonnes


def test_project_emissions_do_not_depend_on_specific_consumption() -> None:
    other = replace(ams.ILLUSTRATIVE, specific_consumption_kwh_per_km=Fraction("0.05"))
    assert ams.project_emissions_kg(ENERGY_KWH, other) == ams.project_emissions_kg(
        ENERGY_KWH, ams.ILLUSTRATIVE
    )
