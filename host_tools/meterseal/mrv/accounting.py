"""From meters to stations: what charged project vehicles, what else the stations took.

A meter tree is summed once: the project side takes what entered at the top, the baseline what left
to project vehicles at the bottom. A meter without parent and children is both.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from meterseal.errors import MethodologyError
from meterseal.mrv.findings import Findings
from meterseal.mrv.installations import Installation, Station
from meterseal.mrv.ledger import MeterLedger
from meterseal.trust_fields import MeterName

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
    """Energy by station and month; a meter tree may reach over stations."""

    def __init__(self, findings: Findings, stations: Mapping[str, Station]) -> None:
        self._findings = findings
        self._stations = stations
        self._months: dict[tuple[str, str], Month] = {}
        self.credited: set[str] = set()
        """Meter epochs whose energy may earn baseline."""
        self.tops: list[MeterLedger] = []
        """Meters at which electricity enters."""

    @property
    def months(self) -> list[Month]:
        """By station and month, ascending."""
        return [self._months[key] for key in sorted(self._months)]

    def add(
        self,
        ledgers: Sequence[MeterLedger],
        classes: Collection[str],
        counted_elsewhere: Collection[MeterName] = (),
    ) -> None:
        """Count all meters; `classes`: vehicle classes of the register; `counted_elsewhere`:
        meters of other activities.

        Raises MethodologyError `meter-cycle`.
        """
        families = Families(ledgers)
        for top in families.tops():
            if top[0].installation.role == "pv":
                continue
            self.tops += top
            members, children = families.below(top), families.children(top)
            for name in sorted({month for one in (*top, *members) for month in one.shares}):
                self._project(top, children, name)
            parent = parent_of(top)
            if parent in counted_elsewhere:
                self._leave_out((*top, *members), "/".join(parent or ()))
                continue
            connectors = [one for one in members if one.installation.role == "connector"]
            if connectors:
                self._from_connectors(connectors, classes)
            else:
                self._from_top(top, members, classes)
            self.credited.update(one.installation.key for one in connectors or top)
            counted = connectors or top
            self._nested([one for one in members if one not in counted])

    def _month(self, station: str, name: str) -> Month:
        key = station, name
        if key not in self._months:
            self._months[key] = Month(station, name, int(name[:4]))
        return self._months[key]

    def _project(
        self, top: Sequence[MeterLedger], children: Sequence[MeterLedger], name: str
    ) -> None:
        """What entered at the top; if its meters below saw more, that."""
        entered, below = _project_of(top, name), _project_of(children, name)
        for one in top:
            self._take(one, name, Fraction(1))
            if share := one.shares.get(name):
                month = self._month(one.installation.station, name)
                month.register_milliwh += share.register_milliwh
        if below > entered:
            self._findings.add(
                "children-exceed-parent",
                top[-1].installation.key,
                f"{name}: the meters behind this one saw more energy than it did; "
                "the greater sum counts on the project side",
            )
            for one in children:
                self._take(one, name, (below - entered) / below)

    def _take(self, one: MeterLedger, name: str, part: Fraction) -> None:
        """Part of a meter's month onto the project side, by source."""
        installation = one.installation
        station = self._stations[installation.station]
        own = installation.source
        for mix, energy in sorted(one.shares[name].by_mix.items()) if name in one.shares else ():
            project = self._month(station.id, name).project
            for source, ppm in ((own, PPM),) if own else station.mixes[mix][1]:
                project[source] = project.get(source, Fraction(0)) + part * energy * ppm / PPM

    def _leave_out(self, ledgers: Iterable[MeterLedger], parent: str) -> None:
        """Meters behind one of another activity: that one counts, here the project side alone."""
        for one in ledgers:
            if one.baseline:
                text = f"behind meter {parent} of another activity"
                self._findings.add("claim-nested-meter", one.installation.key, text, one.baseline)

    def _from_connectors(self, connectors: list[MeterLedger], known: Collection[str]) -> None:
        for one in connectors:
            for name, share in sorted(one.shares.items()):
                self._credit(one.installation, name, share.baseline, known)

    def _from_top(
        self, top: Sequence[MeterLedger], members: list[MeterLedger], known: Collection[str]
    ) -> None:
        """Without connector meters: what entered, less the station's own use."""
        using = [one for one in members if one.installation.role == "own-use"]
        for name in sorted({month for one in top for month in one.shares}):
            own_use = _project_of(using, name)
            for one in top:
                credited = one.shares[name].baseline if name in one.shares else Fraction(0)
                taken = min(own_use, credited)
                own_use -= taken
                if taken:
                    text = f"{name}: the station's own use"
                    self._findings.add("own-use", one.installation.key, text, taken)
                self._credit(one.installation, name, credited - taken, known)

    def _credit(
        self,
        installation: Installation,
        name: str,
        energy: Fraction,
        known: Collection[str],
    ) -> None:
        if not energy:
            return
        vehicle_class = installation.vehicle_class
        if not vehicle_class or vehicle_class not in known:
            code = "vehicles-none" if vehicle_class else "vehicle-class-missing"
            text = f"{name}: no project vehicle of class {vehicle_class or '(none stated)'}"
            self._findings.add(code, installation.key, text, energy)
            return
        month = self._month(installation.station, name)
        month.baseline[vehicle_class] = month.baseline.get(vehicle_class, Fraction(0)) + energy

    def _nested(self, left_out: Iterable[MeterLedger]) -> None:
        """Meters below another one that would have been counted with it."""
        for one in left_out:
            if one.installation.role in ("main", "connector") and one.baseline:
                parent = "/".join(one.installation.parent or ())
                text = f"behind meter {parent}, which counts already"
                self._findings.add("claim-nested-meter", one.installation.key, text, one.baseline)


def _project_of(ledgers: Iterable[MeterLedger], name: str) -> Fraction:
    """Project side of some meters in a month."""
    return sum((one.shares[name].project for one in ledgers if name in one.shares), Fraction(0))


def parent_of(epochs: Sequence[MeterLedger]) -> MeterName | None:
    """The meter before one, as its newest epoch that has any says."""
    parents = [one.installation.parent for one in epochs if one.installation.parent]
    return parents[-1] if parents else None


class Families:
    """Parents and children among all meters of a report; epochs of a meter stay together."""

    def __init__(self, ledgers: Sequence[MeterLedger]) -> None:
        """Raises MethodologyError `meter-cycle`."""
        self._meters: dict[MeterName, list[MeterLedger]] = {}
        self._children: dict[MeterName, list[MeterLedger]] = {}
        for one in ledgers:
            self._meters.setdefault(one.installation.meter, []).append(one)
        for epochs in self._meters.values():
            if parent := parent_of(epochs):
                self._children.setdefault(parent, []).extend(epochs)
        for meter in self._meters:
            self._check_cycle(meter)

    def _check_cycle(self, meter: MeterName) -> None:
        reached: set[MeterName] = set()
        coming = {meter}
        while coming:
            behind = self._children.get(coming.pop(), ())
            below = {one.installation.meter for one in behind}
            if meter in below:
                raise MethodologyError(
                    "meter-cycle",
                    f"expected meters in a tree, found {'/'.join(meter)} behind itself",
                    "Correct the parents of these meters in the registry.",
                )
            coming |= below - reached
            reached |= below

    def tops(self) -> list[list[MeterLedger]]:
        """Meters without a parent here, each with all its epochs."""
        return [
            epochs for epochs in self._meters.values() if parent_of(epochs) not in self._meters
        ]

    def children(self, parent: Sequence[MeterLedger]) -> list[MeterLedger]:
        """Meters directly behind one."""
        return self._children.get(parent[0].installation.meter, [])

    def below(self, top: Sequence[MeterLedger]) -> list[MeterLedger]:
        """All meters behind one, at any depth; nothing behind a connector."""
        found: list[MeterLedger] = []
        for child in self.children(top):
            found.append(child)
            if child.installation.role != "connector":
                found += [one for one in self.below([child]) if one not in found]
        return found
