"""Faults of a simulated meter: what each does, for every profile, and when it strikes."""

import pytest
from fakes.meters import PROFILES, HandClock, meter
from meterseal.errors import ConfigurationError
from meterseal.sim.faults import LINE_FAULTS, METER_FAULTS, Fault, parse_fault
from meterseal.sim.injector import Injector
from meterseal.sim.server import MeterServer
from pymodbus.client import ModbusSerialClient
from pymodbus.framer import FramerRTU


class FaultLine:
    """An injector with a clock moved by hand and one meter."""

    def __init__(self, profile: str, *faults: Fault, rtu: bool = True) -> None:
        self.seconds = 0.0
        self.clock = HandClock()
        self.meter = meter(profile, self.clock, start_energy_wh=20_000)
        self.injector = Injector(
            [self.meter], faults, rtu=rtu, turnaround_ms=10, clock_s=lambda: self.seconds
        )
        unit = self.meter.unit_id
        body = bytes([unit, 3, 4, 0x12, 0x34, 0x56, 0x78])
        self.frame = body + FramerRTU.compute_CRC(body).to_bytes(2, "big")
        if not rtu:
            self.frame = bytes([0, 7, 0, 0, 0, 7]) + body

    def answer(self) -> list[tuple[float, bytes]]:
        """One request and what comes back."""
        self.injector.before_read(self.meter)
        return self.injector.on_answer(self.frame)


def crc_ok(frame: bytes) -> bool:
    """Whether the last two bytes are the CRC of the rest."""
    return FramerRTU.compute_CRC(frame[:-2]) == int.from_bytes(frame[-2:], "big")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("kind", LINE_FAULTS)
def test_every_line_fault_of_every_profile(profile: str, kind: str) -> None:
    line = FaultLine(profile, Fault(kind))
    pieces, frame = line.answer(), line.frame
    assert line.injector.counts == {kind: 1}
    if kind == "silence":
        assert pieces == []
        return
    [(delay_s, sent)] = pieces
    assert sent != frame or kind == "late"
    if kind == "late":
        assert delay_s * 1000 > PROFILES[profile].bus.timeout_ms
    elif kind == "truncated":
        assert frame.startswith(sent)
    elif kind == "crc":
        assert len(sent) == len(frame) and not crc_ok(sent)
    elif kind == "address":
        assert sent[0] != frame[0] and crc_ok(sent)
    elif kind == "noise":
        assert frame in sent and len(sent) > len(frame)
    else:
        assert sent[1] == frame[1] | 0x80 and sent[2] in (4, 6) and crc_ok(sent)


@pytest.mark.parametrize("kind", [kind for kind in LINE_FAULTS if kind != "crc"])
def test_every_line_fault_over_tcp(kind: str) -> None:
    line = FaultLine("siemens-pac2200", Fault(kind), rtu=False)
    for _, sent in line.answer():
        if kind == "exception":
            assert sent[4:9] == bytes([0, 3, 1, 0x83, sent[8]]) and len(sent) == 9
        elif kind == "address":
            assert sent[6] != line.frame[6] and sent[7:] == line.frame[7:]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("kind", METER_FAULTS)
def test_every_meter_fault_of_every_profile(profile: str, kind: str) -> None:
    line = FaultLine(profile, Fault(kind, nth=2))
    line.answer()
    before = line.meter.truth()
    pieces = line.answer()
    after = line.meter.truth()
    moved_mwh = after.energy_import_mwh - before.energy_import_mwh
    assert line.injector.counts == {kind: 1}
    if kind == "zero":
        assert moved_mwh == 0 and line.injector.before_read(line.meter) is False
    elif kind == "backward":
        assert moved_mwh == -1_000_000
    elif kind == "rollover":
        line.clock.advance_s(200)
        assert line.meter.truth().energy_import_mwh < before.energy_import_mwh // 2
    elif kind == "reboot":
        assert pieces == [] and moved_mwh == -20_000
        line.seconds += 3
        assert line.answer() != []
    elif kind == "swapped":
        assert line.meter.serial != 20_150_427 and moved_mwh > 1_000_000_000
    else:
        assert sum(after.power_mw) == 2 * sum(before.power_mw)


def test_zero_answers_zero_energy_and_true_power() -> None:
    simulated = meter("schneider-iem3155", start_energy_wh=5000)
    with MeterServer([simulated], faults=[parse_fault("zero#2", rtu=True)]).start_rtu() as server:
        client = ModbusSerialClient(server.path, baudrate=19200, timeout=2, retries=0)
        assert client.connect()
        address = simulated.profile.total.address
        answers = [client.read_holding_registers(address, count=4) for _ in range(3)]
        seen = [answer.registers[3] for answer in answers]
        assert seen == [5000, 0, 5000]
        client.close()


def test_a_changed_ratio_shows_in_the_setup_registers() -> None:
    line = FaultLine("janitza-umg", Fault("ratio", nth=1))
    primary = line.meter.profile.setup["current_primary"]
    before = line.meter.words(primary)
    line.answer()
    assert line.meter.words(primary) != before


def test_schedules() -> None:
    line = FaultLine("abb-b23", parse_fault("silence@30-60", rtu=True))
    answered = []
    for line.seconds in (0, 29.9, 30, 59.9, 60, 1000):
        answered.append(bool(line.answer()))
    assert answered == [True, True, False, False, True, True]


def test_probability() -> None:
    line = FaultLine("abb-b23", parse_fault("crc:0.05", rtu=True))
    for _ in range(4000):
        line.answer()
    assert 150 <= line.injector.counts["crc"] <= 250


@pytest.mark.parametrize(
    ("text", "rtu", "code"),
    [
        ("crc:2", True, "fault-form"),
        ("crc:", True, "fault-form"),
        ("CRC", True, "fault-form"),
        ("silence@x", True, "fault-form"),
        ("lightning", True, "fault-unknown"),
        ("crc", False, "fault-not-on-tcp"),
    ],
)
def test_bad_fault(text: str, rtu: bool, code: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_fault(text, rtu=rtu)
    assert refused.value.code == code
