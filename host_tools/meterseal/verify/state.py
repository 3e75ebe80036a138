"""State of a verifier as JSON, so that a chain can be taken up where it was left.

The state says what was verified; whoever can write it can forget a gap. Keep it as you keep the
trust file.
"""

import json
from pathlib import Path
from typing import Any, Final

from meterseal.errors import EnvironmentProblem, VerificationError
from meterseal.models import Anchor, Meter, Registers
from meterseal.verify.chain import ChainState, Gap, Stated
from meterseal.verify.clock import Timeline
from meterseal.verify.device import DeviceState
from meterseal.verify.meters import Mark, Meters, MeterState
from meterseal.verify.ranges import Ranges

FORMAT: Final = "meterseal-verifier-state"
VERSION: Final = 1

Devices = dict[bytes, DeviceState]
Json = dict[str, Any]


def dump(devices: Devices) -> Json:
    """State as a JSON object."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "devices": [_device(device) for device in devices.values()],
    }


def load(document: Json) -> Devices:
    """State from the object that `dump` made. Raises VerificationError `state-format`."""
    try:
        if (document["format"], document["version"]) != (FORMAT, VERSION):
            raise ValueError(f"{document['format']!r} version {document['version']!r}")
        devices = [_load_device(item) for item in document["devices"]]
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        text = f"expected {FORMAT} version {VERSION}, found: {problem!r}"
        raise VerificationError("state-format", text, "Verify from the start again.") from problem
    return {device.kid: device for device in devices}


def save_file(devices: Devices, path: Path) -> None:
    """Write the state; the old file stays until the new one is complete."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(dump(devices), separators=(",", ":")) + "\n", encoding="utf-8")
    part.replace(path)


def load_file(path: Path) -> Devices:
    """State from a file; none if there is no such file yet.

    Raises EnvironmentProblem `state-unreadable`, VerificationError `state-format`.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as problem:
        raise EnvironmentProblem(
            "state-unreadable", f"expected a state file: {problem}", "Check the path of --state."
        ) from problem
    try:
        document = json.loads(data)
    except ValueError as problem:
        raise VerificationError(
            "state-format", f"expected JSON, found: {problem}", "Verify from the start again."
        ) from problem
    return load(document)


def _device(device: DeviceState) -> Json:
    return {
        "device": device.kid.hex(),
        "chains": [_chain(chain) for chain in device.chains.values()],
        "anchors": [list(one) for known in device.timeline.boots.values() for one in known],
        "meters": [_meter(state) for state in device.meters.by_unit.values()],
    }


def _load_device(item: Json) -> DeviceState:
    kid = bytes.fromhex(item["device"])
    chains = [_load_chain(kid, one) for one in item["chains"]]
    timeline = Timeline()
    timeline.accept(tuple(Anchor._make(map(int, one)) for one in item["anchors"]))
    states = [_load_meter(one) for one in item["meters"]]
    meters = Meters({state.meter.unit: state for state in states})
    return DeviceState(kid, {chain.chain: chain for chain in chains}, timeline, meters)


def _chain(state: ChainState) -> Json:
    return {
        "chain": state.chain.hex(),
        "first_number": state.first_number,
        "last_number": state.last_number,
        "last_hash": state.last_hash.hex(),
        "next_sequence": state.next_sequence,
        "batches": state.batches,
        "readings": state.readings,
        "gaps": [_gap(gap) for gap in state.gaps],
        "lost_numbers": [list(one) for one in state.stated.numbers],
        "lost_sequences": [list(one) for one in state.stated.sequences],
        "lost_hashes": [[number, one.hex()] for number, one in state.stated.hashes.items()],
        "history": [[number, one.hex()] for number, one in state.history.items()],
        "history_len": state.history_len,
    }


def _load_chain(kid: bytes, item: Json) -> ChainState:
    return ChainState(
        kid=kid,
        chain=bytes.fromhex(item["chain"]),
        first_number=int(item["first_number"]),
        last_number=int(item["last_number"]),
        last_hash=bytes.fromhex(item["last_hash"]),
        next_sequence=int(item["next_sequence"]),
        batches=int(item["batches"]),
        readings=int(item["readings"]),
        gaps=[_load_gap(one) for one in item["gaps"]],
        stated=Stated(
            Ranges((first, last) for first, last in item["lost_numbers"]),
            Ranges((first, last) for first, last in item["lost_sequences"]),
            _hashes(item["lost_hashes"]),
        ),
        history=_hashes(item["history"]),
        history_len=int(item["history_len"]),
    )


def _hashes(items: list[Any]) -> dict[int, bytes]:
    return {int(number): bytes.fromhex(one) for number, one in items}


def _gap(gap: Gap) -> list[int | str]:
    hashes = gap.hash_before.hex(), gap.previous.hex()
    return [gap.first, gap.last, *hashes, gap.sequence_first, gap.sequence_last, gap.found_by]


def _load_gap(item: list[Any]) -> Gap:
    first, last, hash_before, previous, *numbers = item
    return Gap(first, last, bytes.fromhex(hash_before), bytes.fromhex(previous), *numbers)


def _meter(state: MeterState) -> Json:
    meter, last = state.meter, state.last
    return {
        "profile": meter.profile,
        "profile_hash": meter.profile_hash.hex(),
        "unit": meter.unit,
        "identity": [[one.function, one.address, one.words.hex()] for one in meter.identity],
        "setup": [[one.function, one.address, one.words.hex()] for one in meter.setup],
        "last": None if last is None else list(last),
        "segment": state.segment,
        "closed_mwh": state.closed_mwh,
        "across_gaps_mwh": state.across_gaps_mwh,
    }


def _load_meter(item: Json) -> MeterState:
    meter = Meter(
        str(item["profile"]),
        bytes.fromhex(item["profile_hash"]),
        int(item["unit"]),
        _load_registers(item["identity"]),
        _load_registers(item["setup"]),
    )
    last = item["last"]
    return MeterState(
        meter,
        None if last is None else Mark(int(last[0]), float(last[1]), int(last[2]), int(last[3])),
        item["segment"],
        int(item["closed_mwh"]),
        int(item["across_gaps_mwh"]),
    )


def _load_registers(items: list[Any]) -> tuple[Registers, ...]:
    return tuple(Registers(int(one[0]), int(one[1]), bytes.fromhex(one[2])) for one in items)
