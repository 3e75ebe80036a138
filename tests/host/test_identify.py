"""`identify` against simulated meters: the right profile is found, every other is refused for a
reason.
"""

from collections.abc import Iterator

import pytest
from fakes.identify import identified
from fakes.meters import PROFILES, meter
from meterseal.errors import EnvironmentProblem
from meterseal.identify.checks import Reason, factor_text, plausible, step_milli
from meterseal.identify.course import PowerCourse, energy_moves
from meterseal.identify.link import (
    LineSettings,
    open_serial,
    open_tcp,
    search_line,
    settings_to_try,
    units_to_try,
)
from meterseal.sim.server import MeterServer

# Meters that their registers alone do not tell apart. They read the same energy: no harm.
TWINS = {
    "bauer-bsm-ws36a": {"sunspec-203"},
    "sunspec-203": {"bauer-bsm-ws36a"},
    "eastron-sdm120": {"eastron-sdm220", "eastron-sdm230"},
    "eastron-sdm220": {"eastron-sdm120", "eastron-sdm230"},
    "eastron-sdm230": {"eastron-sdm120", "eastron-sdm220"},
}


@pytest.mark.parametrize("name", PROFILES)
def test_each_meter_is_told_from_all_others(name: str) -> None:
    result = identified(name)
    fitting = {j.profile.id for j in result.judgements if j.verdict == "fits"}
    assert result.certain and result.rivals == []
    assert name in fitting and fitting <= {name} | TWINS.get(name, set())
    assert {twin.profile.id for twin in result.twins} == fitting - {result.best.profile.id}
    for judgement in result.judgements:
        refusals = [reason for reason in judgement.reasons if reason.against]
        assert bool(refusals) == (judgement.verdict == "no")
        assert all(reason.code and reason.text for reason in judgement.reasons)


@pytest.mark.parametrize(
    "name", [name for name, p in PROFILES.items() if "serial" in p.identity], ids=str
)
def test_serial_number_is_read(name: str) -> None:
    result = identified(name, watch_s=0, tried=[name], serial=987654)
    own = next(j for j in result.judgements if j.profile.id == name)
    assert own.identity["serial"] == "987654"


def test_without_watching_nothing_is_certain_but_a_model_number() -> None:
    assert not identified("schneider-iem3155", watch_s=0).certain
    assert identified("schneider-iem3155", watch_s=0).best.verdict == "possible"
    assert identified("eastron-sdm630", watch_s=0).certain


def test_sunspec_meter_with_its_block_elsewhere() -> None:
    result = identified("sunspec-203", base=50000, at=50069 + 30)
    assert result.best.profile.id == "sunspec-203" and result.certain
    assert result.best.profile.sunspec.at == 50099


def test_scale_factor_that_is_none_leaves_the_value_unknown() -> None:
    result = identified("sunspec-203", watch_s=0, setup={"energy_sf": -32768})
    own = next(j for j in result.judgements if j.profile.id == "sunspec-203")
    assert own.verdict == "no"
    assert {"sf-not-implemented", "energy-missing"} & {r.code for r in own.reasons}


def test_a_meter_of_no_profile() -> None:
    result = identified("eastron-sdm120", tried=["abb-b23", "schneider-iem3155"])
    assert result.best is None and not result.certain and result.rivals == result.twins == []


def test_load_that_changes_while_it_is_watched_does_not_refuse_the_meter() -> None:
    for begin_s in (60, 300, 900, 1500, 2700, 3300):
        result = identified("eastron-sdm630", charging_s=begin_s, tried=["eastron-sdm630"])
        assert result.best is not None


COURSE = PowerCourse(0, 3600, ((900, 1_000_000), (2700, 2_000_000)))


@pytest.mark.parametrize(
    ("moved_wh", "code"),
    [
        (1500, "energy-fits"),
        (1200, "energy-fits"),
        (1000, "energy-unchecked"),
        (2400, "energy-unchecked"),
        (700, "energy-rate"),
        (2700, "energy-rate"),
        (-1, "energy-backwards"),
        (0, "energy-rate"),
    ],
)
def test_movement_of_the_counter_against_the_power(moved_wh: int, code: str) -> None:
    assert COURSE.energy_mwh == 1_500_000 and COURSE.bounds_mwh == (1_000_000, 2_000_000)
    reason = energy_moves(moved_wh * 1000, COURSE, 1000)
    assert reason.code == code
    assert reason.against == (code in ("energy-rate", "energy-backwards"))


def test_a_coarse_counter_is_not_judged_by_one_step() -> None:
    course = PowerCourse(0, 60, ((30, 2_000_000),))
    assert energy_moves(100_000, course, 100_000).code == "energy-unchecked"
    assert energy_moves(0, course, 100_000).code == "energy-unchecked"
    assert energy_moves(400_000, course, 100_000).code == "energy-rate"


def codes(**values: int | None) -> list[str]:
    good: dict[str, int | None] = {
        "voltage_l1_v": 230_000,
        "current_l1_a": 10_000,
        "power_w": 2_250_000,
        "power_factor": 980,
        "frequency_hz": 50_000,
    }
    return [reason.code for reason in plausible(good | values)]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, "power-fits"),
        ({"power_factor": None}, "power-fits"),
        ({"power_w": -2_250_000}, "power-fits"),
        ({"power_w": 2_250}, "power-mismatch"),
        ({"power_w": 2_250_000_000}, "power-mismatch"),
        ({"power_w": 5_000, "current_l1_a": 30}, "power-unchecked"),
        ({"power_w": None}, "power-unchecked"),
        ({"current_l1_a": None}, "power-unchecked"),
        ({"voltage_l1_v": 2_300_000}, "voltage-implausible"),
        ({"voltage_l1_v": 23_000}, "voltage-implausible"),
        ({"voltage_l1_v": 0}, "voltage-implausible"),
        ({"frequency_hz": 5_000}, "frequency-implausible"),
        ({"frequency_hz": 500_000}, "frequency-implausible"),
        ({"current_l1_a": 2_000_000}, "current-implausible"),
    ],
)
def test_values_of_an_installation(values: dict[str, int | None], code: str) -> None:
    assert code in codes(**values)
    assert ("implausible" in code) == any("implausible" in found for found in codes(**values))


def test_a_phase_that_is_off_is_no_defect() -> None:
    two = {"voltage_l2_v": 0, "current_l2_a": 0}
    assert "power-fits" in codes(**two)


@pytest.mark.parametrize(
    ("found", "expected", "text"),
    [
        (1000, 1, "1000 too high"),
        (1, 100, "100 too low"),
        (173, 100, ""),
        (100, 100, ""),
        (300, 100, ""),
        (0, 5, ""),
    ],
)
def test_the_factor_is_named(found: int, expected: int, text: str) -> None:
    shown = factor_text(found, expected)
    assert text in shown and bool(text) == bool(shown)


def test_smallest_step_of_a_register() -> None:
    assert step_milli(PROFILES["carlo-gavazzi-em340"].total, 1) == 100_000
    assert step_milli(PROFILES["abb-ev3"].total, 1) == 100
    assert step_milli(PROFILES["eastron-sdm120"].total, 1 << 30) == 256
    assert step_milli(PROFILES["sunspec-203"].total, 1, 2) == 100_000
    assert Reason("a", "b").against is False


def test_settings_begin_with_the_commonest_and_hold_all() -> None:
    settings = settings_to_try(PROFILES.values())
    assert settings[0] == LineSettings(9600, "N", 1) and len(set(settings)) == len(settings)
    assert {LineSettings(2400, "N", 1), LineSettings(19200, "E", 1)} <= set(settings)
    assert str(settings[0]) == "9600 8N1"


def test_units_to_try() -> None:
    assert units_to_try(PROFILES.values(), None) == [1, 42]
    assert units_to_try(PROFILES.values(), 7) == units_to_try(PROFILES.values(), 7, True) == [7]
    scanned = units_to_try(PROFILES.values(), None, True)
    assert scanned[:2] == [1, 42] and sorted(scanned) == list(range(1, 248))


@pytest.fixture(scope="module")
def server() -> Iterator[MeterServer]:
    with MeterServer([meter("bauer-bsm-ws36a")]).start_rtu() as running:
        yield running


def test_a_line_is_searched_until_a_meter_answers(server: MeterServer) -> None:
    settings = [LineSettings(9600, "N", 1), LineSettings(19200, "E", 1)]
    tries = list(search_line(server.path, settings, [42], 0.2))
    assert [(found, unit) for found, _, unit in tries] == [(settings[0], 42)]
    tries[0][1].close()
    silent = list(search_line(server.path, settings, [1], 0.02))
    assert [(found, link) for found, link, _ in silent] == [(s, None) for s in settings]


def test_a_link_tells_words_refusal_and_silence(server: MeterServer) -> None:
    link = open_serial(server.path, LineSettings(19200, "E", 1), 0.1)
    profile = PROFILES["bauer-bsm-ws36a"]
    assert link.read(42, 3, profile.sunspec.bases[0], 2) == [0x5375, 0x6E53]
    assert link.read(42, 3, 0x7000, 2) == 2
    assert link.read(41, 3, 0x7000, 2) is None
    assert link.requests == 3
    link.close()


def test_a_link_that_cannot_be_opened() -> None:
    with pytest.raises(EnvironmentProblem, match="link-open"):
        open_tcp("127.0.0.1", 9, 0.2)
    with pytest.raises(EnvironmentProblem, match="link-open"):
        open_serial("/dev/does-not-exist", LineSettings(9600, "N", 1), 0.2)
