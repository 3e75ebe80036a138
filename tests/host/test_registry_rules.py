"""Every rule R1 to R20 of the report finds in the registry what it consumes.

The readers of the trust file (verification and report) run over a real export whose entries note
what is taken out of them; each rule names its fields, or what else it rests on.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from meterseal.collector.registry_database import open_registry
from meterseal.mrv import registration
from meterseal.mrv.rules_text import RULES
from meterseal.registry import Acts, Registry, export
from meterseal.registry.acts import enrol_fields
from meterseal.registry.fields import OPTIONAL, REQUIRED
from meterseal.trust import parse_trust
from meterseal.trust_countersigned import gate_of
from meterseal.trust_entries import keys_of
from meterseal.trust_json import parse
from support.registry import (
    OPERATOR,
    SECOND,
    STATION,
    calibration,
    installation,
    removal,
    set_aside,
    statement,
)
from support.sealed import kid_of, private_key, public_bytes

KEY = ("enrol.device_id", "enrol.public_key", "enrol.thumbprint", "enrol.key_class")
LIFE = ("enrol.valid_from", "enrol.valid_until", "revoke.since", "retire.since")
SIGNED = ("countersign.of", "countersign.of_hash", "countersign.signatures")
METER = (
    "meter-install.meter",
    "meter-install.station",
    "meter-install.from",
    "meter-remove.until",
)

FIELDS: dict[str, tuple[str, ...]] = {
    "R1": (
        *KEY,
        *SIGNED,
        "revoke.device_id",
        "revoke.reason",
        "rollover.statement",
        "rollover.old_device_id",
    ),
    "R2": (
        *METER,
        "station.station",
        "station.name",
        "station.activity",
        "station.sources",
        "station.from",
    ),
    "R3": (*KEY, "restart.device_id", "restart.chain"),
    "R4": (
        *("meter-install.rated_w", "meter-install.register_wh", "meter-remove.register_wh"),
        *("set-aside.meter", "set-aside.from", "set-aside.until"),
    ),
    "R5": ("meter-install.device_id", "meter-install.unit_id", "replace-device.at_time"),
    "R6": (
        *("meter-install.meter", "meter-install.profile", "meter-install.accuracy_class"),
        *("meter-install.ct_ratio", "meter-install.pt_ratio", "calibration.meter"),
        *("calibration.calibrated_at", "calibration.valid_until"),
        "calibration.certificate_sha256",
        *SIGNED,
    ),
    "R7": ("meter-install.mpe_ppm", "calibration.mpe_ppm", "calibration.error_found_ppm"),
    "R8": (
        *METER,
        *("meter-remove.meter", "meter-remove.register_wh", "meter-remove.final_test_sha256"),
        *("meter-install.register_wh", "meter-install.initial_test_sha256"),
        *("replace-device.old_device_id", "replace-device.new_device_id"),
        *SIGNED,
    ),
    "R10": (*METER, "meter-install.role"),
    "R11": ("meter-install.meter", "meter-install.parent", "meter-install.role"),
    "R14": ("meter-install.vehicle_class", "meter-install.role", "meter-install.source"),
    "R18": LIFE,
}
ELSEWHERE = {
    "R9": "invoices, an input of the activity",
    "R12": "parameters, an input of the activity",
    "R13": "boundary of the consumption samples, an input of the activity",
    "R15": "time zone of the activity; the sealed time anchors",
    "R16": "arithmetic",
    "R17": "holders, an input of the activity",
    "R19": "targets, an input of the activity, and the book of locked reports",
    "R20": "parameters, an input of the activity",
}
FOR_PEOPLE = {
    *("enrol.board", "enrol.firmware", "enrol.provisioning_hash", "enrol.nonce", "enrol.proof"),
    *("station.time_zone", "meter-remove.reason", "restart.reason", "retire.reason"),
    "set-aside.reason",
    *("note.text", "note.device_id", "note.reverses", "calibration.meter"),
}
"""Kept for auditors; no rule computes with them."""


class Noting(dict[str, Any]):
    """An entry that notes which of its fields somebody takes."""

    taken: set[str]

    def __init__(self, entry: dict[str, Any], taken: set[str]) -> None:
        super().__init__(entry)
        self.taken = taken

    def _note(self, name: str) -> None:
        self.taken.add(f"{dict.__getitem__(self, 'type')}.{name}")

    def __getitem__(self, name: str) -> Any:
        self._note(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._note(name)
        return super().get(name, default)


def full(registry: Registry) -> bytes:
    """An export with every type of entry and every field."""
    first, second, third = (private_key(number) for number in (21, 22, 23))
    ids = [kid_of(key).hex() for key in (first, second, third)]
    extra = {"board": "ESP32", "firmware": "1.0.0", "provisioning_hash": "01" * 32}
    life = {"valid_from": "2026-01-01T00:00:00Z", "valid_until": "2036-01-01T00:00:00Z"}
    enrolment = enrol_fields(public_bytes(first), "kampot-1", "software", **extra, **life)
    acts = Acts(registry, "S. Chan", [("operator", OPERATOR)])
    main = installation(ids[0], serial="main", unit_id=9, role="main")
    parent = {"maker": "Eastron", "serial": "main"}
    acts.enter(("station", STATION), ("enrol", enrolment), ("meter-install", main))
    acts.enter(
        ("meter-install", installation(ids[0], parent=parent)),
        ("calibration", calibration()),
        ("station", STATION | {"from": "2026-02-01T00:00:00Z"}),
        ("set-aside", set_aside()),
        ("restart", {"device_id": ids[0], "chain": "ab" * 16, "reason": "board repaired"}),
        ("note", {"text": "audit", "device_id": ids[0], "reverses": 1}),
    )
    acts.relabel(ids[0], "kampot-1")
    acts.replace_meter(removal(), installation(ids[0], serial="2"))
    new = enrol_fields(public_bytes(second), "kampot-1", "software")
    acts.rollover(ids[0], new, statement(first, second), "2026-05-01T00:00:00Z")
    new = enrol_fields(public_bytes(third), "kampot-1", "software")
    acts.replace_device(ids[1], new, "2026-06-01T00:00:00Z")
    acts.revoke(ids[1], "2026-06-02T00:00:00Z", "found in a market")
    acts.retire(ids[2], "2026-12-01T00:00:00Z")
    for entry in registry.state().waiting():
        acts.countersign(entry["n"], SECOND)
    return export(registry, [OPERATOR])


@pytest.fixture
def taken(tmp_path: Path) -> set[str]:
    """Fields that verification and report take out of an export."""
    found: set[str] = set()
    data = full(open_registry(tmp_path / "registry.sqlite"))
    entries = [Noting(entry, found) for entry in parse(data)["entries"]]
    gate = gate_of(entries, (), ())
    trust = replace(parse_trust(data), keys=keys_of(entries, gate), gate=gate, entries=entries)
    assert len(registration.read_installations(trust).meters) == 3
    return found


def test_each_rule_finds_its_fields(taken: set[str]) -> None:
    for rule, fields in FIELDS.items():
        for name in fields:
            kind, _, field = name.partition(".")
            known = REQUIRED[kind] | OPTIONAL.get(kind, {})
            assert field in known or field == "signatures", f"{rule}: the registry has no {name}"
            assert name in taken, f"{rule}: nobody reads {name}"


def test_no_rule_is_left_out() -> None:
    assert {rule.id for rule in RULES} == FIELDS.keys() | ELSEWHERE.keys()
    assert not FIELDS.keys() & ELSEWHERE.keys()


def test_no_field_is_kept_for_nothing(taken: set[str]) -> None:
    every = {
        f"{kind}.{name}" for kind in REQUIRED for name in REQUIRED[kind] | OPTIONAL.get(kind, {})
    }
    assert every - taken <= FOR_PEOPLE, sorted(every - taken - FOR_PEOPLE)
