"""What a report counts of devices that the registry has something to say about.

A station's January, whole, against the same one revoked, not countersigned, simulated, or with
another trust file: the table of SECURITY.md, its last column.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from meterseal.errors import Error, PolicyRefused, TrustError
from meterseal.mrv.activity import load_activity
from meterseal.mrv.cuts import Period
from meterseal.mrv.installations import Installations
from meterseal.mrv.run import Outcome, Request, run
from meterseal.resources import profiles_dir

from tests.fleet.registry import fingerprint, key_of
from tests.fleet.seal import Board
from tests.fleet.world import OFFSET_MIN, Fleet, Plan, time_text

FIRST, LAST = date(2026, 1, 1), date(2026, 1, 31)
Change = Callable[[Fleet], None]


def fleet_of(**plan: Any) -> Fleet:
    return Fleet(Plan("verdicts", stations=1, first=FIRST, last=LAST, **plan))


def report(path: Path, fleet: Fleet, demo: bool = False, **more: Any) -> Outcome:
    """The report of the month over a fleet's files."""
    fleet.register()
    fleet.seal_all()
    fleet.write(path)
    anchor = fingerprint(more.pop("operator", fleet.registry.operator))
    return run(
        Request(
            activity=load_activity(path / "activity.toml"),
            period=Period(FIRST, LAST, OFFSET_MIN),
            paths=(path / "archive",),
            trust_data=more.pop("trust_data", None) or (path / "trust.json").read_bytes(),
            profiles=tuple(one.read_bytes() for one in sorted(profiles_dir().glob("*.json"))),
            book_data=b'{"format": "meterseal-report-book", "version": 1, "entries": []}',
            anchors=(anchor,),
            demo=demo,
        )
    )


def credited_milliwh(outcome: Outcome) -> int:
    return int(sum(ledger.baseline for ledger in outcome.ledgers))


def codes(outcome: Outcome) -> set[str]:
    return {one.code for one in outcome.findings.sorted}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return report(tmp_path_factory.mktemp("whole"), fleet_of())


def test_in_order(whole: Outcome) -> None:
    assert credited_milliwh(whole) > 1_000_000
    assert not whole.results[0].refused
    assert isinstance(whole.registry, Installations)


def test_revoked_counts_what_was_sealed_before(tmp_path: Path, whole: Outcome) -> None:
    fleet = fleet_of()
    half = int(fleet.times[len(fleet.times) // 2])
    board = fleet.stations[0].board
    fleet.extra_entries.append(
        lambda: fleet.registry.add(
            "revoke", device_id=board.kid.hex(), since=time_text(half), reason="stolen"
        )
    )
    found = report(tmp_path, fleet)
    assert 0 < credited_milliwh(found) < credited_milliwh(whole)
    assert set(found.results[0].refused) == {"key-revoked"}


def test_a_replaced_board_goes_on_where_the_old_one_stopped(
    tmp_path: Path, whole: Outcome
) -> None:
    fleet = fleet_of()
    (station,) = fleet.stations
    half = len(fleet.times) // 2
    at_ms = int(fleet.times[half]) + 60_000
    new = Board("the other board", at_ms, "software", fleet.plan.read_interval_s * 1000)
    fleet.extra_entries.append(lambda: replace_board(fleet, station.board, new, at_ms))
    indices = np.arange(len(fleet.times))
    station.batches += fleet.seal(station, indices=indices[: half + 1])
    station.batches += fleet.seal(station, board=new, indices=indices[half + 1 :])
    found = report(tmp_path, fleet)
    assert [sum(one.refused.values()) for one in found.results] == [0, 0]
    lost_milliwh = credited_milliwh(whole) - credited_milliwh(found)
    assert 0 <= lost_milliwh < 8_000_000  # at most what flowed between the two boards


def replace_board(fleet: Fleet, old: Board, new: Board, at_ms: int) -> None:
    """What `meterseal devices replace-device` enters."""
    fleet.registry.enrol(new, fleet.stations[0].id)
    fleet.registry.replace_device(old, new, time_text(at_ms))
    fleet.registry.add("retire", device_id=old.kid.hex(), since=time_text(at_ms + 3_600_000))


def test_an_enrolment_without_countersignature_earns_nothing(tmp_path: Path) -> None:
    fleet = fleet_of()
    add = fleet.registry.add

    def once(kind: str, countersign: bool = False, **fields: Any) -> None:
        add(kind, countersign=countersign and kind != "enrol", **fields)

    fleet.registry.add = once
    found = report(tmp_path, fleet)
    assert credited_milliwh(found) == 0
    assert set(found.results[0].refused) == {"not-countersigned"}


def test_a_meter_without_countersignature_is_for_review(tmp_path: Path) -> None:
    fleet = fleet_of()
    add = fleet.registry.add

    def once(kind: str, countersign: bool = False, **fields: Any) -> None:
        add(kind, countersign=countersign and kind != "meter-install", **fields)

    fleet.registry.add = once
    found = report(tmp_path, fleet)
    assert credited_milliwh(found) == 0
    assert "not-countersigned" in codes(found)


def test_simulated_keys_are_refused_without_demo(tmp_path: Path, whole: Outcome) -> None:
    with pytest.raises(PolicyRefused) as refusal:
        report(tmp_path / "refused", fleet_of(key_class="sim"))
    assert refusal.value.code == "key-simulated"
    shown = report(tmp_path / "shown", fleet_of(key_class="sim"), demo=True)
    assert "key-simulated" in codes(shown)
    assert credited_milliwh(shown) == credited_milliwh(whole)


def test_an_export_altered_or_of_a_stranger_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "a", operator=key_of("somebody else")) == "trust-anchor"
    fleet = fleet_of()
    fleet.register()
    altered = fleet.registry.trust_file().replace(b'"rated_w": 7400', b'"rated_w": 9900')
    assert refused(tmp_path / "b", trust_data=altered) == "trust-chain"


def refused(path: Path, **more: Any) -> str:
    with pytest.raises(TrustError) as refusal:
        report(path, fleet_of(), **more)
    assert isinstance(refusal.value, Error)
    return refusal.value.code
