"""What the registry says about stations and meters, as the calculation needs it.

A meter epoch is one physical meter between its installation and its removal. Several devices may
read it, one after the other or at once. Only what a second role countersigned counts.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from meterseal.errors import TrustError
from meterseal.trust import unix_ms
from meterseal.trust_countersigned import countersigned
from meterseal.trust_json import parse

FOREVER_MS: Final = 1 << 62
ROLES: Final = ("main", "connector", "pv", "own-use")
SOURCES: Final = ("grid", "pv", "genset")

MeterName = tuple[str, str]
"""Maker and serial number: one physical meter."""


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
    removal_countersigned: bool = True
    bindings: list[Binding] = field(default_factory=list)
    calibrations: list[Calibration] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Maker, serial and epoch as one text: unique, and sorts by meter."""
        return f"{self.meter[0]}/{self.meter[1]}/{self.epoch}"


@dataclass(frozen=True, slots=True)
class Station:
    """A charging station; `sources`: shares of its electricity in ppm."""

    id: str
    name: str
    activity: str
    latitude_e7: int
    longitude_e7: int
    sources: tuple[tuple[str, int], ...]


@dataclass(slots=True)
class Installations:
    """Stations and meter epochs of one trust file."""

    stations: dict[str, Station] = field(default_factory=dict)
    meters: list[Installation] = field(default_factory=list)
    restarts: dict[str, set[str]] = field(default_factory=dict)
    second_roles: set[str] = field(default_factory=set)
    unsigned: list[str] = field(default_factory=list)

    def active(self, meter: MeterName) -> Installation | None:
        """The epoch of a meter that has not ended."""
        for one in reversed(self.meters):
            if one.meter == meter:
                return one if one.until_unix_ms == FOREVER_MS else None
        return None

    def newest(self, meter: MeterName) -> Installation | None:
        """The newest epoch of a meter, ended or not."""
        return next((one for one in reversed(self.meters) if one.meter == meter), None)


def read_installations(trust_data: bytes, second_anchors: Collection[str] = ()) -> Installations:
    """Stations and meters out of the bytes of a trust file that `parse_trust` accepted.

    `second_anchors`: fingerprints of second-role keys; with any, no other key countersigns.
    Raises TrustError `trust-entry`.
    """
    entries: list[dict[str, Any]] = parse(trust_data)["entries"]
    signed, roles = countersigned(entries, second_anchors)
    found = Installations(second_roles=roles)
    readers: Mapping[str, Any] = {
        "station": _station,
        "meter-install": _install,
        "meter-remove": _remove,
        "calibration": _calibration,
        "replace-device": _replace_device,
        "chain-restart": _restart,
        "restart": _restart,
    }
    for entry in entries:
        reader = readers.get(entry["type"])
        if reader is None:
            continue
        try:
            reader(found, entry, entry["n"] in signed)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise TrustError(
                "trust-entry",
                f"expected a complete entry {entry['n']} of type {entry['type']}, "
                f"found {problem!r}",
            ) from problem
    return found


def _station(found: Installations, entry: dict[str, Any], _signed: bool) -> None:
    sources = tuple((one["source"], int(one["share_ppm"])) for one in entry.get("sources", ()))
    if sources and sum(share for _, share in sources) != 1_000_000:
        raise ValueError("shares of the sources that do not make 1,000,000 ppm")
    found.stations[entry["station"]] = Station(
        id=entry["station"],
        name=entry.get("name", entry["station"]),
        activity=entry.get("activity", ""),
        latitude_e7=int(entry.get("latitude_e7", 0)),
        longitude_e7=int(entry.get("longitude_e7", 0)),
        sources=sources or (("grid", 1_000_000),),
    )


def _install(found: Installations, entry: dict[str, Any], signed: bool) -> None:
    meter = _meter(entry["meter"])
    since = unix_ms(entry["from"])
    present = found.active(meter)
    binding = Binding(entry["device_id"], int(entry["unit_id"]), since, FOREVER_MS)
    if present is not None:
        if signed:
            present.bindings.append(binding)
        else:
            found.unsigned.append(f"entry {entry['n']}: {present.key}")
        return
    epoch = 1 + sum(one.meter == meter for one in found.meters)
    installation = Installation(
        meter=meter,
        epoch=epoch,
        station=entry["station"],
        model=entry["meter"].get("model", ""),
        profile=entry["profile"],
        role=_one_of(entry["role"], ROLES),
        parent=_meter(entry["parent"]) if entry.get("parent") else None,
        rated_w=int(entry["rated_w"]),
        ct_ratio=_pair(entry.get("ct_ratio", [1, 1])),
        pt_ratio=_pair(entry.get("pt_ratio", [1, 1])),
        accuracy_class=str(entry["accuracy_class"]),
        mpe_ppm=_ppm(entry["mpe_ppm"]),
        vehicle_class=entry.get("vehicle_class") or "",
        source=_one_of(entry["source"], SOURCES) if entry.get("source") else "",
        opening_milliwh=int(entry["register_wh"]) * 1000,
        from_unix_ms=since,
        initial_test=entry.get("initial_test_sha256", ""),
        countersigned=signed,
        bindings=[binding],
    )
    if not signed:
        found.unsigned.append(f"entry {entry['n']}: {installation.key}")
    found.meters.append(installation)


def _remove(found: Installations, entry: dict[str, Any], signed: bool) -> None:
    present = found.active(_meter(entry["meter"]))
    if present is None:
        raise ValueError("a removal of a meter that is not installed")
    present.until_unix_ms = unix_ms(entry["until"])
    present.final_milliwh = int(entry["register_wh"]) * 1000
    present.final_test = entry.get("final_test_sha256", "")
    present.removal_countersigned = signed
    present.bindings = [_ended(one, present.until_unix_ms) for one in present.bindings]


def _calibration(found: Installations, entry: dict[str, Any], _signed: bool) -> None:
    present = found.newest(_meter(entry["meter"]))
    if present is None:
        raise ValueError("a calibration of a meter that was never installed")
    error = entry.get("error_found_ppm")
    calibration = Calibration(
        from_unix_ms=unix_ms(entry["calibrated_at"]),
        until_unix_ms=unix_ms(entry["valid_until"]),
        certificate=entry["certificate_sha256"],
        mpe_ppm=_ppm(entry.get("mpe_ppm", present.mpe_ppm)),
        found_ppm=None if error is None else _ppm(abs(error)),
    )
    present.calibrations.append(calibration)


def _replace_device(found: Installations, entry: dict[str, Any], _signed: bool) -> None:
    at_ms = unix_ms(entry["at_time"])
    for meter in found.meters:
        for one in list(meter.bindings):
            if one.device == entry["old_device_id"] and one.until_unix_ms > at_ms:
                meter.bindings.remove(one)
                meter.bindings.append(_ended(one, at_ms))
                new = Binding(entry["new_device_id"], one.unit_id, at_ms, one.until_unix_ms)
                meter.bindings.append(new)


def _restart(found: Installations, entry: dict[str, Any], _signed: bool) -> None:
    found.restarts.setdefault(entry["device_id"], set()).add(entry["chain"])


def _ended(binding: Binding, at_ms: int) -> Binding:
    until = min(binding.until_unix_ms, at_ms)
    return Binding(binding.device, binding.unit_id, binding.from_unix_ms, until)


def _meter(item: dict[str, Any]) -> MeterName:
    return item["maker"], item["serial"]


def _pair(item: list[int]) -> tuple[int, int]:
    numerator, denominator = item
    if numerator <= 0 or denominator <= 0:
        raise ValueError("a transformer ratio that is not positive")
    return numerator, denominator


def _ppm(value: int) -> int:
    """Errors are ppm; above 10 % somebody mixed up percent and fraction."""
    if not isinstance(value, int) or not 0 <= value <= 100_000:
        raise ValueError(f"an error of {value} ppm; 0.2 % is 2000")
    return value


def _one_of(value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"{value!r}, which is none of {', '.join(allowed)}")
    return value
