"""The whole agent as .mpy in a heap of chosen size: samples, seals, drains a backlog by TLS."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from meterseal.demo.processes import Child, meterseal
from meterseal.demo.stage import PROFILE, Stage, free_port, open_stage
from meterseal.errors import EnvironmentProblem
from meterseal.provision.image import agent_sources, compile_modules, read_sources
from meterseal.provision.names import names_of
from meterseal.resources import firmware_dir, micropython_binary
from meterseal.sim import station

SCRIPT = Path(__file__).resolve().parent.parent / "e2e" / "device_heap.py"
SILENT_S = 1200.0  # 30,000 polls and 500 signatures on a loaded machine


def compile_agent(out: Path) -> None:
    """main.py and every module of the agent as a board gets them, the signing table beside them;
    the script that measures calls their private names what they are called there.
    """
    root = firmware_dir()
    compile_modules(root, [root / "main.py", *agent_sources(root)], out)
    short = names_of(read_sources(root))
    text = re.sub(
        r"\b_\w+", lambda found: short.get(found[0], found[0]), SCRIPT.read_text("utf-8")
    )
    script = out / SCRIPT.name
    script.write_text(text, encoding="utf-8")
    compile_modules(out, [script], out)
    script.unlink()
    shutil.copy(root / "agent" / "p256_table.bin", out / "agent")


def run(out: Path, heap: str, batches: int, **settings: Any) -> dict[str, Any]:
    """What the device printed, and `held`: the number up to which the collector has the chain."""
    compile_agent(out / "mpy")
    with open_stage(out / "stage") as stage:
        device = _start_meter(stage)
        defaults = {"read_interval_s": 60, "seal_interval_s": 3600, "log_level": "warn"}
        stage.lay_out_station(device, **(defaults | settings))
        stage.write_trust()
        port = free_port()
        _connect_directly(stage, port)
        found = _device(out / "mpy", stage, heap, batches, port)
        return found | {"held": stage.head_number()}


def _start_meter(stage: Stage) -> str:
    """The stage's meter, but one that answers at once: many polls in little time."""
    link = stage.out / "meter0"
    command = meterseal("meter", "--profile", PROFILE, "--link", str(link), "--json")
    command += ["--turnaround-ms", "0"]
    stage.meter = Child("meter", command, stage.out / "meter.log")
    return str(stage.meter.ready()["link"])


def _connect_directly(stage: Stage, port: int) -> None:
    path = stage.station_dir / "config.json"
    config = json.loads(path.read_text())
    config["uplink"]["url"] = f"https://localhost:{port}"
    station.create(stage.station_dir, config)


def _device(agent: Path, stage: Stage, heap: str, batches: int, port: int) -> dict[str, Any]:
    """As on a board: the configuration is checked when it is written, then the board starts."""
    place = str(stage.station_dir)
    check = f"import sys, main; sys.exit(main.main([{place!r}, '--check']))"
    run = [str(micropython_binary()), "-X", f"heapsize={heap}", "-c"]
    subprocess.run([*run, check], cwd=agent, check=True, stdout=subprocess.DEVNULL)
    measure = f"import device_heap; device_heap.measure({place!r}, {batches})"
    command = ["sh", "-c", 'cd "$0" && exec "$@"', str(agent), *run, measure]
    device = Child("device", command, stage.out / "device.log")
    try:
        return _listen(device, stage, port)
    finally:
        device.stop()


def _listen(device: Child, stage: Stage, port: int) -> dict[str, Any]:
    """What the device says at its end; the collector starts when the backlog is piled up."""
    said: list[str] = []
    while True:
        try:
            line = device.line(SILENT_S)
        except EnvironmentProblem as problem:
            log = (stage.out / "device.log").read_text()
            raise AssertionError("\n".join([*said, log])) from problem
        said.append(line)
        if line == "piled":
            stage.start_collector(port)
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
