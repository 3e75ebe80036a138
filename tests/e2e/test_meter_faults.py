"""Each fault of a simulated meter, through the firmware on the MicroPython VM, to sealed batches.

Six meters, each on a line of its own with one fault; a station reads them each second, with one
power cut. What a fault leaves behind is an event, a flag or a finding, and never silence.
"""

import contextlib
import subprocess
import time
from collections.abc import Iterator

import pytest
from meterseal.models import Contents, VerifiedBatch
from meterseal.onsite.salvage import salvage
from meterseal.profiles import find
from meterseal.resources import profiles_dir
from meterseal.sim import station
from meterseal.sim.faults import Fault
from meterseal.sim.meter import SimulatedMeter
from meterseal.sim.server import MeterServer
from meterseal.trust import Trust, TrustedKey
from meterseal.verify import UnsafeNoPolicy, Verifier
from meterseal.verify.totals import ProfileTotals

PROFILE = "schneider-iem3155"  # serial number, 64-bit Wh
PROFILES = {"ratio": "chint-dtsu666-a"}  # transformer ratios, no serial number
FAULTS = ("swapped", "ratio", "zero", "backward", "rollover", "reboot")
START_WH = 53_700_000
LOST, FOUND, CHANGED = 3, 4, 5
RETRIED, IMPLAUSIBLE = 1, 2
RUNS_S = (15, 9)
SPEEDS = {"rollover": 5}  # of the meter's time, so that it comes to its end soon


def fault_of(kind: str) -> Fault:
    """After a few good readings; zero for a few seconds only."""
    return Fault(kind, from_s=6.0, until_s=9.0 if kind == "zero" else None)


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> list[VerifiedBatch]:
    """What the station sealed, verified in order."""
    directory = tmp_path_factory.mktemp("faults") / "station"
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(line(unit, kind)) for unit, kind in enumerate(FAULTS, 1)]
        station.create(directory, config(ports))
        identity = station.enrol(directory)
        for seconds in RUNS_S:
            process = subprocess.Popen(station.command(directory), stdout=subprocess.DEVNULL)
            time.sleep(seconds)
            process.kill()
            process.wait(20)
    kid, public = bytes.fromhex(identity["device_id"]), bytes.fromhex(identity["public_key"])
    trusted = TrustedKey(kid, public, identity["key_class"], "bench")
    verifier = Verifier(
        trust=Trust({kid: trusted}, "00", "00", True),
        policy=UnsafeNoPolicy(),
        totals=ProfileTotals.load(profiles_dir()),
    )
    found = salvage((directory / "flash.bin").read_bytes())
    verified = [verifier.verify(raw) for _, raw in found.batches]
    assert len(verified) >= 3
    return verified


@contextlib.contextmanager
def line(unit: int, kind: str) -> Iterator[int]:
    """Port of a meter with one fault."""
    profile = find(profiles_dir(), PROFILES.get(kind, PROFILE))
    speed = SPEEDS.get(kind, 1)
    meter = SimulatedMeter(profile, unit_id=unit, speed=speed, start_energy_wh=START_WH)
    with MeterServer([meter], faults=[fault_of(kind)], turnaround_ms=5) as server:
        server.start_tcp("127.0.0.1", 0)
        assert server.port is not None
        yield server.port
        assert server.injector.counts[kind] >= 1


def config(ports: list[int]) -> dict[str, object]:
    return {
        "station_id": "bench",
        "read_interval_s": 1,
        "seal_interval_s": 5,
        "meters": [
            {"profile": PROFILES.get(kind, PROFILE), "unit_id": unit, "bus": unit - 1}
            for unit, kind in enumerate(FAULTS, 1)
        ],
        "buses": [{"kind": "tcp", "host": "127.0.0.1", "port": port} for port in ports],
        "clock": {"ntp_host": ""},
        "log_level": "warn",
    }


def events(batches: list[VerifiedBatch], kind: str) -> list[tuple[int, Contents, list[int]]]:
    """(event, contents, indices of meters) of the meter with this fault."""
    unit = FAULTS.index(kind) + 1
    return [
        (event.kind, batch.contents, event.detail)
        for batch in batches
        for event in batch.contents.events
        if event.kind in (LOST, FOUND, CHANGED)
        and batch.contents.meters[event.detail[0]].unit == unit
    ]


def flags(batches: list[VerifiedBatch], kind: str) -> list[int]:
    """Flags of each reading of the meter with this fault, in order."""
    unit = FAULTS.index(kind) + 1
    return [
        int(flag)
        for batch in batches
        for group in batch.groups
        if batch.contents.meters[group.meter].unit == unit
        for flag in group.flags
    ]


def findings(batches: list[VerifiedBatch], kind: str) -> set[str]:
    """Codes of what the verifier found about the meter with this fault."""
    name = f"unit {FAULTS.index(kind) + 1}:"
    return {one.code for batch in batches for one in batch.findings if name in one.text}


def test_a_swapped_meter_is_a_signed_event_and_a_new_epoch(batches: list[VerifiedBatch]) -> None:
    ((event, contents, (before, after)),) = events(batches, "swapped")
    assert event == CHANGED and before != after
    assert contents.meters[before].identity != contents.meters[after].identity
    assert findings(batches, "swapped") == {"meter-changed"}


def test_a_changed_ratio_is_another_epoch_at_the_next_look(batches: list[VerifiedBatch]) -> None:
    """Set-up registers are read once a day and when the station starts."""
    unit = FAULTS.index("ratio") + 1
    seen = [m for batch in batches for m in batch.contents.meters if m.unit == unit]
    assert len({m.setup for m in seen}) == 2
    assert findings(batches, "ratio") == {"meter-changed"}


def test_zero_is_flagged_and_nothing_else(batches: list[VerifiedBatch]) -> None:
    seen = flags(batches, "zero")
    assert RETRIED | IMPLAUSIBLE in seen and seen[0] == seen[-1] == 0
    assert events(batches, "zero") == []


@pytest.mark.parametrize("kind", ["backward", "rollover"])
def test_a_register_that_falls_is_flagged_and_found(
    batches: list[VerifiedBatch], kind: str
) -> None:
    seen = flags(batches, kind)
    assert seen[0] == 0 and RETRIED | IMPLAUSIBLE in seen
    assert "register-backward" in findings(batches, kind)


def test_a_meter_that_starts_again_and_lost_energy_is_flagged(
    batches: list[VerifiedBatch],
) -> None:
    seen = flags(batches, "reboot")
    assert seen[0] == 0 and any(flag & IMPLAUSIBLE for flag in seen)
    assert "register-backward" in findings(batches, "reboot")
