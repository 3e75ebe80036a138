"""Foreign verifiers of OCMF: pyocmf in this process, @road-labs/ocmf (with noble) in node."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from meterseal.resources import micropython_binary

TESTS = Path(__file__).resolve().parent.parent
SPKI_P256 = "3059301306072a8648ce3d020106082a8648ce3d030107034200"


def device_records(seed: int, sessions: int) -> tuple[str, list[str]]:
    """(public key as SPKI in hex, OCMF records) of random sessions on the MicroPython VM."""
    script = TESTS / "e2e" / "device_sessions.py"
    command = [str(micropython_binary()), "-X", "heapsize=64m", str(script), str(TESTS)]
    done = subprocess.run(
        [*command, str(seed), str(sessions)], check=True, capture_output=True, text=True
    )
    point, *records = done.stdout.splitlines()
    return SPKI_P256 + point, records


_installed: list[Path] = []


def node_modules(where: Path) -> Path:
    """The packages of tests/node/ocmf, installed once, below `where`; skips where npm cannot."""
    if _installed:
        return _installed[0]
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not installed")
    for name in ("package.json", "package-lock.json", "check.mjs"):
        shutil.copy(TESTS / "node" / "ocmf" / name, where)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, check=False, cwd=where, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"npm could not install the packages: {done.stderr[-300:]}")
    _installed.append(where)
    return where


def road_labs(where: Path, key: str, records: list[str]) -> list[dict[str, Any]]:
    """What @road-labs/ocmf says about each record."""
    done = subprocess.run(
        ["node", "check.mjs"],
        cwd=where,
        input=json.dumps({"key": key, "records": records}),
        check=True,
        capture_output=True,
        text=True,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def tampered(record: str) -> list[str]:
    """Copies of a record in which something is not as it was signed."""
    head, payload, signature = record.split("|")
    changed = json.loads(payload)["RD"][-1]["TM"]
    digit = str((int(changed[-12]) + 1) % 10)
    later = changed[:-12] + digit + changed[-11:]
    sd = json.loads(signature)["SD"]
    flipped = sd[:-1] + ("1" if sd[-1] != "1" else "2")
    copies = [payload.replace(changed, later)]
    for register in re.findall(r'"RV":([0-9.]+)', payload)[-1:]:  # the energy that is billed
        more = str((int(register[-1]) + 1) % 10)
        copies.append(payload.replace(f'"RV":{register},', f'"RV":{register[:-1]}{more},'))
    return [
        *("|".join((head, copy, signature)) for copy in copies),
        "|".join((head, payload.replace('"PG":"', '"PG":"9')[:-1] + "}", signature)),
        "|".join((head, payload.replace('"MS":"', '"MS":"9'), signature)),
        "|".join((head, payload.replace(",", ", ", 1), signature)),
        "|".join((head, payload, signature.replace(sd, flipped))),
    ]
