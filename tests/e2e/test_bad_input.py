"""A station that is set up wrongly refuses with a code and says what to do; nothing is written."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from meterseal.sim import station

GOOD: dict[str, Any] = {
    "station_id": "bad-input",
    "meters": [{"profile": "eastron-sdm120", "unit_id": 1, "bus": 0}],
    "buses": [{"kind": "tcp", "host": "127.0.0.1", "port": 9}],
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A station that would start."""
    place = tmp_path / "station"
    station.create(place, GOOD)
    station.enrol(place)
    return place


def refusal(directory: Path) -> str:
    """What the firmware prints before it gives up with exit code 1."""
    done = subprocess.run(
        station.command(directory), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def change(directory: Path, **more: Any) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        ({"read_intervall_s": 60}, "config-unknown-key", "read_interval_s"),
        ({"read_interval_s": 0}, "config-range", "1"),
        ({"read_interval_s": "60"}, "config-type", "whole number"),
        ({"meters": [{"profile": "acme-1", "unit_id": 1}]}, "profile-missing", "acme-1.json"),
        ({"uplink": {"url": "http://x"}}, "config-url", "https://"),
    ],
)
def test_configuration(directory: Path, more: dict[str, Any], code: str, words: str) -> None:
    change(directory, **more)
    said = refusal(directory)
    assert said.startswith(f"refused: {code}: ")
    assert words in said


def test_no_configuration(directory: Path) -> None:
    (directory / "config.json").unlink()
    assert refusal(directory).startswith("refused: config-missing: ")


def test_a_key_that_cannot_be_read_is_not_replaced(directory: Path) -> None:
    path = directory / "state" / "keystore"
    damaged = path.read_bytes()[:-1] + b"\x00"
    path.write_bytes(damaged)
    assert refusal(directory).startswith("refused: keystore-corrupt: ")
    assert path.read_bytes() == damaged


def test_no_key(directory: Path) -> None:
    (directory / "state" / "keystore").unlink()
    assert refusal(directory).startswith("refused: key-missing: ")


def test_a_certificate_that_is_none(directory: Path) -> None:
    (directory / "ca.der").write_bytes(b"-----BEGIN CERTIFICATE-----")
    change(directory, uplink={"url": "https://localhost:1"})
    assert refusal(directory).startswith("refused: ca-unreadable: ")


def test_a_profile_that_is_not_understood(directory: Path) -> None:
    path = directory / "profiles" / "eastron-sdm120.json"
    path.write_text(path.read_text().replace('"energy_import_wh"', '"energy_imported"', 1))
    assert refusal(directory).startswith("refused: profile-")
