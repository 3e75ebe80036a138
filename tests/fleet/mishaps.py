"""One thing that goes wrong in a small fleet, for each finding code of a report."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.fleet.load import random_of
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


def doubted(fleet: Fleet) -> None:
    station, line = first(fleet)
    line.energy = line.energy.copy()
    line.energy[AT : AT + 4] += 10_000_000
    station.board.flags = dict.fromkeys(range(AT + 1, AT + 5), 2)


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
    "reading-flagged": Case(doubted),
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
