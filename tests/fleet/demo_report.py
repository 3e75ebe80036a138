"""`make demo-report`: a generated fleet of 200 stations over 12 months, and its report.

The stations are simulated, read every 15 minutes here instead of every minute, with one to three
meters each, so that generating and reporting takes a few minutes; the report says DEMONSTRATION on
every page. A few things go wrong in it, as they would in a year: the report shows them.
"""

import argparse
import shutil
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

from tests.fleet import defects
from tests.fleet.load import random_of
from tests.fleet.reporting import anchors_of
from tests.fleet.world import Plan, build

HAPPENED = (
    defects.outage,
    defects.outage,
    defects.replaced_board,
    defects.overdue_calibration,
    defects.changed_ratio,
    defects.replaced_meter,
)


def happen(fleet):
    """What goes wrong in this year, at stations with a single meter."""
    single = [one for one in fleet.stations if len(one.lines) == 1]
    for index, (defect, station) in enumerate(zip(HAPPENED, single[3::17], strict=False)):
        random = random_of(fleet.plan.seed, "year", index)
        defect(fleet, station, random, defects.Expected())


def generate(folder, stations, last):
    """The fleet in files; emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    plan = Plan(
        "demonstration",
        stations=stations,
        last=last,
        key_class="sim",
        with_connectors=stations // 5,
        with_pv=stations // 10,
        vehicles=20 * stations,
    )
    return build(plan, folder, happen)[0]


def report(folder, fleet):
    """Runs `meterseal report` and `meterseal recompute` as a person would."""
    (operator,), (second,) = anchors_of(fleet)
    anchors = ["--anchor", operator, "--second-anchor", second, "--demo", "--cores", "2"]
    command = [sys.executable, "-m", "meterseal"]
    inputs = ["--activity", folder / "activity.toml", "--archive", folder / "archive"]
    inputs += [
        "--trust",
        folder / "trust.json",
        "--period",
        f"{fleet.plan.first}..{fleet.plan.last}",
    ]
    outputs = ["--out", folder / "report", "--pack", folder / "evidence.zip"]
    run([*command, "report", *inputs, *outputs, *anchors])
    run([*command, "recompute", folder / "evidence.zip", *anchors])


def run(command):
    """A command that must succeed."""
    start = time.monotonic()
    subprocess.run([str(one) for one in command], check=True)
    print(f"    {time.monotonic() - start:.1f} s", flush=True)


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/demo-report"))
    parser.add_argument("--stations", type=int, default=200)
    parser.add_argument("--last", type=date.fromisoformat, default=date(2026, 12, 31))
    options = parser.parse_args()
    start = time.monotonic()
    fleet = generate(options.out, options.stations, options.last)
    meters = sum(len(one.lines) for one in fleet.stations)
    print(
        f"{options.stations} stations, {meters} meters: {time.monotonic() - start:.1f} s",
        flush=True,
    )
    report(options.out, fleet)
    print(f"Look at {options.out / 'report' / 'report.html'} and report.pdf")


if __name__ == "__main__":
    main()
