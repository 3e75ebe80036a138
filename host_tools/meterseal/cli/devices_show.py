"""`meterseal devices`: the verbs that only read: list, show, export."""

from pathlib import Path
from typing import Annotated, Any

import typer

from meterseal.cli import output
from meterseal.cli.devices_acts import DEFAULT_REGISTRY, Device, Json, Registry
from meterseal.cli.keys import Passphrase, passphrase_of
from meterseal.registry.state import Device as DeviceRecord
from meterseal.registry.state import Meter, State


def list_devices(
    registry: Registry = DEFAULT_REGISTRY,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Entries that wait for the second role.")
    ] = False,
    as_json: Json = False,
) -> None:
    """One line a device, or one line a waiting entry."""
    state = _state(registry)
    if waiting:
        _waiting(state, as_json)
    elif as_json:
        output.result_json([_device(state, one) for one in state.devices.values()])
    else:
        rows = [_row(state, one) for one in state.devices.values()]
        head = ["device", "station", "key class", "status", "countersigned", "meters"]
        output.table(head, rows, numbers=[5])


def show(device: Device, registry: Registry = DEFAULT_REGISTRY, as_json: Json = False) -> None:
    """Everything about one device."""
    state = _state(registry)
    found = state.device(device)
    about = _device(state, found) | {"entries": _entries_about(state, device)}
    if as_json:
        output.result_json(about)
        return
    for name in ("device_id", "station", "key_class", "status", "countersigned", "thumbprint"):
        output.result(f"{name.replace('_', ' ')}: {_plain(about[name])}")
    if found.status != "in-service":
        output.result(f"since: {found.since} {found.reason}".rstrip())
    if found.successor:
        output.result(f"replaced by: {found.successor}")
    for meter in about["meters"]:
        output.result(
            f"meter: {meter['maker']} {meter['serial']}, unit {meter['unit_id']}, "
            f"{meter['role']}, countersigned: {_plain(meter['countersigned'])}"
        )
    for entry in about["entries"]:
        output.result(f"entry {entry['n']}: {entry['at']} {entry['type']} by {entry['by']}")


def export(
    out: Annotated[Path, typer.Option(help="File to write.")],
    operator_key: Annotated[
        list[Path], typer.Option(help="Operator's private key; may be repeated.")
    ],
    registry: Registry = DEFAULT_REGISTRY,
    former: Annotated[
        Path | None, typer.Option(help="Earlier export, which this one has to go on from.")
    ] = None,
    passphrase_file: Passphrase = None,
    as_json: Json = False,
) -> None:
    """Write the trust file. An export that is already at OUT is compared with as --former."""
    from meterseal.collector.registry_database import open_registry
    from meterseal.registry import export as signed_export
    from meterseal.registry.role_keys import load_key
    from meterseal.trust_keys import fingerprint, public_bytes

    former = former or (out if out.exists() else None)
    keys = [load_key(one, passphrase_of(passphrase_file)) for one in operator_key]
    log = open_registry(registry, create=False)
    data = signed_export(log, keys, former.read_bytes() if former else None)
    temporary = out.with_name(out.name + ".new")
    temporary.write_bytes(data)
    temporary.replace(out)
    operators = [fingerprint(public_bytes(key)) for key in keys]
    count, waiting = len(log.entries()), len(log.state().waiting())
    if as_json:
        about = {"file": str(out), "entries": count, "waiting": waiting}
        output.result_json({**about, "operators": operators})
        return
    output.verdict(True, f"{out}: {count} entries, signed by {', '.join(operators)}")
    if waiting:
        output.note(f"{waiting} entries count only once they are countersigned")


def _state(registry: str) -> State:
    from meterseal.collector.registry_database import open_registry

    return open_registry(registry, create=False).state()


def _waiting(state: State, as_json: bool) -> None:
    entries = state.waiting()
    if as_json:
        output.result_json(entries)
        return
    rows = [
        [str(one["n"]), one["type"], one["at"], one.get("by", ""), _subject(one)]
        for one in entries
    ]
    output.table(["entry", "type", "at", "by", "about"], rows, numbers=[0])


def _subject(entry: dict[str, Any]) -> str:
    if meter := entry.get("meter"):
        return f"{meter['maker']} {meter['serial']}"
    if "new_device_id" in entry:
        return f"{entry['old_device_id']} to {entry['new_device_id']}"
    return str(entry.get("device_id") or entry["station"])


def _row(state: State, device: DeviceRecord) -> list[str]:
    return [
        device.id,
        device.station,
        device.entry["key_class"],
        device.status,
        _plain(device.countersigned),
        str(len(state.meters_of(device.id))),
    ]


def _device(state: State, device: DeviceRecord) -> dict[str, Any]:
    entry = device.entry
    return {
        **{name: entry[name] for name in ("device_id", "key_class", "thumbprint", "public_key")},
        "station": device.station,
        "status": device.status,
        "since": device.since,
        "reason": device.reason,
        "successor": device.successor,
        "countersigned": device.countersigned,
        "meters": [_meter(one) for one in state.meters_of(device.id)],
    }


def _meter(meter: Meter) -> dict[str, Any]:
    entry = meter.entry
    names = ("unit_id", "profile", "role", "rated_w", "accuracy_class", "register_wh", "from")
    about = {name: entry[name] for name in names}
    calibrated = [one["valid_until"] for one in meter.calibrations]
    more = {"countersigned": meter.countersigned, "calibrated_until": max(calibrated, default="")}
    return {**entry["meter"], **about, **more}


def _entries_about(state: State, device: str) -> list[dict[str, Any]]:
    names = ("device_id", "old_device_id", "new_device_id")
    about = [one for one in state.entries if device in (one.get(name) for name in names)]
    return [{**{k: one[k] for k in ("n", "at", "type")}, "by": one.get("by", "")} for one in about]


def _plain(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
