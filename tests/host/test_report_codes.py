"""Every finding code of a report, made to appear by a fleet in which just that goes wrong."""

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from meterseal.mrv.cuts import parse_period
from meterseal.mrv.evidence import write_evidence
from meterseal.mrv.exact import pretty
from meterseal.mrv.recompute import recompute
from meterseal.mrv.rules_text import CODES
from meterseal.mrv.run import Outcome, run
from meterseal.report.document import build as document_of

from tests.fleet.defects import key_of
from tests.fleet.load import random_of
from tests.fleet.mishaps import AT, CASES, PLAN, Case, Change, first, parts
from tests.fleet.reporting import anchors_of, request_of
from tests.fleet.world import Fleet, build, time_text

IN_THE_TABLE = {
    *("chain-fork", "profile-mismatch", "serial-mismatch", "setup-changed", "gap-unverified"),
    *("calibration-provisional", "meter-replaced", "device-replaced", "claim-reused"),
    *("claim-other-activity", "claim-two-devices", "claim-nested-meter", "reading-isolated"),
    *("not-countersigned", "device-unbound"),
}
RARE = {"register-decrease", "register-implausible", "year-crossing", "clock-unset"}
LOCKED = {"deficit", "deficit-carried"}


def outcome_of(folder: Path, case: Case) -> tuple[Outcome, Fleet]:
    """The report on a fleet in which a case was made true."""
    fleet, _ = build(replace(PLAN, **case.plan), folder, case.change)
    case.edit(folder, fleet)
    return run(request_of(folder, fleet, **case.options)), fleet


@pytest.mark.parametrize("code", CASES)
def test_each_code_appears(code: str, tmp_path: Path) -> None:
    outcome, _ = outcome_of(tmp_path, CASES[code])
    found = {one.code for one in outcome.findings.sorted}
    assert code in found, found


def test_every_code_has_a_test() -> None:
    assert CASES.keys() | IN_THE_TABLE | RARE | LOCKED == CODES.keys()
    folder = Path(__file__).parent
    for code in RARE:
        assert f'"{code}"' in (folder / "test_report_refusals.py").read_text()
    for code in LOCKED:
        assert f'"{code}"' in (folder / "test_report_locked.py").read_text()
    table = "".join(
        (folder.parent / "fleet" / name).read_text() for name in ("attacks.py", "defects.py")
    )
    assert all(f'"{code}"' in table or code == "gap-unverified" for code in IN_THE_TABLE)


def withheld(outcome: Outcome, code: str) -> Fraction:
    return sum(
        (one.withheld_milliwh for one in outcome.findings.sorted if one.code == code), Fraction(0)
    )


def test_a_gap_that_the_chain_states_is_told_apart(tmp_path: Path) -> None:
    outcome, fleet = outcome_of(tmp_path, CASES["gap-stated"])
    _, line = first(fleet)
    assert withheld(outcome, "gap-stated") == line.milliwh(AT + 48) - line.milliwh(AT - 1)


def test_a_longer_gap_than_the_stated_losses_explain_is_not_stated(tmp_path: Path) -> None:
    def change(fleet: Fleet) -> None:
        station, _ = first(fleet)
        before, _, behind = parts(fleet, AT, AT + 48)
        station.batches = fleet.seal(station, indices=before)
        station.board.lose(10)
        station.batches += fleet.seal(station, indices=behind)

    outcome, _ = outcome_of(tmp_path, Case(change))
    codes = {one.code for one in outcome.findings.sorted}
    assert "gap-stated" not in codes and "gap-unverified" in codes


def test_readings_that_the_device_flagged_are_passed_over(tmp_path: Path) -> None:
    outcome, fleet = outcome_of(tmp_path, CASES["reading-flagged"])
    _, line = first(fleet)
    gap = line.milliwh(AT + 4) - line.milliwh(AT - 1)
    assert {one.code for one in outcome.findings.sorted} == {"reading-flagged", "gap-unverified"}
    assert withheld(outcome, "gap-unverified") == gap + line.milliwh(0) % 1000


def test_what_is_set_aside_costs_its_own_energy_only(tmp_path: Path) -> None:
    outcome, fleet = outcome_of(tmp_path, CASES["set-aside"])
    _, line = first(fleet)
    key, last = key_of(line), len(fleet.times) - 1
    (ledger,) = [one for one in outcome.ledgers if one.installation.key == key]
    gap = line.milliwh(AT + 4) - line.milliwh(AT - 1)
    assert ledger.baseline == line.milliwh(last) - line.milliwh(0) - gap


def test_mid_month_bills_are_compared_to_the_day(tmp_path: Path) -> None:
    fleet, _ = build(replace(PLAN, stations=1, with_pv=1), tmp_path)
    _, line = first(fleet)
    days = [(index // 24) for index in (14 * 24, 45 * 24)]
    energy = line.milliwh(days[1] * 24) - line.milliwh(days[0] * 24)
    bill = f"KH-0001,2026-01-15,2026-02-14,{energy * 7 // 10 / 1e6:.6f}\n"
    (tmp_path / "invoices.csv").write_text(f"station,from,until,energy_kwh\n{bill}")
    outcome = run(request_of(tmp_path, fleet))
    ((_, metered),) = outcome.invoices
    assert metered == Fraction(energy * 7, 10 * 10**6)
    assert not [one for one in outcome.findings.sorted if one.code.startswith("invoice")]


def test_nothing_counts_long_before_the_key_was_enrolled(tmp_path: Path) -> None:
    def change(fleet: Fleet) -> None:
        fleet.registry.at = time_text(fleet.times[AT])

    outcome, fleet = outcome_of(tmp_path, Case(change))
    _, line = first(fleet)
    (ledger, _) = outcome.ledgers
    last, start = len(fleet.times) - 1, AT - 7 * 24
    assert ledger.baseline == line.milliwh(last) - line.milliwh(start)
    assert "outside-installation" in {one.code for one in outcome.findings.sorted}


def test_another_meter_in_place_of_one_needs_its_initial_test(tmp_path: Path) -> None:
    outcome, _ = outcome_of(tmp_path / "without", Case(replaced("")))
    texts = [one.text for one in outcome.findings.sorted if one.code == "replacement-incomplete"]
    assert len(texts) == 1 and "initial test" in texts[0]
    outcome, _ = outcome_of(tmp_path / "with", Case(replaced("ab" * 32)))
    assert "replacement-incomplete" not in {one.code for one in outcome.findings.sorted}


def test_the_meter_before_may_have_ended_before_the_period(tmp_path: Path) -> None:
    fleet, _ = build(PLAN, tmp_path, replaced(""))
    day = date.fromisoformat(time_text(fleet.times[AT])[:10]) + timedelta(days=2)
    request = request_of(tmp_path, fleet)
    period = parse_period(f"{day}..{fleet.plan.last}", request.activity.offset_min)
    outcome = run(replace(request, period=period))
    texts = [one.text for one in outcome.findings.sorted if one.code == "replacement-incomplete"]
    assert len(texts) == 1 and "initial test" in texts[0]


def replaced(initial_test: str) -> Change:
    """Another meter takes the first one's place."""

    def change(fleet: Fleet) -> None:
        station, old = first(fleet)
        new = fleet.single(904, 1, "main", old.energy, random_of("new"))
        new.unit_has_children = False
        before, behind = parts(fleet, AT)
        station.batches = fleet.seal(station, indices=before)
        station.batches += fleet.seal(station, indices=behind, lines=[new])

        def entries() -> None:
            removal = {"until": time_text(fleet.times[AT - 1] + 1000), "reason": "broken"}
            removal |= {"meter": old.name(), "final_test_sha256": "ab" * 32}
            register_wh = -(-old.milliwh(AT - 1) // 1000)
            fleet.registry.add(
                "meter-remove", countersign=True, register_wh=register_wh, **removal
            )
            test = {"initial_test_sha256": initial_test}
            since = int(fleet.times[AT]) - 1000
            fleet.install(station, new, station.board, since, new.milliwh(AT), **test)
            fleet.calibrate(new)

        fleet.extra_entries.append(entries)

    return change


def test_meters_behind_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    def change(fleet: Fleet) -> None:
        names = [one.lines[0].name() for one in fleet.stations]
        for station, name in zip(fleet.stations, reversed(names), strict=True):
            station.lines[0].parent = name

    with pytest.raises(Exception, match="behind itself") as refusal:
        outcome_of(tmp_path, Case(change))
    assert getattr(refusal.value, "code", "") == "meter-cycle"


def test_junk_in_the_archive_is_in_the_recomputed_report_too(tmp_path: Path) -> None:
    for code in ("archive-damaged", "device-unknown"):
        folder = tmp_path / code
        outcome, fleet = outcome_of(folder, CASES[code])
        pack = folder / "out.zip"
        write_evidence(pack, outcome, pretty(document_of(outcome)))
        again = recompute(pack, document_of, *anchors_of(fleet)).document
        assert code in {one["code"] for one in again["findings"]}
        assert again["report"]["status"] == "UNDER_REVIEW"
