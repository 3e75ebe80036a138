"""Defects of the example fleet: each is found, nothing else is, withheld energy is exact.

The table is computed: `invented` counts findings that no defect explains, by the station that they
are about; `exact` whether the kWh withheld are those of the loads that the fleet was made of.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from meterseal.errors import Error
from meterseal.mrv.evidence import write_evidence
from meterseal.mrv.exact import pretty
from meterseal.mrv.recompute import recompute
from meterseal.mrv.run import Outcome, run
from meterseal.report.document import build as build_document

from tests.fleet.attacks import DEFECTS, inject
from tests.fleet.reporting import anchors_of, request_of
from tests.fleet.world import Plan, build

FORGED, ONE_ROLE, ELSEWHERE = "forged_pack", "one_role_alone", "(stations without defect)"
NAMES = [one.__name__ for one in DEFECTS]


@dataclass
class Row:
    """What became of a defect over all seeds; energies in mWh."""

    injected: int = 0
    found: int = 0
    invented: list[Any] = field(default_factory=list)
    expected: Fraction = Fraction(0)
    withheld: Fraction = Fraction(0)
    inexact: list[Any] = field(default_factory=list)


def plan_of(seed: str) -> Plan:
    """Stations with one meter for each defect, with connectors before and clean ones behind."""
    count = len(DEFECTS) + 5
    return Plan(seed, stations=count, with_connectors=3, with_pv=count // 2, vehicles=1000)


def found_in(outcome: Outcome) -> dict[tuple[str, str], Fraction]:
    """Withheld mWh by code and subject."""
    sums: dict[tuple[str, str], Fraction] = {}
    for one in outcome.findings.sorted:
        key = one.code, one.subject
        sums[key] = sums.get(key, Fraction(0)) + one.withheld_milliwh
    return sums


def judge(folder: Path, seed: str, rows: dict[str, Row]) -> None:
    """Adds what a report says about one fleet to the rows."""
    fleet, expected = build(plan_of(seed), folder, inject)
    found = found_in(run(request_of(folder, fleet)))
    for name, one in expected.items():
        row = rows[name]
        row.injected += 1
        row.found += all(key in found for key in one.findings)
        for key, milliwh in one.findings.items():
            withheld = found.pop(key, None)
            row.expected += Fraction(milliwh)
            row.withheld += withheld or 0
            if withheld != milliwh:
                row.inexact.append((seed, key, withheld, milliwh))
        for key in one.follows:
            assert not found.pop(key, 0)
    for code, subject in found:
        owners = [name for name, one in expected.items() if subject in one.subjects]
        rows[owners[0] if owners else ELSEWHERE].invented.append((seed, code, subject))


def forged_is_refused(folder: Path, seed: str) -> str:
    """Code with which a pack rebuilt with fresh keys is refused under the real anchors."""
    real, _ = build(Plan(seed, stations=1), folder / "real")
    forged, _ = build(Plan(f"{seed}/forged", stations=1), folder / "forged")
    outcome = run(request_of(folder / "forged", forged))
    pack = folder / "forged.zip"
    write_evidence(pack, outcome, pretty(build_document(outcome)))
    assert recompute(pack, build_document, *anchors_of(forged)).anchored
    with pytest.raises(Error) as refusal:
        recompute(pack, build_document, *anchors_of(real))
    return refusal.value.code


def one_role_is_not_final(folder: Path, seed: str) -> bool:
    """Whether a report on the operator's word alone can become final."""
    real, _ = build(Plan(seed, stations=1), folder / "alone")
    request = request_of(folder / "alone", real, second_anchors=(), final=True)
    report = build_document(run(request))["report"]
    return report["status"] == "UNDER_REVIEW" and report["stamps"] == ["UNANCHORED"]


def table(folder: Path, seeds: list[str]) -> dict[str, Row]:
    """Judges every seed and prints the table."""
    rows = {name: Row() for name in (*NAMES, FORGED, ONE_ROLE, ELSEWHERE)}
    for seed in seeds:
        for name in ("fleet", "real", "forged", "alone"):
            (folder / seed / name).mkdir(parents=True)
        judge(folder / seed / "fleet", seed, rows)
        rows[FORGED].injected += 1
        rows[FORGED].found += forged_is_refused(folder / seed, seed) == "trust-anchor"
        rows[ONE_ROLE].injected += 1
        rows[ONE_ROLE].found += one_role_is_not_final(folder / seed, seed)
    show(rows)
    return rows


def show(rows: dict[str, Row]) -> None:
    """The table."""
    print(f"\n{'defect':26} injected found invented {'withheld kWh':>16}  exact")
    for name, row in rows.items():
        figures = f"{row.injected:8} {row.found:5} {len(row.invented):8}"
        exact = "no" if row.inexact else "yes"
        print(f"{name:26} {figures} {float(row.withheld) / 1e6:16.6f}  {exact}")


def check(rows: dict[str, Row], seeds: int) -> None:
    """Each defect found with each seed, nothing invented, everything exact."""
    for name, row in rows.items():
        assert row.inexact == [], name
        assert row.invented == [], name
        assert row.expected == row.withheld, name
        wanted = 0 if name == ELSEWHERE else seeds
        assert (row.injected, row.found) == (wanted, wanted), name


def test_each_defect_is_found_and_none_invented(tmp_path: Path) -> None:
    check(table(tmp_path, ["1", "2"]), 2)


@pytest.mark.long
def test_defects_over_20_seeds(tmp_path: Path) -> None:
    seeds = [f"long-{i}" for i in range(20)]
    check(table(tmp_path, seeds), 20)


def test_a_clean_fleet_has_no_findings_and_counts_what_was_charged(tmp_path: Path) -> None:
    fleet, _ = build(Plan("clean", stations=6, with_connectors=2, with_pv=3), tmp_path)
    outcome = run(request_of(tmp_path, fleet))
    assert found_in(outcome) == {}
    truth = 0
    for station in fleet.stations:
        for line in station.lines[1:] or station.lines:
            truth += line.milliwh(len(station.times) - 1) - line.milliwh(0)
    credited = sum((e for m in outcome.months for e in m.baseline.values()), Fraction(0))
    assert credited == truth > 0
