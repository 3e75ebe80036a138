"""Locked reports: what stays issued and handed out, whatever is found or changed afterwards."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from meterseal.cli.main import main
from meterseal.errors import MethodologyError
from meterseal.mrv.cuts import parse_period
from meterseal.mrv.exact import pretty
from meterseal.mrv.lock import lock
from meterseal.mrv.run import run
from meterseal.report.document import build as build_document

from tests.fleet.reporting import anchors_of, request_of
from tests.fleet.world import Fleet, Plan, build

PLAN = Plan("locked", stations=6, read_interval_s=3600, batch_readings=24, max_interval_s=7200)
Report = Callable[..., dict[str, Any]]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """Two months of some stations; no invoices to compare with."""
    made, _ = build(PLAN, tmp_path)
    (tmp_path / "invoices.csv").write_text("station,from,until,energy_kwh\n")
    return made


@pytest.fixture
def report(tmp_path: Path, fleet: Fleet) -> Report:
    """Makes a final report of a period and locks it if it may be."""

    def make(period: str, supersedes: str = "") -> dict[str, Any]:
        request = replace(
            request_of(tmp_path, fleet, final=True, supersedes=supersedes),
            period=parse_period(period, 420),
        )
        outcome = run(request)
        document = build_document(outcome)
        if document["report"]["status"] == "FINAL":
            locked = lock(outcome, document["report"]["id"], pretty(document), request.book_data)
            (tmp_path / "book.json").write_bytes(locked)
        return document

    return make


def entries(folder: Path) -> int:
    return len(json.loads((folder / "book.json").read_bytes())["entries"])


def revoke(folder: Path, fleet: Fleet, since: str) -> None:
    """Every key turns out to have been copied at some moment."""
    for station in fleet.stations:
        device = station.board.kid.hex()
        fleet.registry.add("revoke", device_id=device, since=since, reason="copied")
    (folder / "trust.json").write_bytes(fleet.registry.trust_file())


def accept(folder: Path, document: dict[str, Any]) -> None:
    """A person has looked into what is left to judge."""
    text = "".join(
        f'\n[[accepted]]\ncode = "{one["code"]}"\nsubject = "{one["subject"]}"\n'
        'by = "A. Auditor"\non = 2026-03-01\nreason = "stolen board, reported to the police"\n'
        for one in document["findings"]
        if one["severity"] == "review"
    )
    path = folder / "activity.toml"
    path.write_text(path.read_text() + text)


def test_an_older_report_is_superseded_without_losing_its_energy(
    tmp_path: Path, report: Report
) -> None:
    january = report("2026-01")
    report("2026-02")
    again = report("2026-01", january["report"]["id"])
    assert again["totals"]["baseline_kwh"] == january["totals"]["baseline_kwh"]
    assert (again["totals"]["issued_t"], again["totals"]["deficit_t"]) == (0, 0)
    assert (again["report"]["status"], entries(tmp_path)) == ("FINAL", 3)


def test_a_reversal_in_full_is_a_named_deficit_and_is_carried(
    tmp_path: Path, fleet: Fleet, report: Report
) -> None:
    first = report("2026-01")
    assert first["totals"]["issued_t"] > 1
    revoke(tmp_path, fleet, "2025-12-01T00:00:00Z")
    second = report("2026-01", first["report"]["id"])
    assert second["totals"]["deficit_t"] == first["totals"]["issued_t"]
    assert (second["report"]["status"], entries(tmp_path)) == ("UNDER_REVIEW", 1)
    accept(tmp_path, second)
    second = report("2026-01", first["report"]["id"])
    assert (second["report"]["status"], entries(tmp_path)) == ("FINAL", 2)
    assert any("stolen board" in one["accepted"] for one in second["findings"])
    third = report("2026-02")
    assert "deficit-carried" in {one["code"] for one in third["findings"]}
    assert third["totals"]["cumulative_t"] == first["totals"]["issued_t"]


def test_a_deficit_outside_of_a_superseding_report_needs_a_person(
    tmp_path: Path, fleet: Fleet, report: Report
) -> None:
    first = report("2026-01")
    revoke(tmp_path, fleet, "2026-01-20T00:00:00Z")
    second = report("2026-01", first["report"]["id"])
    assert 0 < second["totals"]["deficit_t"] < first["totals"]["issued_t"]
    assert {one["code"] for one in second["findings"]} >= {"deficit"}


def test_no_holder_loses_a_tonne_when_weights_change(tmp_path: Path, report: Report) -> None:
    first = report("2026-01-01..2026-02-10")
    path = tmp_path / "activity.toml"
    text = path.read_text()
    path.write_text(
        text.replace("weight = 400", "weight = 1").replace("weight = 68", "weight = 900")
    )
    with pytest.raises(MethodologyError) as refusal:
        report("2026-02-11..2026-02-28")
    assert refusal.value.code == "allocation-taken-back"
    path.write_text(text)
    second = report("2026-02-11..2026-02-28")
    for before, after in zip(
        first["allocation"]["holders"], second["allocation"]["holders"], strict=True
    ):
        assert after["cumulative_t"] - after["this_report_t"] == before["cumulative_t"]


def test_a_demonstration_is_never_locked(
    tmp_path: Path, fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    (operator,), (second,) = anchors_of(fleet)
    arguments = ["report", "--activity", str(tmp_path / "activity.toml"), "--period", "2026-01"]
    arguments += ["--archive", str(tmp_path / "archive"), "--trust", str(tmp_path / "trust.json")]
    arguments += ["--anchor", operator, "--second-anchor", second, "--out", str(tmp_path / "out")]
    book = tmp_path / "demo-book.json"
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--demo", "--final", "--book", str(book)])
    assert left.value.code == 1 and "demo-final" in capsys.readouterr().err
    assert not book.exists()
