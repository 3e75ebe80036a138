"""What a report refuses, each with its code; and the rules that only withhold."""

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from meterseal.errors import Error
from meterseal.mrv.run import run

from tests.fleet.registry import hash_of
from tests.fleet.reporting import request_of
from tests.fleet.world import Fleet, Plan, build

PLAN = Plan(
    "refusals",
    stations=1,
    read_interval_s=3600,
    batch_readings=24,
    vehicles=20,
    max_interval_s=7200,
)
ACTIVITY = {
    "TDL of one": (b'value = "0.10"', b'value = "1"', "parameter-range"),
    "factor without unit": (b'unit = "kgCO2/kWh"', b'unit = "1"', "parameter-unit"),
    "no loss": (b'name = "transmission_loss"', b'name = "other"', "parameter-unknown"),
    "expired": (b"valid_to = 2035-12-31", b"valid_to = 2025-12-31", "parameter-expired"),
    "fuel of zero": (b'value = "18.1"', b'value = "0"', "parameter-range"),
    "a fraction no number": (b'value = "0.60"', b'value = "0,60"', "number-form"),
    "methodology": (b'"ams-iii-c"', b'"ams-iii-z"', "methodology-unknown"),
}
DC, AC = b"dc_battery_terminals", b"ac_charger_input"
NO_ENERGY = b"moto,2026-01-01,ac_charger_input,100000,0\n"
TWICE = b"EM000001,moto,72V40Ah,2026-01-01,2026-02-01\n"
FILES = {
    "DC samples": ("samples.csv", AC, DC, "consumption-boundary"),
    "SEC of zero": ("samples.csv", None, NO_ENERGY, "consumption-zero"),
    "not UTF-8": ("samples.csv", None, b"\xff", "input-csv"),
    "open quote": ("vehicles.csv", None, b'"\n', "input-csv"),
    "a formula as class": ("vehicles.csv", b",moto,", b",=1+1,", "vehicle-class"),
    "no SEC": ("samples.csv", b"moto,", b"car,", "parameter-missing"),
    "vehicle twice": ("vehicles.csv", None, TWICE, "vehicle-twice"),
}


def code_of(folder: Path, fleet: Fleet) -> str:
    """Code with which a report is refused."""
    with pytest.raises(Error) as refusal:
        run(request_of(folder, fleet))
    return refusal.value.code


@pytest.mark.parametrize("name", ACTIVITY)
def test_activity_files_are_refused(name: str, tmp_path: Path) -> None:
    old, new, code = ACTIVITY[name]
    fleet, _ = build(PLAN, tmp_path)
    path = tmp_path / "activity.toml"
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    assert code_of(tmp_path, fleet) == code


@pytest.mark.parametrize("name", FILES)
def test_input_files_are_refused(name: str, tmp_path: Path) -> None:
    file, old, new, code = FILES[name]
    fleet, _ = build(PLAN, tmp_path)
    path = tmp_path / file
    data = path.read_bytes()
    path.write_bytes(data + new if old is None else data.replace(old, new))
    assert code_of(tmp_path, fleet) == code


def test_an_error_of_20_percent_given_for_0_2_percent_is_refused(tmp_path: Path) -> None:
    def change(fleet: Fleet) -> None:
        line = fleet.stations[0].lines[0]
        since = "2026-01-05T00:00:00Z"
        fleet.extra_entries.append(lambda: fleet.calibrate(line, since, error_found_ppm=200_000))

    fleet, _ = build(PLAN, tmp_path, change)
    assert code_of(tmp_path, fleet) == "trust-entry"


def test_an_unregistered_meter_stops_the_report(tmp_path: Path) -> None:
    def change(fleet: Fleet) -> None:
        station = fleet.stations[0]
        (line,) = station.lines
        wire = replace(line.wire, unit=77)
        station.batches += fleet.seal(station, lines=[line, replace(line, wire=wire)])

    fleet, _ = build(PLAN, tmp_path, change)
    assert code_of(tmp_path, fleet) == "meter-unregistered"


def found(plan: Plan, folder: Path, change: Callable[[Fleet], int]) -> dict[str, Fraction]:
    """Findings of a fleet in which something goes wrong; what `change` expects under ``."""
    fleet, expected = build(plan, folder, change)
    outcome = run(request_of(folder, fleet))
    return {one.code: one.withheld_milliwh for one in outcome.findings.sorted} | {
        "": Fraction(expected)
    }


def test_a_register_that_decreases_earns_nothing_behind_it(tmp_path: Path) -> None:
    def change(fleet: Fleet) -> int:
        (line,) = fleet.stations[0].lines
        at, last = 700, len(fleet.times) - 1
        line.energy = line.energy.copy()
        line.energy[at:] -= line.energy[at] - line.energy[at - 400]
        return line.milliwh(last) - line.milliwh(at)

    codes = found(PLAN, tmp_path, change)
    assert codes.pop("register-decrease") == codes.pop("") > 0
    assert codes == {"invoice-differs": 0} or codes == {}


def test_a_boot_that_never_saw_a_clock_earns_nothing(tmp_path: Path) -> None:
    first, behind = 480, 600

    def change(fleet: Fleet) -> int:
        station = fleet.stations[0]
        (line,) = station.lines
        for low, high in ((0, first), (first, behind), (behind, len(station.times))):
            if low:
                station.board.reboot(int(station.times[low]) - 5_000)
            station.board.anchored = low != first
            station.batches += fleet.seal(station, indices=np.arange(low, high))
        return line.milliwh(behind - 1) - line.milliwh(first - 1)

    codes = found(PLAN, tmp_path, change)
    assert codes.pop("clock-unset") >= codes.pop("") > 0


def test_faster_than_the_rated_power_is_implausible(tmp_path: Path) -> None:
    def change(fleet: Fleet) -> int:
        (line,) = fleet.stations[0].lines
        at = 600
        line.energy = line.energy.copy()
        line.energy[at:] += 30_000  # 30 kWh within an hour at 7.4 kW
        return line.milliwh(at) - line.milliwh(at - 1)

    codes = found(PLAN, tmp_path, change)
    assert codes.pop("register-implausible") == codes.pop("") > 0


def test_an_interval_across_new_year_belongs_to_the_later_vintage(tmp_path: Path) -> None:
    plan = replace(PLAN, first=PLAN.first.replace(year=2025, month=12))
    plan.last = plan.first.replace(year=2026, month=1, day=31)
    cut = 31 * 24  # reading at local midnight, 31 December 17:00 UTC

    def without(fleet: Fleet) -> None:
        fleet.times = fleet.times + 1_800_000
        for station in fleet.stations:
            station.times = fleet.times

    truth, _ = build(plan, tmp_path / "a")
    exact = run(request_of(tmp_path / "a", truth))
    (line,) = truth.stations[0].lines
    december = line.milliwh(cut) - line.milliwh(0)
    assert int(sum(exact.vintages[0].baseline.values())) == december
    fleet, _ = build(plan, tmp_path / "b", without)
    outcome = run(request_of(tmp_path / "b", fleet))
    (line,) = fleet.stations[0].lines
    december = line.milliwh(cut - 1) - line.milliwh(0)
    assert int(sum(outcome.vintages[0].baseline.values())) == december
    assert "year-crossing" in {one.code for one in outcome.findings.sorted}


def test_an_edited_book_is_refused(tmp_path: Path) -> None:
    fleet, _ = build(PLAN, tmp_path)
    names = ("id", "activity", "supersedes", "report_sha256")
    days = {"first_day": "2025-01-01", "last_day": "2025-01-31"}
    empty: dict[str, dict[str, int]] = {"issued_t": {}, "allocated_t": {}, "exact_t": {}}
    entry = dict.fromkeys(names, "") | days | empty | {"claims": [], "setups": {}}
    entry |= {"n": 2, "previous": hash_of({})}
    book = {"format": "meterseal-report-book", "version": 1, "entries": [entry]}
    (tmp_path / "book.json").write_text(json.dumps(book))
    assert code_of(tmp_path, fleet) == "book-chain"
    claim = {"meter": "m", "opening_milliwh": 1, "closing_milliwh": 2}
    claims = ({"meter": []}, {"closing_milliwh": 2.5}, {"opening_milliwh": True})
    unfit = [entry | {"claims": [claim | one]} for one in claims]
    unfit.append(entry | {"claims": [{name: claim[name] for name in claim if name != "meter"}]})
    unfit += [entry | {"issued_t": {"abc": 1}}, entry | {"exact_t": {"abc": "1/1"}}]
    unfit += [entry | {"issued_t": {"2025": -1}}, entry | {"supersedes": ["x"]}]
    for wrong in (5, {}, *unfit):
        (tmp_path / "book.json").write_text(json.dumps(book | {"entries": [wrong]}))
        assert code_of(tmp_path, fleet) == "book-json", wrong
