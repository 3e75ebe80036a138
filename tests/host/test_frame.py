"""The project's frame: what `make` installs, and that the demonstration keeps its promises."""

import re
import signal
import subprocess
import tomllib
from fractions import Fraction
from pathlib import Path

import check_layers
import psutil
import pytest
from meterseal.demo import scenes, verdict
from meterseal.demo.processes import meterseal
from meterseal.demo.stage import wait_until
from meterseal.errors import EnvironmentProblem
from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent.parent


def locked(name: str) -> dict[str, str]:
    """Package -> pinned version of a lock file; names as the index compares them."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pins = [line.split(";")[0].split("==") for line in lines if "==" in line]
    return {normal(package): version.strip() for package, version in pins}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.split("[")[0].strip()).lower()


def test_every_dependency_is_locked_where_it_belongs() -> None:
    tree = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    run_time, dev = locked("requirements.lock"), locked("requirements-dev.lock")
    for pins, wanted in (
        (run_time, tree["project"]["dependencies"]),
        (dev, tree["dependency-groups"]["dev"]),
    ):
        for line in wanted:
            name, version = line.split(";")[0].split("==")
            assert pins.get(normal(name)) == version.strip(), line
    assert not set(run_time) & set(dev)


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_demonstration_installs_only_what_the_tool_needs(tmp_path: Path) -> None:
    done = make("-n", "demo", f"VENV={tmp_path}/venv")
    assert "-r requirements.lock" in done.stdout
    assert "requirements-dev.lock" not in done.stdout
    assert "requirements-dev.lock" in make("-n", "test", f"VENV={tmp_path}/venv").stdout


def test_an_old_python_is_refused_in_one_sentence(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for python in (old, tmp_path / "none"):
        done = make("demo", f"VENV={tmp_path}/venv", f"PYTHON={python}")
        assert done.returncode != 0
        said = [line for line in done.stdout.splitlines() if "make" not in line]
        assert said == [
            "Python 3.11 or newer on Linux or macOS is needed; name it with PYTHON=..."
        ]


def test_who_ends_the_demonstration_leaves_nothing_running(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as out:
        demo = subprocess.Popen(
            meterseal("demo", "--out", str(tmp_path / "demo")), stdout=out, stderr=out
        )
    children: list[psutil.Process] = []

    def started() -> bool:
        children[:] = psutil.Process(demo.pid).children(recursive=True)
        return len(children) >= 3  # meter, board and its virtual machine

    try:
        wait_until("children of the demonstration", started, 60, log)
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(60) == 128 + signal.SIGTERM
        assert not psutil.wait_procs(children, timeout=10)[1]
    finally:
        for process in [*children, demo]:
            if process.poll() is None if process is demo else process.is_running():
                process.kill()


def quiet() -> scenes.Narrator:
    return scenes.Narrator(Console(quiet=True))


def test_without_proven_energy_the_demonstration_fails() -> None:
    verdict.worth(quiet(), 1)
    with pytest.raises(EnvironmentProblem) as caught:
        verdict.worth(quiet(), 0)
    assert caught.value.code == "demo-energy"


def test_beyond_its_bound_the_demonstration_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    narrator = quiet()
    verdict.in_time(narrator)
    late_s = scenes.BOUND_S + Fraction(1, 10)
    monkeypatch.setattr(narrator, "elapsed_s", lambda: float(late_s))
    assert narrator.left_s() == 0
    with pytest.raises(EnvironmentProblem) as caught:
        verdict.in_time(narrator)
    assert caught.value.code == "demo-late"


@pytest.mark.parametrize(
    ("own", "other"),
    [
        ("agent.meter_task", "agent.app.App"),
        ("agent.sealer", "agent.seal_task.SealTask"),
        ("agent.app", "agent.ports.unix"),
        ("agent.p256", "agent.signer.Signer"),
        ("meterseal.verify.chain", "meterseal.collector.store"),
        ("meterseal.mrv.run", "meterseal.collector.store"),
        ("meterseal.export.ocmf_files", "meterseal.mrv.run"),
        ("meterseal.provision.run", "meterseal.export.readings"),
        ("meterseal.collector.store", "meterseal.mrv.run"),
        ("meterseal.mrv.run", "meterseal.cli.main"),
    ],
)
def test_an_import_that_points_upwards_or_sideways_is_found(own: str, other: str) -> None:
    device = own.startswith("agent")
    layers = check_layers.DEVICE_LAYERS if device else check_layers.HOST_LAYERS
    assert check_layers.is_wrong(own, other, layers)
    assert not check_layers.is_wrong(
        own, "agent.errors.X" if device else "meterseal.errors", layers
    )
