"""Defects of the example fleet: each is found, nothing else is, withheld energy is exact."""

from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from meterseal.errors import Error
from meterseal.mrv.evidence import write_evidence
from meterseal.mrv.exact import pretty
from meterseal.mrv.recompute import recompute
from meterseal.mrv.run import Outcome, run
from meterseal.report.document import build as build_document

from tests.fleet.defects import DEFECTS, inject
from tests.fleet.reporting import anchors_of, request_of
from tests.fleet.world import Plan, build

FORGED = "forged_pack"


def found_in(outcome: Outcome) -> dict[tuple[str, str], Fraction]:
    """Withheld mWh by code and subject."""
    sums: dict[tuple[str, str], Fraction] = {}
    for one in outcome.findings.sorted:
        key = one.code, one.subject
        sums[key] = sums.get(key, Fraction(0)) + one.withheld_milliwh
    return sums


def judge(folder: Path, seed: str) -> tuple[Counter[str], Fraction]:
    """(defects found, mWh withheld). Fails if anything is missed, invented or inexact."""
    fleet, expected = build(Plan(seed, stations=len(DEFECTS) + 2), folder, inject)
    found = found_in(run(request_of(folder, fleet)))
    seen: Counter[str] = Counter()
    withheld = Fraction(0)
    for name, one in expected.items():
        for key, milliwh in one.findings.items():
            assert found.pop(key, None) == Fraction(milliwh), (seed, name, key)
            withheld += Fraction(milliwh)
        for key in one.follows:
            assert not found.pop(key, 0)
        seen[name] += 1
    assert found == {}, (seed, "invented")
    return seen, withheld


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


def table(folder: Path, seeds: list[str]) -> dict[str, int]:
    """Judges every seed and prints the table."""
    seen: Counter[str] = Counter()
    withheld = Fraction(0)
    for seed in seeds:
        for name in ("fleet", "real", "forged"):
            (folder / seed / name).mkdir(parents=True)
        one, milliwh = judge(folder / seed / "fleet", seed)
        seen += one
        withheld += milliwh
        seen[FORGED] += forged_is_refused(folder / seed, seed) == "trust-anchor"
    print(f"\n{'defect':22}  injected  found  invented  withheld")
    for name, count in seen.items():
        print(f"{name:22}  {len(seeds):8}  {count:5}  {0:8}  exact")
    print(f"withheld in all: {float(withheld) / 1e6:.6f} kWh")
    return dict(seen)


def expected_table(seeds: int) -> dict[str, int]:
    """Each defect found with each seed."""
    return {one.__name__: seeds for one in DEFECTS} | {FORGED: seeds}


def test_each_defect_is_found_and_none_invented(tmp_path: Path) -> None:
    assert table(tmp_path, ["1", "2"]) == expected_table(2)


@pytest.mark.long
def test_defects_over_20_seeds(tmp_path: Path) -> None:
    seeds = [f"long-{i}" for i in range(20)]
    assert table(tmp_path, seeds) == expected_table(20)


def test_a_clean_fleet_has_no_findings_and_counts_what_was_charged(tmp_path: Path) -> None:
    fleet, _ = build(Plan("clean", stations=3), tmp_path)
    outcome = run(request_of(tmp_path, fleet))
    assert found_in(outcome) == {}
    truth = 0
    for station in fleet.stations:
        (line,) = station.lines
        truth += line.milliwh(len(station.times) - 1) - line.milliwh(0)
    credited = sum((e for m in outcome.months for e in m.baseline.values()), Fraction(0))
    assert credited == truth > 0
