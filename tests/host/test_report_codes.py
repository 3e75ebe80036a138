"""Every finding code of a report, made to appear by a fleet in which just that goes wrong."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from meterseal.mrv.evidence import write_evidence
from meterseal.mrv.exact import pretty
from meterseal.mrv.recompute import recompute
from meterseal.mrv.rules_text import CODES
from meterseal.mrv.run import Outcome, run
from meterseal.report.document import build as document_of

from tests.fleet.defects import key_of
from tests.fleet.load import random_of
from tests.fleet.reporting import anchors_of, request_of
from tests.fleet.seal import Board
from tests.fleet.world import Fleet, Plan, build, time_text

PLAN = Plan(
    "codes",
    stations=2,
    read_interval_s=3600,
    batch_readings=24,
    vehicles=400,
    max_interval_s=7200,
)
AT = 480
ELSEWHERE = {
    "test_report_defects.py": "the table of defects, tests/fleet/defects.py and attacks.py",
    "test_report_refusals.py": "",
    "test_report_locked.py": "",
    "test_report_trust_gate.py": "",
}
IN_THE_TABLE = {
    *("chain-fork", "profile-mismatch", "serial-mismatch", "setup-changed", "gap-unverified"),
    *("calibration-provisional", "meter-replaced", "device-replaced", "claim-reused"),
    *("claim-other-activity", "claim-two-devices", "claim-nested-meter", "reading-isolated"),
    *("not-countersigned", "device-unbound"),
}
Change = Callable[[Fleet], Any]


@dataclass
class Case:
    """What goes wrong: before sealing (`change`), in the files (`edit`), in the request."""

    change: Change = lambda fleet: None
    edit: Callable[[Path, Fleet], None] = lambda folder, fleet: None
    plan: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


def first(fleet: Fleet) -> tuple[Any, Any]:
    """The first station and its meter."""
    return fleet.stations[0], fleet.stations[0].lines[0]


def parts(fleet: Fleet, *edges: int) -> list[np.ndarray]:
    """Indices of the first station's readings, cut at edges."""
    return np.split(np.arange(len(fleet.times)), list(edges))


def flipped(fleet: Fleet) -> None:
    station, _ = first(fleet)
    station.batches = fleet.seal(station)
    bad = bytearray(station.batches[9])
    bad[-1] ^= 1
    station.batches[9] = bytes(bad)


def foreign(folder: Path, fleet: Fleet) -> None:
    build(replace(PLAN, seed="foreign", stations=1), folder / "foreign")
    for one in (folder / "foreign" / "archive").iterdir():
        one.rename(folder / "archive" / one.name)


def junk(folder: Path, fleet: Fleet) -> None:
    (folder / "archive" / "junk.cborseq").write_bytes(b"\xd2\x84" + bytes(4000))


def silenced(folder: Path, fleet: Fleet) -> None:
    (folder / "archive" / f"{fleet.stations[1].board.kid.hex()}.cborseq").unlink()


def half(fleet: Fleet) -> None:
    station, _ = first(fleet)
    station.batches = fleet.seal(station, indices=np.arange(31 * 24))


def restarted(fleet: Fleet) -> None:
    station, _ = first(fleet)
    before, behind = parts(fleet, AT)
    station.batches = fleet.seal(station, indices=before)
    station.board.restart()
    station.batches += fleet.seal(station, indices=behind)


def last_one_wrong(fleet: Fleet) -> None:
    _, line = first(fleet)
    line.energy = line.energy.copy()
    line.energy[-1] += 10_000_000


def set_aside(fleet: Fleet) -> None:
    _, line = first(fleet)
    line.energy = line.energy.copy()
    line.energy[AT : AT + 4] = 0
    span = {"from": fleet.times[AT], "until": fleet.times[AT + 4]}
    entry = {name: time_text(value) for name, value in span.items()}
    fleet.extra_entries.append(
        lambda: fleet.registry.add(
            "set-aside", countersign=True, meter=line.name(), reason="rewired", **entry
        )
    )


def lost(fleet: Fleet) -> None:
    station, _ = first(fleet)
    before, missing, behind = parts(fleet, AT, AT + 48)
    station.batches = fleet.seal(station, indices=before)
    station.board.lose(len(missing))
    station.batches += fleet.seal(station, indices=behind)


def recovered(fleet: Fleet) -> None:
    station, line = first(fleet)
    before, late, behind = parts(fleet, AT, AT + 5)
    board = station.board
    station.batches = fleet.seal(station, indices=before)
    earlier = board.boot, board.boot_unix_ms
    board.reboot(int(station.times[AT + 5]) - 5_000)
    words = line.counter.words(line.energy[late])
    readings = [(line.wire, station.times[late], [words])]
    station.batches.append(board.seal(readings, of_boot=earlier))
    station.batches += fleet.seal(station, indices=behind)


def uncalibrated(fleet: Fleet) -> None:
    calibrate = fleet.calibrate
    _, own = first(fleet)
    fleet.calibrate = lambda line, **more: line is own or calibrate(line, **more)


def late_calibration(fleet: Fleet) -> None:
    _, line = first(fleet)
    fleet.calibration_until[line.serial] = time_text(fleet.times[AT])
    since = time_text(fleet.times[AT + 200])
    fleet.extra_entries.append(lambda: fleet.calibrate(line, since, error_found_ppm=20_000))


def unknown_profile(fleet: Fleet) -> None:
    station, line = first(fleet)
    wrong = replace(line, wire=replace(line.wire, profile_hash=bytes(16)))
    before, behind = parts(fleet, AT)
    station.batches = fleet.seal(station, indices=before)
    station.batches += fleet.seal(station, indices=behind, lines=[wrong])


def removed_untested(fleet: Fleet) -> None:
    _, line = first(fleet)
    last = len(fleet.times) - 1
    fleet.extra_entries.append(
        lambda: fleet.registry.add(
            "meter-remove",
            countersign=True,
            meter=line.name(),
            register_wh=-(-line.milliwh(last) // 1000),
            until=time_text(fleet.times[last]),
            reason="moved",
        )
    )


def installing(**changed: Any) -> Change:
    """The first meter's installation says something else."""

    def change(fleet: Fleet) -> None:
        install, (_, own) = fleet.install, first(fleet)

        def other(station: Any, line: Any, *arguments: Any, **more: Any) -> None:
            more |= {k: v(fleet) for k, v in changed.items()} if line is own else {}
            install(station, line, *arguments, **more)

        fleet.install = other

    return change


def children_saw_more(fleet: Fleet) -> None:
    for line in fleet.stations[0].lines[1:]:
        line.energy = line.energy * 3 // 2


def own_use(fleet: Fleet) -> None:
    station, line = first(fleet)
    energy = line.energy // 10
    used = fleet.single(903, 9, "own-use", energy, random_of("own use"), line.name())
    station.lines.append(used)


def clock_back(fleet: Fleet) -> None:
    station, _ = first(fleet)
    before, behind = parts(fleet, AT)
    station.batches = fleet.seal(station, indices=before)
    station.times = station.times.copy()
    station.times[AT:] -= 3 * 3_600_000
    station.board.reboot(int(station.times[AT]) - 5_000)
    station.batches += fleet.seal(station, indices=behind)


def unbound(fleet: Fleet) -> None:
    station, _ = first(fleet)
    other = Board("unbound", station.board.boot_unix_ms, "software", 3_600_000)
    station.batches = fleet.seal(station)
    station.batches += fleet.seal(station, board=other)
    fleet.extra_entries.append(lambda: fleet.registry.enrol(other, station.id))


def edited(name: str, old: str, new: str) -> Callable[[Path, Fleet], None]:
    """A file in which a text is another one; without `old` it is appended."""

    def edit(folder: Path, fleet: Fleet) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1) if old else text + new)

    return edit


def imprecise(folder: Path, fleet: Fleet) -> None:
    rows = "".join(
        f"moto,2026-01-0{i + 1},ac_charger_input,100000,{1000 + 2000 * i}\n" for i in range(5)
    )
    header = (folder / "samples.csv").read_text().split("\n")[0]
    (folder / "samples.csv").write_text(f"{header}\n{rows}")


BILL = "KH-0001,2026-01-01,2026-01-31,"
CASES = {
    "batch-refused": Case(flipped),
    "unanchored": Case(options={"anchors": ()}),
    "key-simulated": Case(plan={"key_class": "sim"}, options={"demo": True}),
    "device-unknown": Case(edit=foreign),
    "device-unbound": Case(unbound),
    "archive-damaged": Case(edit=junk),
    "meter-silent": Case(edit=silenced),
    "meter-partly-silent": Case(half),
    "coverage-low": Case(half),
    "chain-restart": Case(restarted),
    "reading-unconfirmed": Case(last_one_wrong),
    "set-aside": Case(set_aside),
    "gap-stated": Case(lost),
    "recovered": Case(recovered),
    "calibration-missing": Case(uncalibrated),
    "calibration-overdue": Case(late_calibration),
    "profile-unknown": Case(unknown_profile),
    "replacement-incomplete": Case(removed_untested),
    "outside-installation": Case(installing(**{"from": lambda f: time_text(f.times[AT])})),
    "outside-registers": Case(installing(register_wh=lambda f: first(f)[1].milliwh(AT) // 1000)),
    "invoice-differs": Case(edit=edited("invoices.csv", "", f"{BILL}1\n")),
    "invoice-outside": Case(
        edit=edited("invoices.csv", "", "KH-0001,2025-12-20,2026-01-19,900\n")
    ),
    "children-exceed-parent": Case(children_saw_more, plan={"with_connectors": 1}),
    "consumption-outdated": Case(
        edit=edited("samples.csv", "", "moto,1999-01-01,ac_charger_input,200000,6000\n")
    ),
    "consumption-imprecise": Case(edit=imprecise),
    "vehicle-class-missing": Case(installing(vehicle_class=lambda f: "")),
    "vehicles-none": Case(installing(vehicle_class=lambda f: "car")),
    "vehicles-distance": Case(plan={"vehicles": 1}),
    "own-use": Case(own_use),
    "reduction-negative": Case(edit=edited("activity.toml", 'value = "0.60"', 'value = "6.00"')),
    "clock-rejected": Case(clock_back),
}
RARE = {"register-decrease", "register-implausible", "year-crossing", "clock-unset"}
LOCKED = {"deficit", "deficit-carried"}


def outcome_of(folder: Path, case: Case) -> tuple[Outcome, Fleet]:
    """The report on a fleet in which a case was made true."""
    fleet, _ = build(replace(PLAN, **case.plan), folder, case.change)
    case.edit(folder, fleet)
    return run(request_of(folder, fleet, **case.options)), fleet


@pytest.mark.parametrize("code", CASES)
def test_each_code_appears(code: str, tmp_path: Path) -> None:
    outcome, _ = outcome_of(tmp_path, CASES[code])
    found = {one.code for one in outcome.findings.sorted}
    assert code in found, found


def test_every_code_has_a_test() -> None:
    assert CASES.keys() | IN_THE_TABLE | RARE | LOCKED == CODES.keys()
    folder = Path(__file__).parent
    for code in RARE:
        assert f'"{code}"' in (folder / "test_report_refusals.py").read_text()
    for code in LOCKED:
        assert f'"{code}"' in (folder / "test_report_locked.py").read_text()
    table = "".join(
        (folder.parent / "fleet" / name).read_text() for name in ("attacks.py", "defects.py")
    )
    assert all(f'"{code}"' in table or code == "gap-unverified" for code in IN_THE_TABLE)


def withheld(outcome: Outcome, code: str) -> Fraction:
    return sum(
        (one.withheld_milliwh for one in outcome.findings.sorted if one.code == code), Fraction(0)
    )


def test_a_gap_that_the_chain_states_is_told_apart(tmp_path: Path) -> None:
    outcome, fleet = outcome_of(tmp_path, CASES["gap-stated"])
    _, line = first(fleet)
    assert withheld(outcome, "gap-stated") == line.milliwh(AT + 48) - line.milliwh(AT - 1)


def test_a_longer_gap_than_the_stated_losses_explain_is_not_stated(tmp_path: Path) -> None:
    def change(fleet: Fleet) -> None:
        station, _ = first(fleet)
        before, _, behind = parts(fleet, AT, AT + 48)
        station.batches = fleet.seal(station, indices=before)
        station.board.lose(10)
        station.batches += fleet.seal(station, indices=behind)

    outcome, _ = outcome_of(tmp_path, Case(change))
    codes = {one.code for one in outcome.findings.sorted}
    assert "gap-stated" not in codes and "gap-unverified" in codes


def test_what_is_set_aside_costs_its_own_energy_only(tmp_path: Path) -> None:
    outcome, fleet = outcome_of(tmp_path, CASES["set-aside"])
    _, line = first(fleet)
    key, last = key_of(line), len(fleet.times) - 1
    (ledger,) = [one for one in outcome.ledgers if one.installation.key == key]
    gap = line.milliwh(AT + 4) - line.milliwh(AT - 1)
    assert ledger.baseline == line.milliwh(last) - line.milliwh(0) - gap


def test_mid_month_bills_are_compared_to_the_day(tmp_path: Path) -> None:
    fleet, _ = build(replace(PLAN, stations=1, with_pv=1), tmp_path)
    _, line = first(fleet)
    days = [(index // 24) for index in (14 * 24, 45 * 24)]
    energy = line.milliwh(days[1] * 24) - line.milliwh(days[0] * 24)
    bill = f"KH-0001,2026-01-15,2026-02-14,{energy * 7 // 10 / 1e6:.6f}\n"
    (tmp_path / "invoices.csv").write_text(f"station,from,until,energy_kwh\n{bill}")
    outcome = run(request_of(tmp_path, fleet))
    ((_, metered),) = outcome.invoices
    assert metered == Fraction(energy * 7, 10 * 10**6)
    assert not [one for one in outcome.findings.sorted if one.code.startswith("invoice")]


def test_nothing_counts_long_before_the_key_was_enrolled(tmp_path: Path) -> None:
    def change(fleet: Fleet) -> None:
        fleet.registry.at = time_text(fleet.times[AT])

    outcome, fleet = outcome_of(tmp_path, Case(change))
    _, line = first(fleet)
    (ledger, _) = outcome.ledgers
    last, start = len(fleet.times) - 1, AT - 7 * 24
    assert ledger.baseline == line.milliwh(last) - line.milliwh(start)
    assert "outside-installation" in {one.code for one in outcome.findings.sorted}


def test_another_meter_in_place_of_one_needs_its_initial_test(tmp_path: Path) -> None:
    outcome, _ = outcome_of(tmp_path / "without", Case(replaced("")))
    texts = [one.text for one in outcome.findings.sorted if one.code == "replacement-incomplete"]
    assert len(texts) == 1 and "initial test" in texts[0]
    outcome, _ = outcome_of(tmp_path / "with", Case(replaced("ab" * 32)))
    assert "replacement-incomplete" not in {one.code for one in outcome.findings.sorted}


def replaced(initial_test: str) -> Change:
    """Another meter takes the first one's place."""

    def change(fleet: Fleet) -> None:
        station, old = first(fleet)
        new = fleet.single(904, 1, "main", old.energy, random_of("new"))
        new.unit_has_children = False
        before, behind = parts(fleet, AT)
        station.batches = fleet.seal(station, indices=before)
        station.batches += fleet.seal(station, indices=behind, lines=[new])

        def entries() -> None:
            removal = {"until": time_text(fleet.times[AT - 1] + 1000), "reason": "broken"}
            removal |= {"meter": old.name(), "final_test_sha256": "ab" * 32}
            register_wh = -(-old.milliwh(AT - 1) // 1000)
            fleet.registry.add(
                "meter-remove", countersign=True, register_wh=register_wh, **removal
            )
            test = {"initial_test_sha256": initial_test}
            since = int(fleet.times[AT]) - 1000
            fleet.install(station, new, station.board, since, new.milliwh(AT), **test)
            fleet.calibrate(new)

        fleet.extra_entries.append(entries)

    return change


def test_meters_behind_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    def change(fleet: Fleet) -> None:
        names = [one.lines[0].name() for one in fleet.stations]
        for station, name in zip(fleet.stations, reversed(names), strict=True):
            station.lines[0].parent = name

    with pytest.raises(Exception, match="behind itself") as refusal:
        outcome_of(tmp_path, Case(change))
    assert getattr(refusal.value, "code", "") == "meter-cycle"


def test_junk_in_the_archive_is_in_the_recomputed_report_too(tmp_path: Path) -> None:
    for code in ("archive-damaged", "device-unknown"):
        folder = tmp_path / code
        outcome, fleet = outcome_of(folder, CASES[code])
        pack = folder / "out.zip"
        write_evidence(pack, outcome, pretty(document_of(outcome)))
        again = recompute(pack, document_of, *anchors_of(fleet)).document
        assert code in {one["code"] for one in again["findings"]}
        assert again["report"]["status"] == "UNDER_REVIEW"
