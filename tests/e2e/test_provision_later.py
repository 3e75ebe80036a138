"""After the first day: a board whose key is rolled over, and one that is replaced."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from meterseal.collector.registry_database import open_registry
from meterseal.onsite import inspect
from meterseal.onsite.cable import open_cable
from support.provisioning import bench


def command(*words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "meterseal", *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=200, check=False)


@pytest.mark.long
def test_a_key_is_rolled_over_and_a_board_replaced(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    registry = str(tmp_path / "registry.sqlite")
    with bench(tmp_path / "a") as first, bench(tmp_path / "b") as second:
        first.registry = second.registry = Path(registry)
        done = first.run()
        assert done.returncode == 0, done.stderr
        old = json.loads(done.stdout)["device_id"]
        out, port = tmp_path / "rollover", str(first.port)
        for _ in range(2):  # as after an interruption: the same key and statement
            rolled = command("rollover", port, old, "--station", "bench-1", "--key-class", "sim",
                             "--out", str(out), "--json")  # fmt: skip
            assert rolled.returncode == 0, rolled.stderr
            new = json.loads(rolled.stdout)["device_id"]
            assert inspect.state(open_cable(port))["device_id"] == new != old
        files = str(out / "enrolment.json"), str(out / "statement.cose")
        entered = command("devices", "rollover", old, *files, "--registry", registry)
        assert entered.returncode == 0, entered.stderr
        devices = open_registry(registry).state().devices
        assert devices[old].successor == new and devices[new].status == "in-service"

        done = second.run("--replace", new)
        assert done.returncode == 0, done.stderr
        third = json.loads(done.stdout)["device_id"]
        devices = open_registry(registry).state().devices
        assert devices[new].successor == third and devices[new].status == "retired"
        print(f"{old} rolled over to {new}, replaced by {third}")


def test_nobody_is_asked_without_a_station(tmp_path: Path) -> None:
    refused = command("rollover", str(tmp_path), "00" * 8)
    assert refused.returncode == 2 and "--station" in refused.stderr
