"""The eleven traps of meters that look alike, by the numbers they have in issue 4.

Each test shows the trap with a simulated meter or with a profile that fell into it, and that it is
noticed: by the linter, by `identify`, or because the shipped profile avoids it.
"""

import copy
import json
from typing import Any

import pytest
from agent import profile as device_profile
from agent.modbus.settings import Line
from agent.profile_plan import plan
from fakes.identify import identified
from fakes.meters import PROFILES, PROFILES_DIR, meter
from meterseal.decode import decode
from meterseal.identify import Identification
from meterseal.identify.checks import plausible
from meterseal.identify.judge import Judgement
from meterseal.profiles import Profile, build, lint_bytes
from meterseal.profiles.line import line_conflicts
from meterseal.profiles.table import steps_of_a_charge
from meterseal.sim.server import MeterServer
from pymodbus.client import ModbusTcpClient

Tree = dict[str, Any]
COARSE = {f"carlo-gavazzi-{name}" for name in ("em340", "em112", "em24", "em24-e1")}


def tree_of(name: str) -> Tree:
    return json.loads((PROFILES_DIR / f"{name}.json").read_text("utf-8"))


def fallen(name: str, **changes: Tree) -> bytes:
    """File of a profile with members of some registers changed."""
    tree = copy.deepcopy(tree_of(name))
    for register, members in changes.items():
        tree["registers"][register] |= members
    return json.dumps(tree).encode()


def codes(file: bytes, name: str) -> set[str]:
    """What the linter finds."""
    return {finding.code for finding in lint_bytes(file, name)}


def judged(result: Identification, name: str) -> Judgement:
    return next(j for j in result.judgements if j.profile.id == name)


def refusal(meter_name: str, tried: str | Profile | bytes) -> tuple[str, str]:
    """Code and text with which `identify` refuses a profile for a meter."""
    profile = build(tried) if isinstance(tried, bytes) else tried
    best = identified(meter_name, tried=[profile])
    reasons = [reason for reason in best.judgements[0].reasons if reason.against]
    assert best.judgements[0].verdict == "no" and len(reasons) == 1
    return reasons[0].code, reasons[0].text


def test_trap_01_same_address_other_scale() -> None:
    assert PROFILES["abb-b23"].total.address == PROFILES["abb-ev3"].total.address
    code, text = refusal("abb-ev3", "abb-b23")
    assert code == "energy-rate" and "factor of 100 too high" in text
    code, text = refusal("abb-b23", "abb-ev3")
    assert code == "energy-rate" and "factor of 100 too low" in text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("chint-dtsu666-a", "chint-dtsu666-b"),
        ("carlo-gavazzi-em24", "carlo-gavazzi-em24-e1"),
        ("eastron-sdm72dm", "eastron-sdm72dm-v2"),
    ],
)
def test_trap_02_same_name_other_address(one: str, other: str) -> None:
    for right, wrong in ((one, other), (other, one)):
        result = identified(right, tried=[one, other])
        assert result.certain and result.best.profile.id == right
        assert judged(result, wrong).verdict == "no"


def test_trap_02_no_profile_claims_the_umg_104() -> None:
    assert not [p.id for p in PROFILES.values() if any("104" in model for model in p.models)]
    assert any("104" in note for note in PROFILES["janitza-umg"].notes)


@pytest.mark.parametrize(
    ("name", "total", "resettable"),
    [
        ("carlo-gavazzi-em24", 0x003E, 0x0042),
        ("eastron-sdm72dm", 0x0048, 0x0184),
        ("hiking-dds238", 0x000A, 0x0000),
    ],
)
def test_trap_03_resettable_counter_beside_the_total(
    name: str, total: int, resettable: int
) -> None:
    profile = PROFILES[name]
    assert profile.total.address == total
    assert resettable in {register.address for register in profile.resettable.values()}
    wrong = fallen(name, energy_import_wh={"addr": f"0x{resettable:04X}"})
    assert "profile-total-resettable" in codes(wrong, name)


def test_trap_03_no_total_is_resettable() -> None:
    for profile in PROFILES.values():
        places = {(r.function, r.address) for r in profile.resettable.values()}
        assert (profile.total.function, profile.total.address) not in places
        assert not any(register.total for register in profile.resettable.values())


@pytest.mark.parametrize(
    ("name", "register", "unit", "code", "factor"),
    [
        ("chint-ddsu666", "power_w", "W", "power-mismatch", "1000 too low"),
        ("orno-we516", "power_w", "W", "power-mismatch", "1000 too low"),
        ("schneider-iem3155", "power_w", "W", "power-mismatch", "1000 too low"),
        ("eastron-sdm630", "power_w", "kW", "power-mismatch", "1000 too high"),
        ("janitza-umg", "energy_import_wh", "kWh", "energy-rate", "1000 too high"),
        ("eastron-sdm630", "energy_import_wh", "Wh", "energy-rate", "1000 too low"),
    ],
)
def test_trap_04_a_thousand_between_units(
    name: str, register: str, unit: str, code: str, factor: str
) -> None:
    right = PROFILES[name].registers[register].unit
    assert right != unit and {right, unit} in ({"W", "kW"}, {"Wh", "kWh"})
    found, text = refusal(name, fallen(name, **{register: {"unit": unit}}))
    assert found == code and f"factor of {factor}" in text


def test_trap_04_wrong_dimension_is_refused_by_the_linter() -> None:
    wrong = fallen("eastron-sdm630", power_w={"unit": "kWh"})
    assert "profile-dimension" in codes(wrong, "eastron-sdm630")


@pytest.mark.parametrize("name", PROFILES)
def test_trap_05_words_in_the_other_order(name: str) -> None:
    """Every register of two and more words with its words swapped: never taken for right."""
    swapped = {"ABCD": "CDAB", "CDAB": "ABCD"}
    wide = {r.name: r for r in PROFILES[name].registers.values() if r.count > 1}
    changes = {register: {"order": swapped[r.order]} for register, r in wide.items()}
    tried = build(fallen(name, **changes))
    result = identified(name, tried=[tried], start_energy_wh=98_765_432)
    codes_found = {reason.code for reason in result.judgements[0].reasons}
    assert "energy-fits" not in codes_found, codes_found
    assert not result.certain or result.best.verdict == "no"


def test_trap_06_energy_of_the_first_tariff_only() -> None:
    profile = PROFILES["siemens-pac2200"]
    assert profile.total.name == "energy_import_t1_wh" and "Tariff 1" in str(profile.total.note)
    assert profile.setup["active_tariff"].expect == (0,)
    result = identified("siemens-pac2200", setup={"active_tariff": 1}, tried=["siemens-pac2200"])
    assert [r.code for r in result.judgements[0].reasons if r.against] == ["setup-mismatch"]
    silent = tree_of("siemens-pac2200")
    del silent["registers"]["energy_import_t1_wh"]["note"]
    assert "profile-note-missing" in codes(json.dumps(silent).encode(), "siemens-pac2200")


def test_trap_07_sum_of_both_directions() -> None:
    sums = {name for name, profile in PROFILES.items() if profile.total.name == "energy_sum_wh"}
    assert sums == {"orno-we514"}, "this one has no other counter, and says so"
    assert "sum" in str(PROFILES["orno-we514"].total.note).lower()
    for name in ("eastron-sdm72dm", "orno-we516"):
        profile = PROFILES[name]
        simulated = meter(name, start_energy_wh=5000, start_export_wh=700)
        imported, both = (
            decode(register, simulated.words(register))
            for register in (profile.total, profile.registers["energy_sum_wh"])
        )
        assert (imported, both) == (5_000_000, 5_700_000)


def test_trap_07_a_net_counter_is_never_the_total() -> None:
    tree = tree_of("eastron-sdm630")
    register = tree["registers"].pop("energy_import_wh")
    tree["registers"]["energy_net_wh"] = register
    assert "profile-total-quantity" in codes(json.dumps(tree).encode(), "eastron-sdm630")


def test_trap_08_fifteen_steps_a_charge() -> None:
    steps = {name: steps_of_a_charge(profile.total) for name, profile in PROFILES.items()}
    assert {
        name for name, number in steps.items() if number is not None and number < 100
    } == COARSE
    assert all(steps[name] == 15 for name in COARSE)
    fine = PROFILES["carlo-gavazzi-em580"].total
    assert (fine.address, fine.type, fine.unit, fine.exp10) == (0x0500, "s64", "Wh", 0)


def test_trap_09_line_to_line_voltage_taken_for_phase_voltage() -> None:
    tree = tree_of("chint-dtsu666-a")
    tree["registers"]["voltage_l1_v"] = tree["registers"].pop("voltage_l12_v")
    code, text = refusal("chint-dtsu666-a", json.dumps(tree).encode())
    assert code == "voltage-implausible" and "to neutral" in text


def test_trap_09_is_named_by_its_factor_where_the_voltage_looks_possible() -> None:
    """A 127 V installation: 220 V between the lines pass for a phase voltage."""
    values = {f"voltage_l{n}_v": 220_000 for n in (1, 2, 3)}
    values |= {f"current_l{n}_a": 10_000 for n in (1, 2, 3)}
    found = list(plausible(values | {"power_w": 3 * 1_270_000, "power_factor": 1000}))
    assert [reason.code for reason in found] == ["power-mismatch"] and "1.73" in found[0].text


def test_trap_10_mixed_parities_on_one_line() -> None:
    found = line_conflicts([(PROFILES["eastron-sdm630"], 1), (PROFILES["abb-ev3"], 2)])
    assert [conflict.code for conflict in found] == ["parities-mixed"]
    assert "abb-ev3" in found[0].text and "same parity" in found[0].text


@pytest.mark.parametrize("name", PROFILES)
def test_trap_11_most_registers_in_one_read(name: str) -> None:
    loaded = device_profile.load((PROFILES_DIR / f"{name}.json").read_bytes())
    bus = loaded.bus
    reads = plan(loaded.columns, loaded.listed, bus, Line(bus.baud, bus.parity, bus.stop_bits))
    assert sum(len(read.parts) for read in reads) == len(loaded.columns)
    assert all(max(read.count, read.longer) <= bus.max_registers for read in reads)


def test_trap_11_the_limits_of_the_sources() -> None:
    most = {name: profile.bus.max_registers for name, profile in PROFILES.items()}
    assert most["carlo-gavazzi-em24"] == 11 and most["eastron-sdm630"] == 80
    simulated = meter("carlo-gavazzi-em24")
    with MeterServer([simulated]).start_tcp() as server:
        client = ModbusTcpClient("127.0.0.1", port=server.port, retries=0)
        assert client.connect()
        assert not client.read_input_registers(0x0C, count=11, device_id=1).isError()
        assert client.read_input_registers(0x0C, count=12, device_id=1).exception_code == 3
        client.close()
