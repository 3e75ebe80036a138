"""OCMF records of the firmware on the MicroPython VM, before verifiers of other people."""

import json
from collections import Counter
from pathlib import Path

import pytest
from pyocmf import OCMF
from pyocmf.exceptions import PyOCMFError
from support.ocmf_foreign import device_records, node_modules, road_labs, tampered

RUNS = [(1, 24), pytest.param((2, 200), marks=pytest.mark.long)]
LETTERS = {"U", "I", "S"}
STATES = set("GTFNE")  # what a station can find, see `session_meter.state_letter`
PLACES = {"B", "C", "E", "L", "R", "A", "P"}


@pytest.fixture(scope="module", params=RUNS, ids=str)
def made(request: pytest.FixtureRequest) -> tuple[str, list[str]]:
    return device_records(*request.param)


def payload(record: str) -> dict:
    return json.loads(record.split("|")[1])


def test_every_status_and_letter_occurs(made: tuple[str, list[str]]) -> None:
    readings = [(payload(r)["PG"][0], item) for r in made[1] for item in payload(r)["RD"]]
    count = Counter(item.get("TX", "-") for _, item in readings)
    letters = Counter(item["TM"][-1] for page, item in readings if page == "T")
    states = Counter(item["ST"] for _, item in readings)
    print(f"sessions {count['B']}, TX {dict(count)}, letters {dict(letters)}, ST {dict(states)}")
    assert set(letters) == LETTERS
    assert set(count) == PLACES | {"-"}
    assert set(states) <= STATES and all(item["ST"] == "G" for _, item in readings if "RV" in item)
    if count["B"] < 200:
        print(f"short run: {STATES - set(states) or 'no'} status left out")
        return
    assert set(states) == STATES
    assert {item["TM"][-1] for page, item in readings if page == "F"} == LETTERS
    assert {(item["TX"], item["TM"][-1]) for page, item in readings if page == "T"} >= {
        (place, letter) for place in PLACES for letter in LETTERS
    }
    assert {item["EF"] for _, item in readings} == {"", "t", "E", "Et"}
    assert all(item["ST"] == "G" for page, item in readings if page == "T")


def test_pyocmf_accepts_every_record(made: tuple[str, list[str]]) -> None:
    key, records = made
    for record in records:
        parsed = OCMF.from_string(record, strict=True)
        assert parsed.verify_signature(key)
        issues = {str(issue.code) for issue in parsed.check_eichrecht(errors_only=True)}
        failed = payload(record)["RD"][0]["ST"] != "G"
        assert issues <= ({"METER_STATUS", "ERROR_FLAGS"} if failed else set()), record


def test_pyocmf_refuses_tampered_copies(made: tuple[str, list[str]]) -> None:
    key, records = made
    for record in records:
        copies = tampered(record)
        assert len(copies) == 5 + ('"RV"' in record)
        for copy in copies:
            assert copy != record
            try:
                assert not OCMF.from_string(copy, strict=True).verify_signature(key)
            except PyOCMFError:
                continue  # refused before its signature was looked at


def test_road_labs_accepts_every_record_and_no_tampered_one(
    made: tuple[str, list[str]], tmp_path: Path
) -> None:
    key, records = made
    where = node_modules(tmp_path)
    found = road_labs(where, key, records)
    assert [one["page"] for one in found] == [payload(record)["PG"] for record in records]
    copies = [copy for record in records for copy in tampered(record)]
    refused = [one["verified"] for one in road_labs(where, key, copies)]
    print(f"road-labs: {len(found)} records accepted, {len(refused)} tampered copies refused")
    assert not any(refused)
