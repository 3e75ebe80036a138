"""The simulated meter: realistic load, exact counter, registers that tell the truth."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.meters import PROFILES, HandClock, meter, one_line
from meterseal.decode import decode, identity_text, scale_factor_of
from meterseal.errors import EnvironmentProblem
from meterseal.profiles import Profile, Register
from meterseal.profiles.schema import UNITS
from meterseal.sim.load import IDLE_POWER_MW, ChargingLoad
from meterseal.sim.meter import SimulatedMeter
from meterseal.sim.server import MeterServer
from pymodbus import FramerType
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ModbusIOException

Client = ModbusSerialClient | ModbusTcpClient


def words_from(client: Client, unit_id: int, register: Register) -> list[int]:
    """Words of one register over the wire."""
    read = client.read_holding_registers if register.function == 3 else client.read_input_registers
    answer = read(register.address, count=register.count, device_id=unit_id)
    assert not answer.isError(), f"{register.name}: {answer}"
    return answer.registers


@pytest.fixture(scope="module")
def line() -> Iterator[MeterServer]:
    with MeterServer(one_line()).start_rtu() as server:
        yield server


@pytest.fixture(scope="module")
def network() -> Iterator[MeterServer]:
    with MeterServer(one_line()).start_tcp() as server:
        yield server


@pytest.fixture(scope="module")
def rtu(line: MeterServer) -> Iterator[ModbusSerialClient]:
    client = ModbusSerialClient(line.path, baudrate=115200, timeout=2, retries=0)
    assert client.connect()
    yield client
    client.close()


@pytest.fixture(scope="module")
def tcp(network: MeterServer) -> Iterator[ModbusTcpClient]:
    client = ModbusTcpClient("127.0.0.1", port=network.port, timeout=2, retries=0)
    assert client.connect()
    yield client
    client.close()


def resolution_milli(register: Register, factor: int) -> int:
    """The smallest step of a register in thousandths, and one for the rounding."""
    if register.type == "f32":
        return 4096  # what 24 bits leave of 30 000 kWh in mWh
    return int(10 ** max(0, register.exp10 + factor + UNITS[register.unit][1] + 3)) + 1


def check_against_truth(client: Client, simulated: SimulatedMeter) -> None:
    """Every value over the wire, decoded by the host, is the truth up to the resolution."""
    truth, profile = simulated.truth(), simulated.profile
    for register in profile.registers.values():
        factor = 0
        if register.sf:
            scale = words_from(client, simulated.unit_id, profile.setup[register.sf])
            factor = scale_factor_of(scale)
        value = decode(register, words_from(client, simulated.unit_id, register), factor)
        error = abs(value - truth.milli(register.name))
        assert error <= resolution_milli(register, factor), register.name


@pytest.mark.parametrize("index", range(len(PROFILES)), ids=list(PROFILES))
def test_every_profile_over_rtu(line: MeterServer, rtu: Client, index: int) -> None:
    check_against_truth(rtu, line.meters[index + 1])


@pytest.mark.parametrize("index", range(len(PROFILES)), ids=list(PROFILES))
def test_every_profile_over_tcp(network: MeterServer, tcp: Client, index: int) -> None:
    check_against_truth(tcp, network.meters[index + 1])


@pytest.mark.parametrize(
    "profile", [p for p in PROFILES.values() if p.identity], ids=lambda p: p.id
)
def test_identity_is_that_of_the_profile(profile: Profile) -> None:
    simulated = SimulatedMeter(profile, serial=987654, clock_ms=HandClock())
    for register in profile.identity.values():
        shown = identity_text(register, simulated.words(register))
        if register.name == "serial":
            assert shown == "987654"
        elif register.expect:
            assert int(shown) in register.expect


def test_rtu_frames_over_tcp() -> None:
    with MeterServer([meter("eastron-sdm120")]).start_tcp(rtu_frames=True) as server:
        client = ModbusTcpClient("127.0.0.1", port=server.port, framer=FramerType.RTU, retries=0)
        assert client.connect()
        assert client.read_input_registers(0, count=2, device_id=1).registers[0] & 0xFF00 == 0x4300
        client.close()


def test_power_is_voltage_times_current_times_power_factor() -> None:
    load = ChargingLoad(7, first_idle_s=5)
    for _ in range(6000):
        step = load.step()
        exact = step.voltage_mv * step.current_ma * step.power_factor_milli // 1_000_000
        assert step.power_mw == exact
        assert 211_000 <= step.voltage_mv <= 249_000
        assert 0 < step.power_mw <= 3_100_000


def test_sessions_start_hold_taper_and_end() -> None:
    load = ChargingLoad(3, first_idle_s=10)
    powers = [load.step().power_mw for _ in range(8000)]
    begin = next(n for n, power in enumerate(powers) if power > 2 * IDLE_POWER_MW)
    end = next(n for n, power in enumerate(powers) if n > begin and power < 2 * IDLE_POWER_MW)
    session = powers[begin:end]
    top = max(session)
    assert begin == 10 and 1_150_000 <= top <= 3_050_000
    assert session[0] < top / 4 and sum(power > 0.97 * top for power in session) >= 900
    assert sum(power < 0.9 * top for power in session) > 500
    assert all(power < 2 * IDLE_POWER_MW for power in powers[end : end + 200])
    energy_wh = sum(session) // 3_600_000
    assert 400 <= energy_wh <= 3500, "one battery of an electric motorcycle"


def test_two_runs_with_one_seed_agree_and_another_seed_differs() -> None:
    clock = HandClock()
    one, same, other = (meter("eastron-sdm630", clock, seed=seed) for seed in (5, 5, 6))
    clock.advance_s(3000)
    assert one.truth() == same.truth()
    assert one.truth() != other.truth()


def test_energy_is_the_exact_integral_of_power() -> None:
    clock = HandClock()
    simulated = meter("eastron-sdm630", clock, start_energy_wh=1000)
    mw_s = 0
    for _ in range(2000):
        mw_s += sum(simulated.truth().power_mw)
        clock.advance_s(1)
    truth = simulated.truth()
    assert truth.energy_import_mwh == 1_000_000 + mw_s // 3600
    assert sum(truth.phase_import_mwh) in range(
        truth.energy_import_mwh - 3, truth.energy_import_mwh + 1
    )


def test_energy_does_not_depend_on_how_often_one_looks() -> None:
    often, seldom = HandClock(), HandClock()
    watched, left_alone = meter("abb-b23", often), meter("abb-b23", seldom)
    for _ in range(500):
        often.ms += 1234
        watched.truth()
    seldom.ms = often.ms
    assert left_alone.truth() == watched.truth()


def test_speed_lets_a_demonstration_see_energy_move() -> None:
    simulated = SimulatedMeter(PROFILES["eastron-sdm120"], speed=3600)
    before = simulated.truth()
    deadline = time.monotonic() + 20
    while simulated.truth().energy_import_mwh == before.energy_import_mwh:
        assert time.monotonic() < deadline, "energy never moved"
    assert simulated.truth().t_ms > before.t_ms


def test_unlisted_addresses_other_units_and_too_long_reads() -> None:
    profile = PROFILES["eastron-sdm120"]
    short = replace(profile, bus=replace(profile.bus, max_registers=4))
    with MeterServer([SimulatedMeter(short, clock_ms=HandClock())]).start_tcp() as server:
        client = ModbusTcpClient("127.0.0.1", port=server.port, timeout=0.3, retries=0)
        assert client.connect()
        assert client.read_input_registers(0x3000, count=2, device_id=1).exception_code == 2
        assert client.read_input_registers(0, count=6, device_id=1).exception_code == 3
        assert client.write_register(0x1101, 3, device_id=1).isError()
        with pytest.raises(ModbusIOException):
            client.read_input_registers(0, count=2, device_id=2)
        client.close()


def test_a_port_in_use_is_said_so() -> None:
    with (
        MeterServer([meter("eastron-sdm120")]).start_tcp() as first,
        MeterServer([meter("eastron-sdm120")]) as second,
        pytest.raises(EnvironmentProblem) as refused,
    ):
        second.start_tcp(port=first.port)
    assert refused.value.code == "sim-listen"


def start(*arguments: str) -> subprocess.Popen[str]:
    """`meterseal meter` as a process of its own."""
    program = (
        "import typer; from meterseal.cli import meter; app = typer.Typer(); "
        "app.callback()(lambda: None); meter.register(app); app()"
    )
    command = [sys.executable, "-c", program, "meter", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_the_command_announces_itself_and_ends_cleanly(tmp_path: Path) -> None:
    link = tmp_path / "meter"
    process = start("--profile", "eastron-sdm630", "--link", str(link), "--json", "--speed", "60")
    ready = json.loads(process.stdout.readline())
    assert ready["kind"] == "rtu" and ready["link"] == str(link)
    assert os.readlink(link) == ready["path"]
    client = ModbusSerialClient(str(link), baudrate=9600, timeout=2)
    assert client.connect()
    volts = client.read_input_registers(0, count=2, device_id=1)
    assert volts.registers[0] & 0xFF00 == 0x4300
    client.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert not link.is_symlink()


def test_the_command_serves_several_meters_over_tcp() -> None:
    process = start("--profile", "abb-b23@7", "--profile", "abb-ev3@8", "--tcp", "--json")
    ready = json.loads(process.stdout.readline())
    assert [m["unit_id"] for m in ready["meters"]] == [7, 8]
    client = ModbusTcpClient("127.0.0.1", port=ready["port"], timeout=2)
    assert client.connect()
    for unit_id in (7, 8):
        assert not client.read_holding_registers(0x5000, count=4, device_id=unit_id).isError()
    client.close()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
