"""Reads stations and meters out of a trust file: what passed its gate, and what did not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from meterseal.errors import TrustError
from meterseal.mrv.cuts import DAY_MS
from meterseal.mrv.installations import (
    FOREVER_MS,
    GRID_ALONE,
    ROLES,
    SOURCES,
    Binding,
    Calibration,
    Installation,
    Installations,
    Sources,
    Station,
)
from meterseal.trust import Trust, unix_ms
from meterseal.trust_fields import meter_name

Entry = dict[str, Any]
ENTERED_LATE_MS: Final = 7 * DAY_MS
"""So long before its enrolment was entered a key may have been in use (papers, no network)."""


def read_installations(trust: Trust) -> Installations:
    """Stations and meters of a trust file. Raises TrustError `trust-entry`."""
    found = Installations(second_roles=set(trust.gate.roles))
    for entry in trust.entries:
        counts = trust.gate.counts(entry)
        if not counts:
            found.refused.append(entry)
        reader = _READERS.get(entry["type"])
        if reader is None or not (counts or entry["type"] == "meter-install"):
            continue
        try:
            reader(found, entry, trust)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise TrustError(
                "trust-entry",
                f"expected a complete entry {entry['n']} of type {entry['type']}, "
                f"found {problem!r}",
            ) from problem
    return _finished(found)


def _finished(found: Installations) -> Installations:
    """Meters that only wait are there too, so that their readings are rejected, not unknown.

    No device reads anything long before somebody enrolled its key (R18).
    """
    counted = {one.meter for one in found.meters}
    found.meters += [one for one in found.waiting if one.meter not in counted]
    for one in found.meters:
        one.bindings = [_enrolled(binding, found.enrolled) for binding in one.bindings]
        if station := found.stations.get(one.station):
            one.mixes_from_unix_ms = tuple(since for since, _ in station.mixes)
    return found


def _enrolled(binding: Binding, enrolled: dict[str, int]) -> Binding:
    earliest = enrolled.get(binding.device, 0) - ENTERED_LATE_MS
    return replace(binding, from_unix_ms=max(binding.from_unix_ms, earliest))


def _enrol(found: Installations, entry: Entry, _trust: Trust) -> None:
    found.enrolled[entry["device_id"]] = unix_ms(entry["at"])


def _station(found: Installations, entry: Entry, _trust: Trust) -> None:
    name = entry["station"]
    former = found.stations.get(name)
    found.stations[name] = Station(
        id=name,
        name=str(entry.get("name", name)),
        activity=entry.get("activity", ""),
        latitude_e7=int(entry.get("latitude_e7", 0)),
        longitude_e7=int(entry.get("longitude_e7", 0)),
        mixes=_mixes(entry, former),
    )


def _mixes(entry: Entry, former: Station | None) -> tuple[tuple[int, Sources], ...]:
    """Sources hold from `from` on, else from the entry's date; the first ones since ever."""
    before = former.mixes if former else ()
    sources = tuple((one["source"], int(one["share_ppm"])) for one in entry.get("sources", ()))
    if not sources:
        return before or ((0, GRID_ALONE),)
    if sum(share for _, share in sources) != 1_000_000:
        raise ValueError("shares of the sources that do not make 1,000,000 ppm")
    if not before:
        before = ((0, GRID_ALONE if "from" in entry else sources),)
        if "from" not in entry:
            return before
    since = unix_ms(entry.get("from") or entry["at"])
    return (*(one for one in before if one[0] < since), (since, sources))


def _install(found: Installations, entry: Entry, trust: Trust) -> None:
    meter, since = meter_name(entry["meter"]), unix_ms(entry["from"])
    signed = trust.gate.counts(entry)
    present = found.active(meter)
    binding = Binding(entry["device_id"], int(entry["unit_id"]), since, FOREVER_MS)
    if present is not None:
        if signed:  # a second device at a meter that is there already
            present.bindings.append(binding)
        return
    epoch = 1 + sum(one.meter == meter for one in found.meters)
    installation = Installation(
        meter=meter,
        epoch=epoch,
        station=entry["station"],
        model=entry["meter"].get("model", ""),
        profile=entry["profile"],
        role=_one_of(entry["role"], ROLES),
        parent=meter_name(entry["parent"]) if entry.get("parent") else None,
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
        label=(entry["meter"]["maker"], entry["meter"]["serial"]),
    )
    (found.meters if signed else found.waiting).append(installation)


def _newest(found: Installations, entry: Entry, what: str) -> Installation:
    meter = meter_name(entry["meter"])
    waiting = [one for one in found.waiting if one.meter == meter]
    present = found.newest(meter) or (waiting[-1] if waiting else None)
    if present is None:
        raise ValueError(f"{what} of a meter that was never installed")
    return present


def _remove(found: Installations, entry: Entry, _trust: Trust) -> None:
    present = _newest(found, entry, "a removal")
    if present.until_unix_ms != FOREVER_MS:
        raise ValueError("a removal of a meter that is not installed")
    present.until_unix_ms = unix_ms(entry["until"])
    present.final_milliwh = int(entry["register_wh"]) * 1000
    present.final_test = entry.get("final_test_sha256", "")
    present.bindings = [_ended(one, present.until_unix_ms) for one in present.bindings]


def _calibration(found: Installations, entry: Entry, _trust: Trust) -> None:
    present = _newest(found, entry, "a calibration")
    error = entry.get("error_found_ppm")
    calibration = Calibration(
        from_unix_ms=unix_ms(entry["calibrated_at"]),
        until_unix_ms=unix_ms(entry["valid_until"]),
        certificate=entry["certificate_sha256"],
        mpe_ppm=_ppm(entry.get("mpe_ppm", present.mpe_ppm)),
        found_ppm=None if error is None else _ppm(abs(error)),
    )
    present.calibrations.append(calibration)


def _set_aside(found: Installations, entry: Entry, _trust: Trust) -> None:
    span = unix_ms(entry["from"]), unix_ms(entry["until"])
    _newest(found, entry, "readings").set_aside.append(span)


def _replace_device(found: Installations, entry: Entry, _trust: Trust) -> None:
    at_ms = unix_ms(entry["at_time"])
    for meter in found.meters:
        for one in list(meter.bindings):
            if one.device == entry["old_device_id"] and one.until_unix_ms > at_ms:
                meter.bindings.remove(one)
                meter.bindings.append(_ended(one, at_ms))
                _bind(meter, replace(one, device=entry["new_device_id"], from_unix_ms=at_ms))


def _rollover(found: Installations, entry: Entry, trust: Trust) -> None:
    """The new key of a board reads what the old one does, as soon as it is valid."""
    new = trust.key(bytes.fromhex(entry["new_device_id"]))
    since = (new.valid_from_unix_ms if new else None) or 0
    found.rolled_over.add(entry["new_device_id"])
    for meter in found.meters:
        for one in list(meter.bindings):
            if one.device == entry["old_device_id"]:
                start = max(one.from_unix_ms, since)
                _bind(meter, replace(one, device=entry["new_device_id"], from_unix_ms=start))


def _bind(meter: Installation, new: Binding) -> None:
    """One more binding, unless the device reads the meter anyway."""
    known = [one for one in meter.bindings if one.device == new.device]
    if not any(one.from_unix_ms <= new.from_unix_ms for one in known):
        meter.bindings.append(new)


def _ended(binding: Binding, at_ms: int) -> Binding:
    return replace(binding, until_unix_ms=min(binding.until_unix_ms, at_ms))


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


_READERS: Final[dict[str, Callable[[Installations, Entry, Trust], None]]] = {
    "enrol": _enrol,
    "station": _station,
    "meter-install": _install,
    "meter-remove": _remove,
    "calibration": _calibration,
    "set-aside": _set_aside,
    "replace-device": _replace_device,
    "rollover": _rollover,
}
