"""The activity file: what is reported, for whom, by which methodology, with which inputs.

Schema: activity.toml of the example, `meterseal report --help`. Every key is known or refused;
nothing has a silent default.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from meterseal.errors import EnvironmentProblem, MethodologyError
from meterseal.mrv.allocation import Holder
from meterseal.mrv.cuts import parse_offset
from meterseal.mrv.exact import sha256_hex
from meterseal.mrv.methodology import Methodology, load, parse
from meterseal.mrv.parameters import ParameterSet, parse_parameter
from meterseal.mrv.table import Table, day, toml_table

ALLOCATION_RULES: Final = ("pro_rata", "capped", "capped_flows_on", "waterfall")
METER_BOUNDARIES: Final = ("ac_charger_input", "dc_battery_terminals")
Reader = Callable[[str], bytes]
"""Gives the bytes of a file that an activity names."""

INPUT_FILES: Final = ("vehicles", "consumption_samples", "invoices")


@dataclass(frozen=True, slots=True)
class Target:
    """A volume in whole tonnes until the end of a year, of a holder or (empty) of all."""

    name: str
    holder: str
    tonnes: int
    from_year: int
    until_year: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """A finding that a person looked into: the report may become final with it, and says so."""

    code: str
    subject: str
    by: str
    on: date
    reason: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """Input files beside the chain: bytes by name."""

    files: dict[str, bytes]

    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file."""
        return {name: sha256_hex(data) for name, data in sorted(self.files.items())}


@dataclass(frozen=True, slots=True)
class Activity:
    """An activity file, read and checked."""

    id: str
    title: str
    host_party: str
    acquiring_party: str
    proponent: str
    cooperative_approach: str
    sector: str
    start_year: int
    time_zone: str
    offset_min: int
    max_interval_s: int
    meter_boundary: str
    methodology: Methodology
    parameters: ParameterSet
    allocation_rule: str
    holders: tuple[Holder, ...]
    parties: dict[str, str]
    targets: tuple[Target, ...]
    accepted: tuple[Accepted, ...]
    inputs: Inputs
    data: bytes

    @property
    def sha256(self) -> str:
        """Hash of the activity file's bytes."""
        return sha256_hex(self.data)


def load_activity(path: Path) -> Activity:
    """Activity file at a path; input files are found beside it.

    Raises EnvironmentProblem `activity-unreadable`, MethodologyError.
    """

    def read(name: str) -> bytes:
        return _read(path.parent / name)

    return parse_activity(_read(path), read, str(path))


def parse_activity(
    data: bytes, read: Reader, where: str = "activity.toml", methodology_data: bytes | None = None
) -> Activity:
    """Activity from the bytes of its file; `read(name)` gives the files that it names.

    `methodology_data`: the profile as an evidence pack holds it; else it is found by its name.
    """
    table = toml_table(data, where)
    table.choice("format", ("meterseal-activity",))
    table.integer("version", 1, 1)
    name = table.text("methodology")
    if methodology_data is None:
        methodology = load_methodology(name, read)
    else:
        methodology = parse(methodology_data, name)
    allocation = table.table("allocation")
    rule = allocation.choice("rule", ALLOCATION_RULES)
    holders, parties = _holders(allocation)
    allocation.done()
    parameters = [parse_parameter(one) for one in table.tables("parameter")]
    activity = Activity(
        id=table.text("id"),
        title=table.text("title"),
        host_party=_party(table.text("host_party")),
        acquiring_party=_party(table.text("acquiring_party")),
        proponent=table.text("proponent"),
        cooperative_approach=_optional(table, "cooperative_approach"),
        sector=table.text("sector"),
        start_year=table.integer("start_year", 2000, 2200),
        time_zone=table.text("time_zone"),
        offset_min=parse_offset(table.text("utc_offset")),
        max_interval_s=table.integer("max_interval_s", 1, 86_400),
        meter_boundary=table.choice("meter_boundary", METER_BOUNDARIES),
        methodology=methodology,
        parameters=ParameterSet(parameters, methodology.demands),
        allocation_rule=rule,
        holders=holders,
        parties=parties,
        targets=tuple(_target(one, holders) for one in table.tables("target", optional=True)),
        accepted=tuple(_accepted(one) for one in table.tables("accepted", optional=True)),
        inputs=_inputs(table.table("inputs"), read),
        data=data,
    )
    table.done()
    return activity


def load_methodology(name: str, read: Reader) -> Methodology:
    """A methodology that comes with the package, or a .toml file beside the activity."""
    return parse(read(name), name) if name.endswith(".toml") else load(name)


def _optional(table: Table, name: str) -> str:
    return table.text(name) if table.has(name) else ""


def _party(text: str) -> str:
    if len(text) != 3 or not text.isalpha() or not text.isupper():
        raise MethodologyError(
            "input-value", f"expected an ISO 3166 alpha-3 code, found {text!r}", "Correct it."
        )
    return text


def _holders(allocation: Table) -> tuple[tuple[Holder, ...], dict[str, str]]:
    holders, parties = [], {}
    for table in allocation.tables("holders"):
        name = table.text("name")
        cap = table.integer("cap_t", 0, 10**12) if table.has("cap_t") else None
        holders.append(Holder(name, table.integer("weight", 1, 10**12), cap))
        parties[name] = _party(table.text("party")) if table.has("party") else ""
        table.done()
    if len(parties) != len(holders):
        raise MethodologyError(
            "allocation-weights", "expected each holder once, found one twice", "Correct the list."
        )
    return tuple(holders), parties


def _target(table: Table, holders: tuple[Holder, ...]) -> Target:
    holder = table.text("holder") if table.has("holder") else ""
    if holder and holder not in {one.name for one in holders}:
        raise MethodologyError(
            "input-value", f"{table.where}: expected a holder of [allocation], found {holder!r}"
        )
    target = Target(
        table.text("name"),
        holder,
        table.integer("tonnes", 1, 10**12),
        table.integer("from_year", 2000, 2200),
        table.integer("until_year", 2000, 2200),
    )
    table.done()
    return target


def _accepted(table: Table) -> Accepted:
    on = day(table.raw("on"), table.where)
    accepted = Accepted(
        table.text("code"), table.text("subject"), table.text("by"), on, table.text("reason")
    )
    table.done()
    return accepted


def _inputs(table: Table, read: Reader) -> Inputs:
    """Every input is named; one that the activity does not have says so with an empty file."""
    files = {name: read(table.text(name)) for name in INPUT_FILES}
    table.done()
    return Inputs(files)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise EnvironmentProblem(
            "activity-unreadable",
            f"expected a readable file: {problem}",
            "Correct the path in the command or in the activity file.",
        ) from problem


def days_of_year(year: int) -> int:
    """365 or 366."""
    return (date(year + 1, 1, 1) - date(year, 1, 1)).days
