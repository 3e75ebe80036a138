"""From meter, contactor and controller to the driver: the real station, killed at random moments,
the collector, `meterseal export ocmf`, and verifiers of other people.
"""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from meterseal.demo.stage import open_stage
from pyocmf import OCMF
from support.ocmf_foreign import SPKI_P256, node_modules, road_labs
from support.session_line import USER, Line

RUNS = [(1, 1), pytest.param((2, 16), marks=pytest.mark.long)]


class Made(NamedTuple):
    """What came out at the far end."""

    key: str
    records: list[str]
    cars: dict[int, int]
    files: list[Path]


@pytest.fixture(scope="module", params=RUNS, ids=str)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    seed, cars = request.param
    with open_stage(tmp_path_factory.mktemp("path") / "stage") as stage, Line(stage, seed) as line:
        stage.write_trust()
        stage.start_collector()
        for number in range(cars):
            line.charge(kills=2 - number % 2)
        archive = line.archive(stage.out / "archive.cborseq")
        line.kill()
        out = stage.out / "sessions"
        command = [sys.executable, "-m", "meterseal", "export", "ocmf", str(archive)]
        command += ["--trust", str(stage.trust_file), "--out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        print(f"{line.cars} cars, {line.kills} kills")
        records = (out / "records.ocmf").read_text(encoding="ascii").splitlines()
        left = [archive, *stage.station_dir.rglob("*"), *out.rglob("*")]
        key = SPKI_P256 + stage.identity["public_key"]
        return Made(key, records, line.cars, [one for one in left if one.is_file()])


def payloads(made: Made, context: str) -> list[dict[str, Any]]:
    found = [json.loads(one.split("|")[1], parse_float=Decimal) for one in made.records]
    return [one for one in found if one["PG"][0] == context]


def test_each_car_has_its_record_and_each_page_is_there_once(made: Made) -> None:
    sessions = payloads(made, "T")
    for connector, cars in made.cars.items():
        assert sum(one["CI"].endswith(f" {connector}") for one in sessions) == cars
    for context in "TF":
        pages = [int(one["PG"][1:]) for one in payloads(made, context)]
        assert pages == list(range(1, len(pages) + 1)) and pages


def test_sessions_and_idle_consumption_are_the_register(made: Made) -> None:
    sessions = payloads(made, "T")
    for meter in {one["MS"] for one in sessions}:
        mine = [one for one in sessions if one["MS"] == meter]
        energy = [one["RD"][-1]["RV"] - one["RD"][0]["RV"] for one in mine]
        assert all(one > 0 for one in energy)
        idle = [Decimal(one["UI"]) for one in mine[1:]]
        register = mine[-1]["RD"][-1]["RV"] - mine[0]["RD"][0]["RV"]
        rounded = Decimal("0.001") * (len(mine) - 1)  # the meter's own last digit
        assert abs(sum(energy) + sum(idle) - register) <= rounded


def test_pyocmf_accepts_every_record(made: Made) -> None:
    for record in made.records:
        parsed = OCMF.from_string(record, strict=True)
        assert parsed.verify_signature(made.key)
        assert not list(parsed.check_eichrecht(errors_only=True))


def test_road_labs_accepts_every_record(made: Made, tmp_path: Path) -> None:
    found = road_labs(node_modules(tmp_path), made.key, made.records)
    assert len(found) == len(made.records)
    assert all(one["verified"] for one in found)


def test_who_charged_is_nowhere_in_plain_form(made: Made) -> None:
    assert any("ID" in one for one in payloads(made, "T")) or not made.cars[2]
    for path in made.files:
        assert USER.encode() not in path.read_bytes(), path
