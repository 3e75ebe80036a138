"""The runner of the site acceptance, against the firmware on this PC: no board, never accepted."""

import json
import subprocess
import sys
from pathlib import Path

from support.console_station import running

ROOT = Path(__file__).resolve().parents[2]


def accept(port: str, out: Path, *options: str, answers: str = "") -> int:
    """Exit code of the runner."""
    command = [sys.executable, "-m", "tests.hil.accept", port, "--out", str(out), *options]
    done = subprocess.run(
        command, input=answers, cwd=ROOT, text=True, capture_output=True, check=False, timeout=300
    )
    return done.returncode


def test_the_automatic_steps(tmp_path: Path) -> None:
    out = tmp_path / "acceptance.json"
    with running(tmp_path / "station") as station:
        assert accept(station.port, out, "--unattended") == 1
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["device_id"] == station.identity["device_id"]
    results = {one["step"]: one["result"] for one in report["steps"]}
    passed = ("console", "meters", "clock", "flash", "challenge", "undisturbed")
    assert [results[name] for name in passed] == ["passed"] * len(passed)
    assert results["real-key"] == "failed"  # a simulated board is never accepted
    assert results["collector"] == "failed"  # and this one has none
    assert results["power"] == results["display"] == "skipped"
    assert report["accepted"] is False


def test_without_a_board(tmp_path: Path) -> None:
    assert accept(str(tmp_path / "none"), tmp_path / "acceptance.json") == 3


def test_the_checklist_names_every_step() -> None:
    from tests.hil import steps

    text = (ROOT / "tests" / "hil" / "README.md").read_text(encoding="utf-8")
    listed = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    automatic = [one.__name__.replace("_", "-") for one in (*steps.AUTOMATIC, *steps.ATTENDED)]
    assert sorted(listed[1:]) == sorted([*automatic, *steps.BY_HAND])
