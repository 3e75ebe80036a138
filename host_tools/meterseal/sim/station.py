"""The firmware on this PC: a directory that stands for a board, and the real MicroPython VM on it.

The directory holds what a board holds: `config.json`, `secrets.json`, `profiles/`, the
authority's certificate, the flash image and the state store with the key. It survives restarts.
Keys made here have the class `sim`: nothing that counts accepts them.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from meterseal.errors import EnvironmentProblem
from meterseal.resources import firmware_dir, micropython_binary, profiles_dir

DEFAULTS: dict[str, Any] = {"schema": 1, "read_interval_s": 60, "seal_interval_s": 3600}


def create(directory: Path, config: dict[str, Any], ca_der: bytes | None = None) -> None:
    """Lay out a station directory: configuration, the profiles it names, the CA certificate.

    `config` has the keys of the README's configuration table; what is left out has its default.
    Files that exist are replaced, flash image and state are left alone.
    """
    (directory / "profiles").mkdir(parents=True, exist_ok=True)
    config = DEFAULTS | config
    text = json.dumps(config, indent=1) + "\n"
    (directory / "config.json").write_text(text, encoding="utf-8")
    for meter in config["meters"]:
        name = f"{meter['profile']}.json"
        shutil.copyfile(profiles_dir() / name, directory / "profiles" / name)
    if ca_der is not None:
        (directory / "ca.der").write_bytes(ca_der)


def command(directory: Path, *options: str) -> list[str]:
    """Command line that runs the firmware on a station directory."""
    main = firmware_dir() / "main.py"
    return [str(micropython_binary()), "-X", "heapsize=4m", str(main), str(directory), *options]


def enrol(directory: Path) -> dict[str, Any]:
    """Make the station's key if there is none and return `device_id`, `public_key`, `key_class`.

    Raises EnvironmentProblem `station-enrol` if the firmware does not answer with one JSON object.
    """
    done = subprocess.run(
        command(directory, "--enrol"), capture_output=True, text=True, timeout=120, check=False
    )
    lines = done.stdout.strip().splitlines()
    try:
        answer = json.loads(lines[-1]) if done.returncode == 0 and lines else None
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise EnvironmentProblem(
            "station-enrol",
            f"the firmware was expected to name its public key, found: {done.stdout}{done.stderr}",
            f"Correct {directory}/config.json.",
        )
    return answer
