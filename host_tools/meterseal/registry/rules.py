"""Applies entries one after the other; one that contradicts those before it is refused."""

from collections.abc import Callable, Iterable
from typing import Final, NoReturn

from meterseal.errors import RegistryError, TrustError
from meterseal.registry.state import Device, Meter, State
from meterseal.trust import entry_hash, unix_ms
from meterseal.trust_countersigned import NEED_SECOND, second_signers
from meterseal.trust_fields import meter_name
from meterseal.trust_keys import kid_of, load_public_key, thumbprint
from meterseal.trust_rollover import check_statement
from meterseal.trust_write import Entry


def state_of(entries: Iterable[Entry]) -> State:
    """State behind some entries. Raises RegistryError as `apply`."""
    state = State()
    for entry in entries:
        apply(state, entry)
    return state


def apply(state: State, entry: Entry) -> None:
    """Take one entry in.

    Raises RegistryError: `device-known`, `device-unknown`, `device-not-in-service`,
    `entry-key`, `meter-installed`, `meter-not-installed`, `meter-register`, `meter-parent`,
    `unit-taken`, `calibration-dates`, `set-aside-dates`, `countersign-target`, `countersign-hash`,
    `countersign-role`, `countersign-twice`, `rollover-statement`.
    """
    reader = _READERS.get(entry["type"])
    if reader is not None:
        reader(state, entry)
    state.entries.append(entry)


def _enrol(state: State, entry: Entry) -> None:
    try:
        public_key = bytes.fromhex(entry["public_key"])
        load_public_key(public_key)
        names = kid_of(public_key).hex(), thumbprint(public_key).hex()
    except (TrustError, ValueError) as problem:
        _refuse("entry-key", f"expected a P-256 key: {problem}", "Take it from the board again.")
    if names != (entry["device_id"], entry["thumbprint"]):
        text = f"expected device id {names[0]} and thumbprint {names[1]} of this key, found others"
        _refuse("entry-key", text, "Take key and device id from the board again.")
    present = state.devices.get(entry["device_id"])
    if present is not None:
        _refuse(
            "device-known",
            f"device {present.id}: expected a key that was never enrolled, found the one of "
            f"station {present.station} (entry {present.entry['n']})",
            "Two boards with one key: provision the second one anew. A board that only moved: "
            "`meterseal devices relabel`.",
        )
    state.devices[entry["device_id"]] = Device(entry, entry["station"])


def _station(state: State, entry: Entry) -> None:
    state.stations[entry["station"]] = entry


def _relabel(state: State, entry: Entry) -> None:
    state.in_service(entry["device_id"]).station = entry["station"]


def _end(state: State, entry: Entry) -> None:
    device = state.device(entry["device_id"])
    revoked = entry["type"] == "revoke"
    if not revoked or device.status == "revoked":
        state.in_service(entry["device_id"])
    device.status = "revoked" if revoked else "retired"
    device.since, device.reason = entry["since"], entry.get("reason", "")


def _restart(state: State, entry: Entry) -> None:
    state.device(entry["device_id"])


def _replace_device(state: State, entry: Entry) -> None:
    old, new = state.device(entry["old_device_id"]), state.in_service(entry["new_device_id"])
    if old is new:
        _refuse("device-known", "expected two devices, found one twice", "Name old and new one.")
    for meter in state.in_place.pop(old.id, []):
        meter.entry = {**meter.entry, "device_id": new.id}
        state.in_place.setdefault(new.id, []).append(meter)
    old.successor = new.id


def _rollover(state: State, entry: Entry) -> None:
    old, new = state.device(entry["old_device_id"]), state.in_service(entry["new_device_id"])
    check_statement(
        bytes.fromhex(entry["statement"]),
        bytes.fromhex(old.entry["public_key"]),
        bytes.fromhex(new.entry["public_key"]),
    )
    _replace_device(state, entry)


def _install(state: State, entry: Entry) -> None:
    state.in_service(entry["device_id"])
    name = meter_name(entry["meter"])
    present = state.newest.get(name)
    if present is not None and present.removal is None:
        text = f"expected a meter that is not in place, found {name[0]} {name[1]} installed"
        _refuse("meter-installed", text, "Enter its removal first.")
    for meter in state.meters_of(entry["device_id"]):
        if meter.entry["unit_id"] == entry["unit_id"]:
            text = f"expected a free unit id, found {entry['unit_id']} with {' '.join(meter.name)}"
            _refuse(
                "unit-taken", text, "Enter that meter's removal first, or correct the unit id."
            )
    if "parent" in entry and meter_name(entry["parent"]) not in state.newest:
        text = f"expected a parent meter on record, found {' '.join(meter_name(entry['parent']))}"
        _refuse("meter-parent", text, "Enter the main meter first.")
    meter = Meter(entry)
    state.meters.append(meter)
    state.newest[name] = state.by_entry[entry["n"]] = meter
    state.in_place.setdefault(entry["device_id"], []).append(meter)


def _remove(state: State, entry: Entry) -> None:
    meter = state.installed(meter_name(entry["meter"]))
    start_wh = meter.entry["register_wh"]
    if entry["register_wh"] < start_wh or unix_ms(entry["until"]) < unix_ms(meter.entry["from"]):
        text = f"expected at least {start_wh} Wh, and a time behind the installation, found "
        _refuse(
            "meter-register", f"{text}{entry['register_wh']} Wh at {entry['until']}", "Correct."
        )
    meter.removal = entry
    state.by_entry[entry["n"]] = meter
    state.in_place[meter.entry["device_id"]].remove(meter)


def _calibration(state: State, entry: Entry) -> None:
    name = meter_name(entry["meter"])
    meter = state.newest.get(name) or state.installed(name)  # raises: never installed
    if unix_ms(entry["valid_until"]) <= unix_ms(entry["calibrated_at"]):
        text = f"expected a validity behind {entry['calibrated_at']}, found {entry['valid_until']}"
        _refuse("calibration-dates", text, "Correct the dates.")
    meter.calibrations.append(entry)


def _set_aside(state: State, entry: Entry) -> None:
    name = meter_name(entry["meter"])
    if name not in state.newest:
        state.installed(name)  # raises: never installed
    if unix_ms(entry["until"]) <= unix_ms(entry["from"]):
        text = f"expected an end behind {entry['from']}, found {entry['until']}"
        _refuse("set-aside-dates", text, "Correct the times.")


def _countersign(state: State, entry: Entry) -> None:
    number = entry["of"]
    target = state.entries[number - 1] if number <= len(state.entries) else None
    if target is None or target["type"] not in NEED_SECOND:
        text = f"expected an entry that needs a second signature, found entry {number}"
        _refuse("countersign-target", text, "See `meterseal devices list --waiting`.")
    if entry["of_hash"] != entry_hash(target):
        text = f"expected the hash of entry {number}, found another"
        _refuse("countersign-hash", text, "Read that entry again before you sign it.")
    if number in state.signed:
        _refuse("countersign-twice", f"entry {number} is countersigned already", "Nothing to do.")
    try:
        seconds = second_signers(entry, target)
    except (TrustError, ValueError, KeyError) as problem:
        _refuse("countersign-role", f"expected signatures that verify: {problem}", "Sign again.")
    if not seconds:
        text = (
            "expected a signature of the second role, by a key that did not sign the entry itself"
        )
        _refuse(
            "countersign-role", text, "Another person countersigns, with a key of the role second."
        )
    state.signed.add(number)
    _mark_signed(state, target)


def _mark_signed(state: State, target: Entry) -> None:
    if target["type"] == "enrol":
        state.devices[target["device_id"]].countersigned = True
    elif target["type"] == "meter-install":
        state.by_entry[target["n"]].countersigned = True
    elif target["type"] == "meter-remove":
        state.by_entry[target["n"]].removal_countersigned = True


def _refuse(code: str, text: str, remedy: str) -> NoReturn:
    raise RegistryError(code, text, remedy)


_READERS: Final[dict[str, Callable[[State, Entry], None]]] = {
    "enrol": _enrol,
    "station": _station,
    "relabel": _relabel,
    "revoke": _end,
    "retire": _end,
    "restart": _restart,
    "replace-device": _replace_device,
    "rollover": _rollover,
    "meter-install": _install,
    "meter-remove": _remove,
    "calibration": _calibration,
    "set-aside": _set_aside,
    "countersign": _countersign,
}
