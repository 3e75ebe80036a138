"""What the entries add up to: devices, stations and meters, and what waits for a second signature.

Entries are applied one after the other; one that contradicts those before it is refused.
"""

from dataclasses import dataclass, field

from meterseal.errors import RegistryError
from meterseal.trust_countersigned import NEED_SECOND
from meterseal.trust_fields import MeterName, meter_name
from meterseal.trust_write import Entry


@dataclass(slots=True)
class Device:
    """A device key. `status`: in-service, retired, revoked."""

    entry: Entry
    station: str
    countersigned: bool = False
    status: str = "in-service"
    since: str = ""
    reason: str = ""
    successor: str = ""

    @property
    def id(self) -> str:
        """Device id, 16 hexadecimal digits."""
        return str(self.entry["device_id"])


@dataclass(slots=True)
class Meter:
    """A meter between its installation and its removal."""

    entry: Entry
    countersigned: bool = False
    removal: Entry | None = None
    removal_countersigned: bool = False
    calibrations: list[Entry] = field(default_factory=list)

    @property
    def name(self) -> MeterName:
        """Maker and serial number, normalised."""
        return meter_name(self.entry["meter"])


@dataclass(slots=True)
class State:
    """Everything that entries say, up to the newest one."""

    entries: list[Entry] = field(default_factory=list)
    devices: dict[str, Device] = field(default_factory=dict)
    stations: dict[str, Entry] = field(default_factory=dict)
    meters: list[Meter] = field(default_factory=list)
    newest: dict[MeterName, Meter] = field(default_factory=dict)
    in_place: dict[str, list[Meter]] = field(default_factory=dict)
    """Meters in place, by the device that reads them."""
    by_entry: dict[int, Meter] = field(default_factory=dict)
    """Meters by the numbers of their installation and removal."""
    signed: set[int] = field(default_factory=set)

    def device(self, device_id: str) -> Device:
        """An enrolled device. Raises RegistryError `device-unknown`."""
        found = self.devices.get(device_id)
        if found is None:
            text = f"expected an enrolled device, found {device_id!r}"
            raise RegistryError("device-unknown", text, "See `meterseal devices list`.")
        return found

    def in_service(self, device_id: str) -> Device:
        """A device that is neither revoked nor retired. Raises `device-not-in-service` also."""
        found = self.device(device_id)
        if found.status != "in-service":
            text = f"device {device_id}: expected it in service, found {found.status}"
            raise RegistryError(
                "device-not-in-service",
                f"{text} since {found.since}",
                "What is revoked or retired stays so: enrol the board with a new key.",
            )
        return found

    def installed(self, name: MeterName) -> Meter:
        """A meter that is in place. Raises RegistryError `meter-not-installed`."""
        meter = self.newest.get(name)
        if meter is not None and meter.removal is None:
            return meter
        text = f"expected a meter that is installed, found {name[0]} {name[1]}"
        raise RegistryError("meter-not-installed", text, "See `meterseal devices show`.")

    def waiting(self) -> list[Entry]:
        """Entries that do not count before somebody countersigns them."""
        return [
            one
            for one in self.entries
            if one["type"] in NEED_SECOND and one["n"] not in self.signed
        ]

    def meters_of(self, device_id: str) -> list[Meter]:
        """Meters in place that a device reads."""
        return list(self.in_place.get(device_id, ()))
