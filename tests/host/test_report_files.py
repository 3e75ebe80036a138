"""The files of a report: same bytes each time, spreadsheet recalculated, proofs, command line."""

import csv
import json
import shutil
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from meterseal.cli.main import main
from meterseal.mrv.devices import on_cores
from meterseal.mrv.exact import pretty
from meterseal.mrv.run import run
from meterseal.report.document import build as build_document
from meterseal.report.files import write_report

from tests.fleet.activity_file import two_grid_factors
from tests.fleet.reporting import anchors_of, request_of
from tests.fleet.world import Fleet, Plan, build

PLAN = Plan("files", stations=3, with_connectors=1, with_pv=1)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Fleet]:
    """A small fleet with connectors and solar power."""
    folder = tmp_path_factory.mktemp("files")
    return folder, build(PLAN, folder)[0]


@pytest.fixture(scope="module")
def document(fleet: tuple[Path, Fleet]) -> dict[str, Any]:
    """Its report."""
    return build_document(run(request_of(*fleet)))


def test_files_are_the_same_bytes_each_time(
    fleet: tuple[Path, Fleet], document: dict[str, Any], tmp_path: Path
) -> None:
    again = build_document(run(request_of(*fleet), on_cores(2)))
    assert pretty(again) == pretty(document)
    first = write_report(tmp_path / "a", document, ("csv", "html", "pdf"))
    second = write_report(tmp_path / "b", again, ("csv", "html", "pdf"))
    assert len(first) == len(second) > 8
    for one, other in zip(first, second, strict=True):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes(), one.name


def test_order_of_the_archive_does_not_matter(
    fleet: tuple[Path, Fleet], document: dict[str, Any], tmp_path: Path
) -> None:
    folder, _ = fleet
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    files = sorted((tmp_path / "archive").iterdir(), reverse=True)
    whole = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
    again = b"".join(whole[: len(whole) // 2])
    (tmp_path / "archive" / "all.cborseq").write_bytes(b"".join(whole) + again)
    assert pretty(build_document(run(request_of(tmp_path, fleet[1])))) == pretty(document)


@pytest.fixture(scope="module")
def two_years(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A report over the turn of a year, with another grid factor in the second."""
    folder = tmp_path_factory.mktemp("years")
    plan = Plan("years", stations=3, first=date(2026, 12, 1), last=date(2027, 1, 31))
    made, _ = build(plan, folder)
    two_grid_factors(folder / "activity.toml")
    return build_document(run(request_of(folder, made)))


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
@pytest.mark.parametrize("name", ["document", "two_years"])
def test_libreoffice_recalculates_the_same_tonnes(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    document = request.getfixturevalue(name)
    write_report(tmp_path, document, ("xlsx",))
    every = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
    command = ["soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless"]
    command += ["--convert-to", every, "--outdir", str(tmp_path), str(tmp_path / "report.xlsx")]
    subprocess.run(command, check=True, capture_output=True)
    with (tmp_path / "report-Tonnes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sum(one["issued_t"] for one in document["vintages"]) > 0
    for row, vintage in zip(rows, document["vintages"], strict=True):
        assert int(row["whole t now"]) == vintage["issued_t"]
        for head, key in (("BE t", "baseline_t"), ("PE t", "project_t"), ("ER t", "reductions_t")):
            assert abs(float(row[head]) - float(vintage[key])) < 1e-5, head


def test_a_silent_meter_has_a_report_too(document: dict[str, Any], tmp_path: Path) -> None:
    silent = {**document["meters"][0], "opening_milliwh": -1, "closing_milliwh": -1}
    files = write_report(tmp_path, {**document, "meters": [silent]}, ("pdf", "html", "csv"))
    assert all(one.stat().st_size for one in files)


def arguments(folder: Path, fleet: Fleet, *more: str) -> list[str]:
    """Arguments that vouch for the keys of the fleet."""
    (operator,), (second,) = anchors_of(fleet)
    trust = ["--trust", str(folder / "trust.json")]
    return [*more, *trust, "--anchor", operator, "--second-anchor", second]


def call(*arguments: str) -> int:
    """Exit code of a command."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return int(left.value.code or 0)


def report_call(folder: Path, fleet: Fleet, out: Path, *more: str) -> int:
    """`meterseal report` over a fleet."""
    inputs = ["--activity", str(folder / "activity.toml"), "--archive", str(folder / "archive")]
    inputs += ["--period", f"{PLAN.first}..{PLAN.last}", "--out", str(out), "--formats", "csv"]
    return call("report", *arguments(folder, fleet), *inputs, *more)


def test_report_pack_recompute_on_the_command_line(
    fleet: tuple[Path, Fleet],
    document: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pack = tmp_path / "out.zip"
    assert report_call(*fleet, tmp_path, "--pack", str(pack)) == 0
    assert (tmp_path / "report.json").read_bytes() == pretty(document)
    (operator,), (second,) = anchors_of(fleet[1])
    capsys.readouterr()
    anchors = "--anchor", operator, "--second-anchor", second
    assert call("recompute", str(pack), *anchors, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "RECOMPUTED"
    assert found["merkle_root"] == document["evidence"]["merkle_root"]
    assert call("recompute", str(pack), "--json") == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "UNANCHORED"


def test_pack_of_hashes_needs_the_batches(fleet: tuple[Path, Fleet], tmp_path: Path) -> None:
    pack = tmp_path / "hashes.zip"
    fetch = "https://example.org/batches"
    assert report_call(*fleet, tmp_path, "--pack", str(pack), "--fetch", fetch) == 0
    (operator,), (second,) = anchors_of(fleet[1])
    anchors = "--anchor", operator, "--second-anchor", second
    assert call("recompute", str(pack), *anchors) == 1
    archive = str(fleet[0] / "archive")
    assert call("recompute", str(pack), *anchors, "--archive", archive) == 0


def test_a_final_report_is_locked_and_only_superseded(
    fleet: tuple[Path, Fleet], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = str(tmp_path / "book.json")
    locked = "--final", "--book", book
    assert report_call(*fleet, tmp_path / "1", *locked) == 0
    first = json.loads((tmp_path / "1" / "report.json").read_bytes())["report"]
    assert first["status"] == "FINAL"
    capsys.readouterr()
    assert report_call(*fleet, tmp_path / "2", *locked) == 1
    assert "period-overlap" in capsys.readouterr().err
    assert report_call(*fleet, tmp_path / "2", *locked, "--supersedes", first["id"]) == 0
    second = json.loads((tmp_path / "2" / "report.json").read_bytes())
    assert second["report"]["version"] == 2
    assert second["totals"]["issued_t"] == 0  # the first version issued all of it
    assert second["totals"]["cumulative_t"] > 0


def test_final_without_a_book_is_refused(
    fleet: tuple[Path, Fleet], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_call(*fleet, tmp_path, "--final") == 1
    assert "book-missing" in capsys.readouterr().err


def test_simulated_keys_count_in_a_demonstration_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Plan("sim", stations=1, key_class="sim")
    simulated, _ = build(plan, tmp_path)
    assert report_call(tmp_path, simulated, tmp_path / "out") == 1
    assert "key-simulated" in capsys.readouterr().err
    pack = tmp_path / "demo.zip"
    assert report_call(tmp_path, simulated, tmp_path / "out", "--demo", "--pack", str(pack)) == 0
    stamps = json.loads((tmp_path / "out" / "report.json").read_bytes())["report"]["stamps"]
    assert "DEMONSTRATION: SIMULATED KEYS" in stamps
    assert call("recompute", str(pack)) == 1
    assert "key-simulated" in capsys.readouterr().err


def test_one_reading_is_proven_under_the_root(
    fleet: tuple[Path, Fleet],
    document: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, _ = fleet
    (tmp_path / "report.json").write_bytes(pretty(document))
    proof, root = tmp_path / "proof.json", document["evidence"]["merkle_root"]
    known = arguments(*fleet)[:4]
    for one in document["evidence"]["devices"]:
        made = ["--report", str(tmp_path / "report.json"), "--archive", str(folder / "archive")]
        made += ["--device", one["device"], "--sequence", "777", "--out", str(proof)]
        assert call("prove", *known, *made) == 0
        assert call("prove", *known, "--check", str(proof), "--root", root) == 0
    assert call("prove", *known, "--check", str(proof), "--root", "00" * 32) == 1
    whole = json.loads(proof.read_bytes())
    for key in ("batch", "batch_index", "batches", "device", "sequence"):
        value = whole[key]
        other = value + 999 if isinstance(value, int) else "00" + value[2:]
        proof.write_bytes(pretty({**whole, key: other}))
        assert call("prove", *known, "--check", str(proof), "--root", root) == 1, key
    assert "proof-root" in capsys.readouterr().err
