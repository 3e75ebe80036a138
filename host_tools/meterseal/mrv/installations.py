"""What the registry says about stations and meters, as the calculation needs it.

A meter epoch is one physical meter between its installation and its removal. Several devices may
read it, one after the other or at once. Made by registration.py out of what passed the gate.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from meterseal.trust_fields import MeterName

FOREVER_MS: Final = 1 << 62
ROLES: Final = ("main", "connector", "pv", "own-use")
SOURCES: Final = ("grid", "pv", "genset")

Sources = tuple[tuple[str, int], ...]
"""Shares of a station's electricity in ppm, by source."""
GRID_ALONE: Final[Sources] = (("grid", 1_000_000),)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Certificate of a meter; `found_ppm`: error found, None if the registry does not say."""

    from_unix_ms: int
    until_unix_ms: int
    certificate: str
    mpe_ppm: int
    found_ppm: int | None


@dataclass(frozen=True, slots=True)
class Binding:
    """A device that reads the meter as Modbus unit `unit_id`."""

    device: str
    unit_id: int
    from_unix_ms: int
    until_unix_ms: int


@dataclass(slots=True)
class Installation:
    """A meter epoch; registers in mWh, times in ms since 1970."""

    meter: MeterName
    epoch: int
    station: str
    model: str
    profile: str
    role: str
    parent: MeterName | None
    rated_w: int
    ct_ratio: tuple[int, int]
    pt_ratio: tuple[int, int]
    accuracy_class: str
    mpe_ppm: int
    vehicle_class: str
    source: str
    opening_milliwh: int
    from_unix_ms: int
    initial_test: str
    countersigned: bool
    until_unix_ms: int = FOREVER_MS
    final_milliwh: int | None = None
    final_test: str = ""
    label: tuple[str, str] = ("", "")
    """Maker and serial number as the registry spells them."""
    bindings: list[Binding] = field(default_factory=list)
    calibrations: list[Calibration] = field(default_factory=list)
    set_aside: list[tuple[int, int]] = field(default_factory=list)
    """Spans whose readings a second role declared wrong: from, until."""
    mixes_from_unix_ms: tuple[int, ...] = (0,)
    """When the station's sources changed."""
    more_cuts_unix_ms: tuple[int, ...] = ()
    """Edges of the station's invoices."""

    @property
    def key(self) -> str:
        """Maker, serial (both normalised) and epoch as one text: one name of it everywhere."""
        return f"{self.meter[0]}/{self.meter[1]}/{self.epoch}"


@dataclass(frozen=True, slots=True)
class Station:
    """A charging station; `mixes`: its sources, each from a time on, ascending."""

    id: str
    name: str
    activity: str
    latitude_e7: int
    longitude_e7: int
    mixes: tuple[tuple[int, Sources], ...]

    @property
    def sources(self) -> Sources:
        """The newest ones."""
        return self.mixes[-1][1]


@dataclass(slots=True)
class Installations:
    """Stations and meter epochs of one trust file; `refused`: entries that count for nothing."""

    stations: dict[str, Station] = field(default_factory=dict)
    meters: list[Installation] = field(default_factory=list)
    waiting: list[Installation] = field(default_factory=list)
    """Meters whose installation nobody countersigned."""
    enrolled: dict[str, int] = field(default_factory=dict)
    """When the enrolment of a device was entered, ms since 1970."""
    rolled_over: set[str] = field(default_factory=set)
    """Devices whose key another one named: their first chain is no unexplained restart."""
    second_roles: set[str] = field(default_factory=set)
    refused: list[dict[str, Any]] = field(default_factory=list)

    def active(self, meter: MeterName) -> Installation | None:
        """The epoch of a meter that has not ended."""
        one = self.newest(meter)
        return one if one is not None and one.until_unix_ms == FOREVER_MS else None

    def newest(self, meter: MeterName) -> Installation | None:
        """The newest epoch of a meter, ended or not."""
        return next((one for one in reversed(self.meters) if one.meter == meter), None)
