"""From meters to stations: what charged project vehicles, what else the stations took.

A meter tree is summed once: the project side takes what entered at the top, the baseline what left
to project vehicles at the bottom. A meter without parent and children is both.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from meterseal.mrv.findings import Findings
from meterseal.mrv.installations import Installation, MeterName, Station
from meterseal.mrv.ledger import MeterLedger

PPM = 1_000_000


@dataclass(slots=True)
class Month:
    """Energy of a station in a month, in mWh."""

    station: str
    month: str
    vintage: int
    baseline: dict[str, Fraction] = field(default_factory=dict)
    """By vehicle class."""
    project: dict[str, Fraction] = field(default_factory=dict)
    """By source of electricity."""
    register_milliwh: int = 0
    """Register difference of the meters that count, before any rule."""


class Accounts:
    """Energy by station and month."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._months: dict[tuple[str, str], Month] = {}
        self.credited: set[str] = set()
        """Meter epochs whose energy may earn baseline."""

    @property
    def months(self) -> list[Month]:
        """By station and month, ascending."""
        return [self._months[key] for key in sorted(self._months)]

    def add_station(
        self, station: Station, ledgers: Sequence[MeterLedger], classes: Iterable[str]
    ) -> None:
        """Count the meters of one station; `classes`: vehicle classes of the register."""
        families = _Families(ledgers)
        known = set(classes)
        for top in families.tops():
            if top.installation.role == "pv":
                continue
            members = families.below(top)
            connectors = [one for one in members if one.installation.role == "connector"]
            for name in sorted({month for one in (top, *members) for month in one.shares}):
                self._project(station, top, families.children(top), name)
                if connectors:
                    self._from_connectors(connectors, name, known)
                else:
                    self._from_top(top, members, name, known)
            self.credited.update(one.installation.key for one in connectors or [top])
            self._nested(top, members, connectors)

    def _month(self, station: str, share_of: MeterLedger, name: str) -> Month:
        key = station, name
        if key not in self._months:
            self._months[key] = Month(station, name, int(name[:4]))
        return self._months[key]

    def _project(
        self, station: Station, top: MeterLedger, children: list[MeterLedger], name: str
    ) -> None:
        """What entered at the top; if its meters below saw more, that."""
        share = top.shares.get(name)
        entered = share.project if share else Fraction(0)
        below = sum((c.shares[name].project for c in children if name in c.shares), Fraction(0))
        month = self._month(station.id, top, name)
        month.register_milliwh += share.register_milliwh if share else 0
        if below > entered:
            self._findings.add(
                "children-exceed-parent",
                top.installation.key,
                f"{name}: the meters behind this one saw more energy than it did; "
                "the greater sum counts on the project side",
            )
        taken = max(entered, below)
        own = top.installation.source
        for source, ppm in ((own, PPM),) if own else station.sources:
            month.project[source] = month.project.get(source, Fraction(0)) + taken * ppm / PPM

    def _from_connectors(self, connectors: list[MeterLedger], name: str, known: set[str]) -> None:
        for one in connectors:
            if name in one.shares:
                self._credit(one.installation, name, one.shares[name].baseline, known, one)

    def _from_top(
        self, top: MeterLedger, members: list[MeterLedger], name: str, known: set[str]
    ) -> None:
        """Without connector meters: what entered, less the station's own use."""
        if name not in top.shares:
            return
        own_use = sum(
            (
                one.shares[name].project
                for one in members
                if one.installation.role == "own-use" and name in one.shares
            ),
            Fraction(0),
        )
        credited = top.shares[name].baseline
        taken = min(own_use, credited)
        if taken:
            text = f"{name}: the station's own use"
            self._findings.add("own-use", top.installation.key, text, taken)
        self._credit(top.installation, name, credited - taken, known, top)

    def _credit(
        self,
        installation: Installation,
        name: str,
        energy: Fraction,
        known: set[str],
        ledger: MeterLedger,
    ) -> None:
        if not energy:
            return
        vehicle_class = installation.vehicle_class
        if not vehicle_class or vehicle_class not in known:
            code = "vehicles-none" if vehicle_class else "vehicle-class-missing"
            text = f"{name}: no project vehicle of class {vehicle_class or '(none stated)'}"
            self._findings.add(code, installation.key, text, energy)
            return
        month = self._month(installation.station, ledger, name)
        month.baseline[vehicle_class] = month.baseline.get(vehicle_class, Fraction(0)) + energy

    def _nested(
        self, top: MeterLedger, members: list[MeterLedger], connectors: list[MeterLedger]
    ) -> None:
        """Meters below another one that would have been counted with it."""
        counted = connectors or [top]
        left_out = [
            one
            for one in (top, *members)
            if one not in counted and one.installation.role in ("main", "connector")
        ]
        for one in left_out:
            if one is not top and one.baseline:
                parent = "/".join(one.installation.parent or ())
                text = f"behind meter {parent}, which counts already"
                self._findings.add("claim-nested-meter", one.installation.key, text, one.baseline)


class _Families:
    """Parents and children among the meters of a station; epochs of a meter stay together."""

    def __init__(self, ledgers: Sequence[MeterLedger]) -> None:
        self._ledgers = ledgers
        self._names: set[MeterName] = {one.installation.meter for one in ledgers}

    def tops(self) -> list[MeterLedger]:
        """Meters without a parent here."""
        return [one for one in self._ledgers if one.installation.parent not in self._names]

    def children(self, parent: MeterLedger) -> list[MeterLedger]:
        """Meters directly behind one."""
        name = parent.installation.meter
        return [one for one in self._ledgers if one.installation.parent == name]

    def below(self, top: MeterLedger) -> list[MeterLedger]:
        """All meters behind one, at any depth; nothing behind a connector."""
        found: list[MeterLedger] = []
        for child in self.children(top):
            if child is top or child in found:
                continue
            found.append(child)
            if child.installation.role != "connector":
                found += self.below(child)
        return found
