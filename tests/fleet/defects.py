"""Defects of the example fleet, one for each station, and what a report must say about each.

Expected figures come from the loads that the fleet was made of, not from any rule of the report.
"""

import hashlib
import json
import math
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from tests.fleet.registry import hash_of
from tests.fleet.seal import Board
from tests.fleet.world import PROFILES, time_text

OTHER_PROFILE = "eastron-sdm220"


@dataclass
class Expected:
    """Findings: (code, subject) -> withheld mWh."""

    findings: dict = field(default_factory=dict)
    follows: set = field(default_factory=set)
    """Findings without energy that may come with it: which copy of a fork is first is chance."""
    subjects: set = field(default_factory=set)
    """What a finding that nobody expected would be about."""

    def entry(self, fleet, kind, **fields):
        """An entry of the registry that counts for nothing."""
        self.findings["not-countersigned", f"entry {len(fleet.registry.entries) + 1}"] = 0
        fleet.registry.add(kind, **fields)

    def add(self, code, line, milliwh=0):
        """A finding about a meter epoch."""
        self.findings[code, key_of(line)] = milliwh

    def gap(self, line, milliwh):
        """Unverified energy: what the installation's register in whole Wh left out is some too."""
        self.add("gap-unverified", line, milliwh + line.milliwh(0) % 1000)


def key_of(line):
    """As a report names a meter's first epoch: letters and digits alone, no leading zeros."""
    maker, serial = ("".join(filter(str.isalnum, one.upper())) for one in line.name().values())
    return f"{maker}/{serial.lstrip('0')}/1"


def moving(line, low, high):
    """A reading index at or behind `low` before which the register moved, and after it."""
    words = line.counter.words(line.energy)
    for index in range(low, high):
        if words[index] != words[index - 1] and words[index + 1] != words[index]:
            return index
    raise ValueError("a meter that stands still")


def outage(fleet, station, random, expected):
    """No readings for some hours."""
    line = station.lines[0]
    first = moving(line, int(random.integers(500, 1500)), 2_000)
    behind = moving(line, first + int(random.integers(8, 90)), 2_500)
    station.skip = np.arange(first, behind)
    expected.gap(line, line.milliwh(behind) - line.milliwh(first - 1))


def cloned_board(fleet, station, random, expected):
    """A copied key goes on from a copied chain; both copies deliver their batches."""
    line, size = station.lines[0], fleet.plan.batch_readings
    at = int(random.integers(5, 20)) * size
    count = len(station.times)
    station.batches += fleet.seal(station, indices=np.arange(at))
    copy = station.board.clone()
    station.batches += fleet.seal(station, indices=np.arange(at, count))
    station.batches += fleet.seal(station, board=copy, indices=np.arange(at + 1, at + 60))
    expected.findings["chain-fork", station.board.kid.hex()] = 0
    expected.follows.add(("batch-refused", station.board.kid.hex()))
    expected.add("chain-fork", line, line.milliwh(count - 1) - line.milliwh(at - 1))


def two_boards(fleet, station, random, expected):
    """A second board reads the same meter for a while."""
    line = station.lines[0]
    first = moving(line, int(random.integers(500, 1500)), 2_000)
    last = moving(line, first + int(random.integers(100, 900)), 2_990)
    second = Board(f"{fleet.plan.seed}/second", station.board.boot_unix_ms)
    second.key_class = fleet.plan.key_class
    station.batches += fleet.seal(station)
    station.batches += fleet.seal(station, board=second, indices=np.arange(first, last + 1))

    def entries():
        fleet.registry.enrol(second, station.id)
        opening_ms = int(fleet.times[0]) - 3_600_000
        fleet.install(station, line, second, opening_ms, line.milliwh(0))

    fleet.extra_entries.append(entries)
    expected.add("claim-two-devices", line, line.milliwh(last) - line.milliwh(first))


def nested_meter(fleet, station, random, expected):
    """A meter behind the station's meter is registered as if it counted by itself."""
    parent = station.lines[0]
    share = int(random.integers(200, 700))
    energy = parent.energy * share // 1000
    child = fleet.single(900, 9, "main", energy, random, parent.name())
    station.lines.append(child)
    expected.add(
        "claim-nested-meter", child, child.milliwh(len(station.times) - 1) - child.milliwh(0)
    )


def replaced_meter(fleet, station, random, expected):
    """The meter is replaced; for an hour nothing is metered."""
    old, board = station.lines[0], station.board
    last = int(random.integers(500, 2_500))
    first = last + 4
    new = fleet.single(901, 1, "main", old.energy, random)
    station.batches += fleet.seal(station, indices=np.arange(last + 1))
    later = np.arange(first, len(station.times))
    station.batches += fleet.seal(station, board=board, indices=later, lines=[new])

    def entries():
        fleet.registry.add(
            "meter-remove",
            countersign=True,
            meter=old.name(),
            register_wh=math.ceil(old.milliwh(last) / 1000),
            final_test_sha256="ab" * 32,
            until=time_text(station.times[last] + 60_000),
            reason="display dead",
        )
        since_ms = int(station.times[first]) - 60_000
        new.unit_has_children = False
        fleet.install(station, new, board, since_ms, new.milliwh(first))
        fleet.calibrate(new)

    fleet.extra_entries.append(entries)
    expected.add("meter-replaced", old)


def replaced_board(fleet, station, random, expected):
    """Another board takes the meter over; what lies between both saw nobody."""
    line = station.lines[0]
    first = moving(line, int(random.integers(500, 1500)), 2_500)
    board = Board(f"{fleet.plan.seed}/new", int(station.times[first]) - 5_000)
    board.key_class = fleet.plan.key_class
    station.batches += fleet.seal(station, indices=np.arange(first))
    later = np.arange(first, len(station.times))
    station.batches += fleet.seal(station, board=board, indices=later)

    def entries():
        fleet.registry.enrol(board, station.id)
        at_time = time_text(station.times[first] - 60_000)
        fleet.registry.replace_device(station.board, board, at_time)

    fleet.extra_entries.append(entries)
    expected.add("device-replaced", line)
    expected.gap(line, line.milliwh(first) - line.milliwh(first - 1))


def overdue_calibration(fleet, station, random, expected):
    """The certificate ends within the period, and nobody tested the meter since."""
    line = station.lines[0]
    at = int(random.integers(500, 2_500))
    fleet.calibration_until[line.serial] = time_text(station.times[at])
    overdue = line.milliwh(len(station.times) - 1) - line.milliwh(at)
    expected.add("calibration-provisional", line, Fraction(overdue, 100))


def changed_ratio(fleet, station, random, expected):
    """Somebody changes the set-up of the meter."""
    line = station.lines[0]
    at = int(random.integers(500, 2_500))
    station.batches += fleet.seal(station, indices=np.arange(at))
    wire = replace(line.wire, setup=((3, 0xF920, b"\0\0\0\5"),))
    changed = replace(line, wire=wire)
    later = np.arange(at, len(station.times))
    station.batches += fleet.seal(station, indices=later, lines=[changed])
    last = len(station.times) - 1
    expected.add("setup-changed", line, line.milliwh(last) - line.milliwh(at - 1))


def wrong_profile(fleet, station, random, expected):
    """For some days the board reads the meter by another meter's profile."""
    line = station.lines[0]
    first = moving(line, int(random.integers(500, 1500)), 2_000)
    behind = moving(line, first + int(random.integers(100, 300)), 2_500)
    data = (PROFILES / f"{OTHER_PROFILE}.json").read_bytes()
    digest = hashlib.sha256(data).digest()[:16]
    wire = replace(line.wire, profile=OTHER_PROFILE, profile_hash=digest)
    count = len(station.times)
    station.batches += fleet.seal(station, indices=np.arange(first))
    wrong = [replace(line, wire=wire)]
    station.batches += fleet.seal(station, indices=np.arange(first, behind), lines=wrong)
    station.batches += fleet.seal(station, indices=np.arange(behind, count))
    expected.add("profile-mismatch", line)
    expected.gap(line, line.milliwh(behind) - line.milliwh(first - 1))


def overlapping_activity(fleet, station, random, expected):
    """Another activity claimed part of the meter's register."""
    line = station.lines[0]
    first, last = sorted(random.integers(100, 5_000, 2).tolist())
    fleet.other_book = book(fleet, "OTHER-1", line, line.milliwh(first), line.milliwh(last))
    expected.add("claim-other-activity", line, line.milliwh(last) - line.milliwh(first))


def reused_closing(fleet, station, random, expected):
    """The report before closed at a register that lies within this period."""
    line = station.lines[0]
    at = int(random.integers(500, 2_500))
    opening = line.milliwh(0)
    fleet.book = book(fleet, fleet.plan.activity, line, opening, line.milliwh(at))
    installed = opening // 1000 * 1000  # registries have whole Wh
    expected.add("claim-reused", line, line.milliwh(at) - installed)


def book(fleet, activity, line, opening, closing):
    """A book of one locked report, of the month before."""
    entry = {
        "n": 1,
        "previous": "",
        "id": f"{activity}_before",
        "activity": activity,
        "first_day": "2025-12-01",
        "last_day": "2025-12-31",
        "version": 1,
        "supersedes": "",
        "report_sha256": hash_of({"activity": activity}),
        "exact_t": {"2025": "1/2"},
        "issued_t": {"2025": 0},
        "claims": [
            {
                "meter": key_of(line),
                "opening_milliwh": opening,
                "closing_milliwh": closing,
            }
        ],
        "allocated_t": {},
        "setups": {},
    }
    document = {"format": "meterseal-report-book", "version": 1, "entries": [entry]}
    return json.dumps(document).encode()
