"""A station that is set up wrongly refuses with a code and says what to do; nothing is written."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from meterseal.demo.processes import Child
from meterseal.demo.stage import wait_until
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


@pytest.mark.parametrize("unit_id", [0, 248])
def test_a_unit_id_that_rtu_does_not_have(directory: Path, unit_id: int) -> None:
    meters = [{"profile": "eastron-sdm120", "unit_id": unit_id}]
    change(directory, meters=meters, buses=[{"kind": "rtu", "device": "/dev/null"}])
    assert refusal(directory).startswith("refused: config-conflict: meters[0].unit_id")


def refusal(directory: Path, *options: str) -> str:
    """What the firmware prints before it gives up with exit code 1."""
    done = subprocess.run(
        station.command(directory, *options),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
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
        ({"uplink": {"url": "https://"}}, "config-url", "HOST"),
        ({"uplink": {"url": "https://localhost:abc"}}, "config-url", "1..65535"),
        ({"uplink": {"url": "https://localhost:99999"}}, "config-url", "1..65535"),
        ({"uplink": {"url": "https://[::1]:8443"}}, "config-url", "IPv6"),
        ({"uplink": {"url": "https://u:p@localhost"}}, "config-url", "HOST"),
        ({"uplink": {"retry_min_s": 9, "retry_max_s": 8}}, "config-conflict", "retry_min_s"),
        ({"quantities": ["power_w"]}, "config-conflict", "energy_import_wh"),
        ({"quantities": ["energy_import_wh"] * 2}, "config-conflict", "twice"),
        ({"meters": [{"profile": "../profiles/x"}]}, "config-name", "id of a profile"),
        ({"meters": [{"profile": "eastron-sdm120"}] * 2}, "config-conflict", "another meter"),
        ({"buses": [{"kind": "tcp"}]}, "config-conflict", "IPv4"),
        ({"buses": [{"kind": "rtu", "device": "/dev/none"}]}, "bus-device", "/dev/none"),
        ({"buses": [{"kind": "rtu", "device": "/dev/null"}]}, "bus-device", "/dev/null"),
        ({"buses": [{"kind": "rtu"}]}, "bus-device", "serial device"),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_configuration(
    directory: Path, more: dict[str, Any], code: str, words: str, check: bool
) -> None:
    change(directory, **more)
    said = refusal(directory, *(["--check"] if check else []))
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


@pytest.mark.parametrize("content", [b"-----BEGIN CERTIFICATE-----", None])
def test_without_a_certificate_meters_are_read_all_the_same(
    directory: Path, content: bytes | None
) -> None:
    if content:
        (directory / "ca.der").write_bytes(content)
    change(directory, uplink={"url": "https://localhost:1"}, read_interval_s=1, log_level="debug")
    assert refusal(directory, "--check").startswith("refused: ca-unreadable: ")
    with Child("station", station.command(directory), directory / "station.log") as child:
        lines: list[str] = []

        def reading() -> bool:
            lines.extend(child.drain())
            return sum("journal reading" in line for line in lines) > 1

        wait_until("readings", reading, 30, directory / "station.log")
    assert any("error uplink refused code=ca-unreadable" in line for line in lines)


def test_a_store_that_cannot_be_read_is_not_taken_for_an_empty_one(directory: Path) -> None:
    """As a flash that fails for once: the key stays, and a restart tries again."""
    path = directory / "state" / "keystore"
    kept = path.read_bytes()
    path.unlink()
    path.mkdir()  # opens, and gives an error when it is read
    for options, code in (((), 3), (("--enrol",), 1)):
        done = subprocess.run(
            station.command(directory, *options), capture_output=True, text=True, check=False
        )
        assert "refused: store-unreadable: " in done.stdout, done.stdout + done.stderr
        assert done.returncode == code
    path.rmdir()
    path.write_bytes(kept)
    known = station.enrol(directory)
    assert path.read_bytes() == kept
    assert known["key_class"] == "sim"


def test_a_profile_that_is_not_understood(directory: Path) -> None:
    path = directory / "profiles" / "eastron-sdm120.json"
    path.write_text(path.read_text().replace('"energy_import_wh"', '"energy_imported"', 1))
    assert refusal(directory).startswith("refused: profile-")
