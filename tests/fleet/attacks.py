"""More defects: what one person could try alone, and how meters and readings can mislead."""

from dataclasses import replace

import numpy as np

from tests.fleet.defects import (
    Expected,
    changed_ratio,
    cloned_board,
    key_of,
    moving,
    nested_meter,
    outage,
    overdue_calibration,
    overlapping_activity,
    replaced_board,
    replaced_meter,
    reused_closing,
    two_boards,
    wrong_profile,
)
from tests.fleet.load import random_of
from tests.fleet.registry import key_of as role_key
from tests.fleet.seal import Board
from tests.fleet.world import time_text

DAY_MS = 86_400_000


def board_of(fleet, name, t_unix_ms):
    """Another board of the fleet's kind."""
    made = Board(f"{fleet.plan.seed}/{name}", int(t_unix_ms), fleet.plan.key_class)
    made.read_interval_ms = fleet.plan.read_interval_s * 1000
    return made


def slipped_in_key(fleet, station, random, expected):
    """A key on a laptop invents energy; the operator enters it alone and countersigns alone."""
    line = station.lines[0]
    at = int(random.integers(500, 1500))
    invented = replace(line, energy=line.energy.copy())
    invented.energy[at:] += np.arange(len(line.energy) - at) * 1000
    laptop = board_of(fleet, "laptop", station.times[at] - 5_000)
    later = np.arange(at, len(station.times))
    station.batches += fleet.seal(station)
    station.batches += fleet.seal(station, board=laptop, indices=later, lines=[invented])

    def entries():
        real, fleet.registry.second = fleet.registry.second, role_key("the operator's friend")
        number = len(fleet.registry.entries) + 1
        fleet.registry.enrol(laptop, station.id)
        fleet.registry.second = real
        expected.findings["not-countersigned", f"entry {number}"] = 0
        expected.entry(
            fleet,
            "replace-device",
            old_device_id=station.board.kid.hex(),
            new_device_id=laptop.kid.hex(),
            at_time=time_text(station.times[at] - 60_000),
        )

    fleet.extra_entries.append(entries)
    expected.findings["device-unbound", laptop.kid.hex()] = 0


def unsigned_sources(fleet, station, random, expected):
    """At the end of the year the operator enters that the station ran on solar power alone."""
    fields = {"station": station.id, "name": station.name, "activity": fleet.plan.activity}
    fields["sources"] = [{"source": "pv", "share_ppm": 1_000_000}]
    fleet.extra_entries.append(lambda: expected.entry(fleet, "station", **fields))


def unsigned_calibration(fleet, station, random, expected):
    """The certificate ends within the period; the operator enters another one alone."""
    overdue_calibration(fleet, station, random, expected)
    fields = {
        "meter": station.lines[0].name(),
        "calibrated_at": "2025-12-01T00:00:00Z",
        "valid_until": "2031-06-01T00:00:00Z",
        "certificate_sha256": "ab" * 32,
        "mpe_ppm": 10_000,
    }
    fleet.extra_entries.append(lambda: expected.entry(fleet, "calibration", **fields))


def child_elsewhere(fleet, station, random, expected):
    """A meter behind the station's meter is registered at another station."""
    parent, other = station.lines[0], fleet.stations[-1]
    energy = parent.energy * int(random.integers(200, 700)) // 1000
    child = fleet.single(902, 9, "main", energy, random, parent.name())
    child.unit_has_children = False
    station.batches += fleet.seal(station, lines=[parent, child])

    def entries():
        start_ms = int(fleet.times[0]) - DAY_MS
        fleet.install(other, child, station.board, start_ms, child.milliwh(0))
        fleet.calibrate(child)

    fleet.extra_entries.append(entries)
    last = len(station.times) - 1
    expected.add("claim-nested-meter", child, child.milliwh(last) - child.milliwh(0))


def spelt_otherwise(fleet, station, random, expected):
    """A second board reads the meter, which is registered once more in another spelling."""
    line = station.lines[0]
    first = moving(line, int(random.integers(500, 1500)), 2_000)
    last = moving(line, first + int(random.integers(100, 900)), 2_990)
    second = board_of(fleet, "spelt", station.board.boot_unix_ms)
    station.batches += fleet.seal(station)
    station.batches += fleet.seal(station, board=second, indices=np.arange(first, last + 1))
    other = replace(line, maker=f" {line.maker.upper()}-", serial=f"00 {line.serial}")
    other.unit_has_children = False

    def entries():
        fleet.registry.enrol(second, station.id)
        fleet.install(station, other, second, int(fleet.times[0]) - DAY_MS, line.milliwh(0))

    fleet.extra_entries.append(entries)
    expected.add("claim-two-devices", line, line.milliwh(last) - line.milliwh(first))


def late_first_reading(fleet, station, random, expected):
    """The first reading comes days after the installation."""
    line = station.lines[0]
    first = moving(line, int(random.integers(100, 900)), 1_000)
    station.skip = np.arange(first)
    expected.add("gap-unverified", line, line.milliwh(first) - line.milliwh(0) // 1000 * 1000)


def silent_before_removal(fleet, station, random, expected):
    """The last reading comes days before the removal."""
    line, count = station.lines[0], len(station.times)
    last = count - int(random.integers(100, 900))
    station.batches += fleet.seal(station, indices=np.arange(last + 1))
    final_wh = -(-line.milliwh(count - 1) // 1000)

    def entries():
        fleet.registry.add(
            "meter-remove",
            countersign=True,
            meter=line.name(),
            register_wh=final_wh,
            final_test_sha256="ab" * 32,
            until=time_text(station.times[count - 1] - 60_000),
            reason="moved",
        )

    fleet.extra_entries.append(entries)
    expected.gap(line, final_wh * 1000 - line.milliwh(last))
    expected.add("meter-replaced", line)


def foreign_serial(fleet, station, random, expected):
    """For some days the board reads another meter, as its serial number says."""
    line = station.lines[0]
    first = moving(line, int(random.integers(500, 1500)), 2_000)
    behind = moving(line, first + int(random.integers(2, 300)), 2_500)
    wire = replace(line.wire, identity=((3, 0xFC00, (99_999_999).to_bytes(4, "big")),))
    station.batches += fleet.seal(station, indices=np.arange(first))
    wrong = [replace(line, wire=wire)]
    station.batches += fleet.seal(station, indices=np.arange(first, behind), lines=wrong)
    later = np.arange(behind, len(station.times))
    station.batches += fleet.seal(station, indices=later)
    expected.add("serial-mismatch", line)
    expected.gap(line, line.milliwh(behind) - line.milliwh(first - 1))


def bad_polls(fleet, station, random, expected):
    """One poll reads 0, another one far too much; nothing is lost by it."""
    line = station.lines[0]
    line.energy = line.energy.copy()
    zero, spike = (int(random.integers(low, low + 900)) for low in (500, 1500))
    line.energy[zero] = -line.counter.start_wh
    line.energy[spike] += 10_000_000
    expected.add("reading-isolated", line)


def rolled_over(fleet, station, random, expected):
    """The board goes on with a new key that the old one named."""
    line, old = station.lines[0], station.board
    first = moving(line, int(random.integers(500, 1500)), 2_500)
    new = board_of(fleet, "rolled", station.times[first] - 5_000)
    new.genesis = 3
    station.batches += fleet.seal(station, indices=np.arange(first))
    later = np.arange(first, len(station.times))
    station.batches += fleet.seal(station, board=new, indices=later)
    statement = old.name_successor(new).hex()

    def entries():
        fleet.registry.enrol(new, station.id)
        ids = {"old_device_id": old.kid.hex(), "new_device_id": new.kid.hex()}
        fleet.registry.add("rollover", countersign=True, statement=statement, **ids)

    fleet.extra_entries.append(entries)
    expected.gap(line, line.milliwh(first) - line.milliwh(first - 1))


DEFECTS = (
    outage,
    cloned_board,
    two_boards,
    nested_meter,
    replaced_meter,
    replaced_board,
    overdue_calibration,
    changed_ratio,
    wrong_profile,
    overlapping_activity,
    reused_closing,
    slipped_in_key,
    unsigned_sources,
    unsigned_calibration,
    child_elsewhere,
    spelt_otherwise,
    late_first_reading,
    silent_before_removal,
    foreign_serial,
    bad_polls,
    rolled_over,
)


def inject(fleet):
    """Every defect at a station of its own, with one meter; name -> Expected."""
    single = [one for one in fleet.stations if len(one.lines) == 1]
    found = {}
    for defect, station in zip(DEFECTS, single, strict=False):
        expected = found[defect.__name__] = Expected()
        expected.subjects |= {station.id, station.board.kid.hex(), key_of(station.lines[0])}
        defect(fleet, station, random_of(fleet.plan.seed, "defect", defect.__name__), expected)
    return found
