"""Golden case G4: four meters with their defects, from registers to tonnes and holders."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from meterseal.mrv import ams_iii_c as ams
from meterseal.mrv.activity import load_methodology
from meterseal.mrv.allocation import Holder, pro_rata
from meterseal.mrv.cuts import Period
from meterseal.mrv.installations import Calibration, Installation
from meterseal.mrv.ledger import MeterLedger, settle
from meterseal.mrv.segments import MEASURED, UNVERIFIED_GAP, Segment
from meterseal.mrv.slots import MeterSlots

YEAR = Period(date(2026, 1, 1), date(2026, 12, 31), 420)
MWH_PER_KWH = 10**6
MIDDLE_MS = (YEAR.from_unix_ms + YEAR.until_unix_ms) // 2
HOLDERS = [Holder("KOR", 400), Holder("KHM", 68), Holder("entity", 212)]


def ledger(parts: Sequence[tuple[int, int, int, str]], calibrated_until_ms: int) -> MeterLedger:
    """Ledger of a meter; `parts`: (opening kWh, closing kWh, end in ms, kind)."""
    installation = Installation(
        meter=("Maker", "1"),
        epoch=1,
        station="S",
        model="M",
        profile="p",
        role="main",
        parent=None,
        rated_w=10**6,
        ct_ratio=(1, 1),
        pt_ratio=(1, 1),
        accuracy_class="1",
        mpe_ppm=10_000,
        vehicle_class="moto",
        source="grid",
        opening_milliwh=parts[0][0] * MWH_PER_KWH,
        from_unix_ms=0,
        initial_test="ab",
        countersigned=True,
        calibrations=[Calibration(0, calibrated_until_ms, "cd", 10_000, None)],
    )
    slots = MeterSlots(installation, YEAR, 2025)
    segments = [
        Segment(a * MWH_PER_KWH, b * MWH_PER_KWH, t - 1000, t, slots.slots.of(t), kind, "d")
        for a, b, t, kind in parts
    ]
    read = load_methodology("ams-iii-c", lambda name: b"")
    return settle(installation, segments, slots, read.options, None)


def test_g4_from_registers_to_holders() -> None:
    end, never = YEAR.until_unix_ms, YEAR.until_unix_ms + 1000
    meters = [
        ledger([(1_000, 401_000, end, MEASURED)], never),
        ledger([(5_000, 205_000, end, MEASURED)], never),  # the meter that was replaced
        ledger([(0, 150_000, end, MEASURED)], never),  # the one that replaced it
        ledger([(0, 250_000, MIDDLE_MS, MEASURED), (250_000, 300_000, end, MEASURED)], MIDDLE_MS),
        ledger(
            [(0, 100_000, MIDDLE_MS, MEASURED), (100_000, 120_000, end, UNVERIFIED_GAP)], never
        ),
    ]
    baseline = sum((one.baseline for one in meters), Fraction(0)) / MWH_PER_KWH
    project = sum((one.project for one in meters), Fraction(0)) / MWH_PER_KWH
    assert [one.baseline / MWH_PER_KWH for one in meters[3:]] == [299_500, 100_000]
    assert [one.project / MWH_PER_KWH for one in meters[3:]] == [300_500, 120_000]
    assert (baseline, project) == (1_149_500, 1_170_500)
    baseline_t = ams.baseline_emissions_kg(baseline, ams.ILLUSTRATIVE) / 1000
    project_t = ams.project_emissions_kg(project, ams.ILLUSTRATIVE) / 1000
    assert round(baseline_t, 9) == Fraction("1806.723367317")
    assert round(project_t, 9) == Fraction("780.333333333")
    tonnes = int(baseline_t - project_t)
    assert tonnes == 1026
    assert pro_rata(HOLDERS, tonnes).tonnes == (603, 103, 320)
