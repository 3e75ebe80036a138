"""One person alone cannot make energy count: each entry that could needs the given second role."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from meterseal.mrv.run import Outcome, run
from meterseal.report.document import build as document_of

from tests.fleet.defects import key_of
from tests.fleet.registry import fingerprint
from tests.fleet.registry import key_of as role_key
from tests.fleet.reporting import anchors_of, request_of
from tests.fleet.seal import Board
from tests.fleet.world import Fleet, Plan, build, time_text

PLAN = Plan(
    "gate",
    stations=1,
    read_interval_s=3600,
    batch_readings=24,
    vehicles=200,
    max_interval_s=7200,
)
AT = 700
Change = Callable[[Fleet], None]


def report(folder: Path, change: Change | None = None, **options: Any) -> Outcome:
    """A final report under both real anchors, unless others are given."""
    fleet, _ = build(PLAN, folder, change)
    return run(request_of(folder, fleet, **{"final": True, **options}))


def figures(outcome: Outcome) -> tuple[str, str]:
    totals = document_of(outcome)["totals"]
    return totals["baseline_kwh"], totals["reductions_t"]


def status(outcome: Outcome) -> tuple[str, list[str]]:
    header = document_of(outcome)["report"]
    return header["status"], header["stamps"]


def refused(outcome: Outcome) -> list[str]:
    """Types of the entries that the report says it did not count."""
    own = [one for one in outcome.findings.sorted if one.code == "not-countersigned"]
    return sorted(one.text.split()[0] for one in own if one.subject.startswith("entry "))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return report(tmp_path_factory.mktemp("clean"))


def test_a_clean_report_is_final(clean: Outcome) -> None:
    assert status(clean) == ("FINAL", [])
    assert refused(clean) == []


def laptop(fleet: Fleet, countersigned_by: str, replacement: bool) -> None:
    """A key on a laptop goes on with invented readings, one person's own key countersigns."""
    (station,) = fleet.stations
    (line,) = station.lines
    invented = replace(line, energy=line.energy.copy())
    invented.energy[AT:] += np.arange(len(line.energy) - AT) * 5000
    board = Board("laptop", int(station.times[AT]) - 5000, "software")
    board.read_interval_ms = station.board.read_interval_ms
    station.batches += fleet.seal(station, indices=np.arange(AT))
    later = np.arange(AT, len(station.times))
    station.batches += fleet.seal(station, board=board, indices=later, lines=[invented])

    def entries() -> None:
        real = fleet.registry.second
        fleet.registry.second = role_key(countersigned_by)
        fleet.registry.enrol(board, station.id)
        fleet.registry.second = real
        at_time = time_text(station.times[AT] - 60_000)
        fleet.registry.replace_device(station.board, board, at_time, replacement)

    fleet.extra_entries.append(entries)


@pytest.mark.parametrize(
    ("countersigner", "replacement", "types"),
    [
        ("somebody", False, ["enrol", "replace-device"]),
        ("somebody", True, ["enrol"]),
        ("second gate", False, ["replace-device"]),
    ],
)
def test_a_key_that_one_person_slips_in_earns_nothing(
    countersigner: str, replacement: bool, types: list[str], tmp_path: Path
) -> None:
    outcome = report(tmp_path, lambda fleet: laptop(fleet, countersigner, replacement))
    truth, _ = build(PLAN, tmp_path / "truth")
    (line,) = truth.stations[0].lines
    credited = sum(one.baseline for one in outcome.ledgers)
    assert credited == line.milliwh(AT - 1) - line.milliwh(0)
    assert status(outcome)[0] == "UNDER_REVIEW"
    assert refused(outcome) == types


@pytest.mark.parametrize("seconds", ["none", "operator too"])
def test_final_needs_two_anchors_of_two_people(seconds: str, tmp_path: Path) -> None:
    fleet, _ = build(PLAN, tmp_path)
    operator, second = anchors_of(fleet)
    given = {"none": (), "operator too": (*operator, *second)}[seconds]
    outcome = run(request_of(tmp_path, fleet, second_anchors=given, final=True))
    assert status(outcome) == ("UNDER_REVIEW", ["UNANCHORED"])
    assert "unanchored" in {one.code for one in outcome.findings.sorted}


def test_the_operators_key_never_countersigns(tmp_path: Path) -> None:
    def same(fleet: Fleet) -> None:
        fleet.registry.second = fleet.registry.operator

    fleet, _ = build(replace(PLAN, seed="alone"), tmp_path, same)
    anchor = (fingerprint(fleet.registry.operator),)
    with pytest.raises(Exception, match="activity") as refusal:
        run(request_of(tmp_path, fleet, anchors=anchor, second_anchors=(), final=True))
    assert getattr(refusal.value, "code", "") == "activity-stations"


def sources(signed: bool, **more: Any) -> Change:
    """At the end of the registry: the station ran on solar power alone."""

    def change(fleet: Fleet) -> None:
        (station,) = fleet.stations
        fields = {
            "station": station.id,
            "name": station.name,
            "activity": fleet.plan.activity,
            "sources": [{"source": "pv", "share_ppm": 1_000_000}],
            **more,
        }
        fleet.extra_entries.append(
            lambda: fleet.registry.add("station", countersign=signed, **fields)
        )

    return change


def test_an_unsigned_station_entry_changes_nothing(tmp_path: Path, clean: Outcome) -> None:
    outcome = report(tmp_path, sources(signed=False))
    assert figures(outcome) == figures(clean)
    assert refused(outcome) == ["station"]


def test_sources_hold_from_their_date_on(tmp_path: Path) -> None:
    fleet, _ = build(PLAN, tmp_path / "truth")
    (line,) = fleet.stations[0].lines
    since = time_text(fleet.times[AT])
    outcome = report(tmp_path / "changed", sources(True, **{"from": since}))
    energy: dict[str, int] = {}
    for month in outcome.months:
        for name, value in month.project.items():
            energy[name] = energy.get(name, 0) + int(value)
    last = len(fleet.times) - 1
    assert energy["pv"] == line.milliwh(last) - line.milliwh(AT)
    assert energy["grid"] == line.milliwh(AT) - fleet_opening(line)


def fleet_opening(line: Any) -> int:
    """The register in whole Wh that the installation was recorded with, in mWh."""
    return int(line.milliwh(0) // 1000 * 1000)


def calibrated(signed: bool) -> Change:
    """The first certificate ends within the period; a later one is entered behind it."""

    def change(fleet: Fleet) -> None:
        (line,) = fleet.stations[0].lines
        fleet.calibration_until[line.serial] = time_text(fleet.times[AT])
        fleet.extra_entries.append(
            lambda: fleet.registry.add(
                "calibration",
                countersign=signed,
                meter=line.name(),
                calibrated_at="2025-12-01T00:00:00Z",
                valid_until="2031-06-01T00:00:00Z",
                certificate_sha256="ab" * 32,
                mpe_ppm=10_000,
            )
        )

    return change


def test_an_unsigned_calibration_does_not_end_the_overdue_span(tmp_path: Path) -> None:
    outcome = report(tmp_path / "unsigned", calibrated(signed=False))
    codes = {one.code for one in outcome.findings.sorted}
    assert "calibration-provisional" in codes and refused(outcome) == ["calibration"]
    signed = report(tmp_path / "signed", calibrated(signed=True))
    assert status(signed)[0] == "FINAL"


def test_an_unsigned_removal_ends_nothing(tmp_path: Path, clean: Outcome) -> None:
    def change(fleet: Fleet) -> None:
        (line,) = fleet.stations[0].lines
        fleet.extra_entries.append(
            lambda: fleet.registry.add(
                "meter-remove",
                meter=line.name(),
                register_wh=line.milliwh(AT) // 1000,
                until=time_text(fleet.times[AT]),
                reason="invented",
            )
        )

    outcome = report(tmp_path, change)
    assert figures(outcome) == figures(clean)
    assert refused(outcome) == ["meter-remove"]


def copied_chain(signed: bool) -> Change:
    """A second chain of the same key, begun as if it were the first; a `restart` entry for it."""

    def change(fleet: Fleet) -> None:
        (station,) = fleet.stations
        station.batches += fleet.seal(station, indices=np.arange(AT))
        station.board.reboot(int(station.times[AT]) - 5_000)
        station.board.restart()
        station.board.genesis = 0
        later = np.arange(AT, len(station.times))
        station.batches += fleet.seal(station, indices=later)
        entry = {"device_id": station.board.kid.hex(), "chain": station.board.chain.hex()}
        fleet.extra_entries.append(
            lambda: fleet.registry.add("restart", countersign=signed, reason="repaired", **entry)
        )

    return change


def test_a_restart_that_the_operator_alone_records_lets_nothing_count(tmp_path: Path) -> None:
    outcome = report(tmp_path / "unsigned", copied_chain(signed=False))
    (ledger,) = outcome.ledgers
    fleet, _ = build(PLAN, tmp_path / "truth")
    (line,) = fleet.stations[0].lines
    assert ledger.baseline == line.milliwh(AT - 1) - line.milliwh(0)
    assert refused(outcome) == ["restart"]
    signed = report(tmp_path / "signed", copied_chain(signed=True))
    assert sum(one.baseline for one in signed.ledgers) > ledger.baseline
    assert status(signed)[0] == "FINAL"


def test_rolled_over_energy_counts_once_countersigned(tmp_path: Path) -> None:
    outcome = report(tmp_path / "signed", rollover(signed=True))
    (ledger,) = outcome.ledgers
    fleet, _ = build(PLAN, tmp_path / "truth")
    (line,) = fleet.stations[0].lines
    last, between = len(fleet.times) - 1, line.milliwh(AT) - line.milliwh(AT - 1)
    assert ledger.baseline == line.milliwh(last) - line.milliwh(0) - between
    unsigned = report(tmp_path / "unsigned", rollover(signed=False))
    (ledger,) = unsigned.ledgers
    assert ledger.baseline == line.milliwh(AT - 1) - line.milliwh(0)
    assert refused(unsigned) == ["rollover"]
    assert key_of(line) == ledger.installation.key


def rollover(signed: bool) -> Change:
    """The board goes on with a new key; nothing but the old key's statement names it."""

    def change(fleet: Fleet) -> None:
        (station,) = fleet.stations
        old = station.board
        new = Board("rolled", int(station.times[AT]) - 5000, "software")
        new.read_interval_ms = old.read_interval_ms
        station.batches += fleet.seal(station, indices=np.arange(AT))
        later = np.arange(AT, len(station.times))
        station.batches += fleet.seal(station, board=new, indices=later)
        statement = old.name_successor(new)

        def entries() -> None:
            fleet.registry.enrol(new, station.id)
            fleet.registry.add(
                "rollover",
                countersign=signed,
                old_device_id=old.kid.hex(),
                new_device_id=new.kid.hex(),
                statement=statement.hex(),
            )

        fleet.extra_entries.append(entries)

    return change
