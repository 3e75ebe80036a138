"""Markdown table of the meters for the README: what is known about each, and how well."""

import json
from pathlib import Path
from typing import Final

from meterseal.profiles.model import Profile, Register
from meterseal.profiles.schema import UNITS

BEGIN: Final = "<!-- meters: written by `meterseal profiles table --write README.md` -->"
END: Final = "<!-- meters: end -->"
# From the best evidence to the weakest.
DUMP_CLASSES: Final = ("captured", "vendor example", "third-party fixture", "synthetic")
_BATTERY_WH: Final = 1500


def dump_class(dumps: Path | None, profile: Profile) -> str:
    """Best class among the register dumps that hold the energy total; `none` without any.

    A captured voltage says nothing about the register that counts.
    """
    path = None if dumps is None else dumps / f"{profile.id}.json"
    if path is None or not path.is_file():
        return "none"
    every = json.loads(path.read_text("utf-8"))["dumps"]
    found = {dump["class"] for dump in every if profile.total.name in dump["expected"]}
    return next((name for name in DUMP_CLASSES if name in found), "none")


def steps_of_a_charge(total: Register) -> int | None:
    """Steps of the energy counter during one charge of a motorcycle battery; None for floats."""
    number, _, unit = (total.resolution or "").partition(" ")
    if not number.isdigit():
        return None
    step_mwh = int(number) * int(10 ** (UNITS[unit][1] + 3))
    return _BATTERY_WH * 1000 // step_mwh


def bench_text(profile: Profile) -> str:
    """Who tried it on the real meter."""
    return f"{len(profile.bench)} report(s)" if profile.bench else "nobody yet"


def line_text(profile: Profile) -> str:
    """Factory line settings; a question mark where they are only general knowledge."""
    bus = profile.bus
    doubt = " ?" if bus.settings == "general" else ""
    rtu = f"{bus.baud} 8{bus.parity}{bus.stop_bits}, id {bus.unit_id}{doubt}"
    return " / ".join([rtu] * ("rtu" in bus.kinds) + ["TCP"] * ("tcp" in bus.kinds))


def markdown(profiles: dict[str, Profile], dumps: Path | None) -> str:
    """The table, one row for each profile, between the two markers."""
    rows = [
        "| profile | meter | factory line | energy | confidence | dump of the energy | bench |",
        "|---|---|---|---|---|---|---|",
    ]
    for profile in profiles.values():
        total = profile.total
        energy = f"{total.type}, {total.resolution}"
        steps = steps_of_a_charge(total)
        if steps is not None and steps < 100:
            energy += f" ({steps} steps a charge)"
        cells = (
            f"`{profile.id}`",
            profile.name,
            line_text(profile),
            energy,
            profile.confidence,
            dump_class(dumps, profile),
            bench_text(profile),
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join([BEGIN, *rows, END])


def replaced(text: str, table: str) -> str | None:
    """The text with the table between its markers; None where the markers are missing."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    return head + table + tail if begin and end else None
