"""`meterseal audit` blames the tables only for what the bytes beside them contradict.

Not for what a station uploads while its device is audited, and not for batches that are there but
no longer accepted. What is really missing is found all the same.
"""

import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from meterseal import trust_write
from meterseal.audit import sources
from support.meanwhile import at_row

from tests.host.test_audit_tampering import COUNT, World, audit, delete_tail, expect

AT = "2026-01-01T00:00:00Z"


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, f"sqlite:///{tmp_path}/collector.sqlite")


def test_a_station_uploads_while_it_is_audited(world, monkeypatch, capsys):
    first = min(world.stations, key=lambda one: one.kid)
    left = at_row(monkeypatch, 3, lambda: world.send(first.seal(), first.seal()))
    expect(world, capsys, set())
    assert not left


def test_a_gap_is_filled_while_it_is_read(world, monkeypatch, capsys):
    """The rows behind the gap are linked between two pages; the gap was there as it began."""
    first = min(world.stations, key=lambda one: one.kid)
    late = first.seal()
    world.send(first.seal())
    world.send(first.seal())
    monkeypatch.setattr(sources, "PAGE", COUNT + 1)
    left = at_row(monkeypatch, COUNT, lambda: world.send(late))
    found = audit(world, capsys)[1]
    assert not left and sorted(map(sorted, found)) == [[], ["chain-gap"]]
    assert audit(world, capsys)[0] == 0


def trust_with(world, stations, **revoked):
    """A trust file with these stations; `revoked`: fields of the revocation of the first one."""
    entries = []
    for number, station in enumerate(stations):
        trust_write.enrol(entries, station.public_65, f"s{number}", "sim", AT)
    if revoked:
        kid = stations[0].kid.hex()
        trust_write.append(entries, "revoke", AT, device_id=kid, reason="stolen", **revoked)
    key = ec.derive_private_key(7, ec.SECP256R1())
    world.trust.write_bytes(trust_write.sign(entries, key))


def revoke_from(world, number):
    """The first station's key is revoked from a moment before its batch with this number on."""
    moment = datetime.fromtimestamp(1_790_000_012 + (number - 1) * 3600 - 1800, UTC)
    trust_with(world, world.stations, since=moment.strftime("%Y-%m-%dT%H:%M:%SZ"))


def test_batches_behind_a_revocation_are_there_all_the_same(world, capsys, tmp_path):
    _, _, before = audit(world, capsys)
    (tmp_path / "before.json").write_text(json.dumps(before))
    revoke_from(world, 5)
    code, found, everything = audit(world, capsys, "--heads", tmp_path / "before.json")
    assert (code, found) == (1, [{"key-revoked"}, set()])
    refused = {one["device"]: one["refused"] for one in everything["devices"]}
    assert refused[world.stations[0].kid.hex()] in (COUNT - 4, COUNT - 3)


def test_a_fork_behind_a_revocation(world, capsys):
    twin = world.stations[0].fork()
    world.send(world.stations[0].seal())
    world.send(twin.seal(k4=7))
    revoke_from(world, 5)
    assert audit(world, capsys)[1] == [{"key-revoked"}, set()]


@pytest.mark.parametrize("keep_head", [True, False])
def test_what_is_deleted_behind_a_revocation_is_found(world, capsys, tmp_path, keep_head):
    _, _, before = audit(world, capsys)
    (tmp_path / "before.json").write_text(json.dumps(before))
    revoke_from(world, 5)
    if keep_head:
        delete_tail(world, 7)
        found = audit(world, capsys, "--heads", tmp_path / "before.json")[1]
        assert found == [{"key-revoked", "head-missing"}, set()]
        return
    world.tamper("DELETE FROM batches WHERE chain_id = :c AND number >= 7", c=world.chain(0))
    assert audit(world, capsys)[1] == [{"key-revoked", "table-differs"}, set()]


def test_a_device_that_is_no_longer_in_the_trust_file(world, capsys):
    trust_with(world, world.stations[1:])
    assert audit(world, capsys)[1] == [{"key-unknown"}, set()]
