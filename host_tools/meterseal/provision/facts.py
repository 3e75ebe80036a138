"""What provisioning tells the registry: the enrolment, and the meters as they were read."""

from collections.abc import Iterator
from typing import Any, Final

from meterseal.provision.errors import ProvisionError
from meterseal.provision.order import Order
from meterseal.registry.acts import enrol_fields
from meterseal.registry.fields import check_fields
from meterseal.registry.log import Fact
from meterseal.registry.state import State
from meterseal.trust_fields import meter_name, plain_serial

Read = dict[int, list[Any]]
"""By unit id: profile, energy in mWh or None, serial as the meter gave it or ""."""

_OF_THE_ENROLMENT: Final = ("firmware", "provisioning_hash", "nonce", "proof")


def enrolment(order: Order, kept: dict[str, Any], machine: str) -> dict[str, Any]:
    """Fields of the entry `enrol`."""
    more = {name: kept[name] for name in _OF_THE_ENROLMENT}
    public_key = bytes.fromhex(kept["public_key"])
    board = order.board or machine or "unknown"
    return enrol_fields(public_key, order.station, kept["key_class"], board=board, **more)


def facts_of(order: Order, kept: dict[str, Any], machine: str) -> list[Fact]:
    """All of them, in order.

    Raises ProvisionError `meter-not-read`, `meter-serial`, `meter-profile`; RegistryError for
    fields that are not complete.
    """
    at = kept["enrolled_at"]
    found = [Fact("enrol", enrolment(order, kept, machine), at, order.by)]
    read = {unit: rest for unit, *rest in kept["registers"]}
    for meter in order.meters:
        here = {"station": order.station, "device_id": kept["device_id"], "from": at}
        fields = meter | here | {"register_wh": register_wh(meter, read)}
        check_fields("meter-install", fields)
        found.append(Fact("meter-install", fields, at, order.by))
    return found


def register_wh(meter: dict[str, Any], read: Read) -> int:
    """The register as read, once it is certain that this meter is the one that was read."""
    unit = meter.get("unit_id")
    profile, energy_mwh, serial = (
        read.get(unit, ("", None, "")) if type(unit) is int else ("",) * 3
    )
    if not isinstance(energy_mwh, int):
        raise ProvisionError(
            "meter-not-read",
            f"expected a meter that the station has read, found none with unit id {unit}",
            "Correct unit_id in --meters, or add the meter to --config.",
        )
    if profile != meter.get("profile"):
        raise ProvisionError(
            "meter-profile",
            f"unit {unit}: expected profile {meter.get('profile')} of --meters, found {profile}",
            "Correct the one that is wrong.",
        )
    written = str(meter.get("meter", {}).get("serial", ""))
    if serial and plain_serial(serial) != plain_serial(written):
        raise ProvisionError(
            "meter-serial",
            f"unit {unit}: expected serial number {written!r} of --meters, the meter says "
            f"{serial!r}",
            "Read the plate again: another meter is connected, or the number was mistyped.",
        )
    return energy_mwh // 1000


def missing(state: State, facts: list[Fact]) -> Iterator[Fact]:
    """Facts that the registry does not hold yet.

    Raises ProvisionError `station-differs` for a device that is on record at another station.
    """
    for one in facts:
        if one.kind == "enrol":
            held = state.devices.get(one.fields["device_id"])
            if held is not None and held.station != one.fields["station"]:
                raise ProvisionError(
                    "station-differs",
                    f"expected device {held.id} at station {one.fields['station']}, found it on "
                    f"record at {held.station}",
                    "A board that moved: `meterseal devices relabel`.",
                )
            if held is None:
                yield one
        else:
            meter = state.newest.get(meter_name(one.fields["meter"]))
            here = meter is not None and meter.removal is None
            if not here or meter.entry["device_id"] != one.fields["device_id"]:  # type: ignore[union-attr]
                yield one
