"""The trust file is followed: new devices, revocations, and what waited for them in quarantine."""

import contextlib
import os
import time

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from meterseal.collector.database import Database
from meterseal.collector.live_trust import LiveTrust
from meterseal.collector.rejudging import release
from meterseal.collector.store import Store
from meterseal.errors import TrustError
from meterseal.trust_write import append, enrol, sign
from support.collector_bench import Bench
from support.collector_process import CollectorProcess
from support.fast_station import FastStation

OPERATOR = ec.generate_private_key(ec.SECP256R1())


def trust_of(stations, revoked=()):
    """A trust file of one operator; `revoked`: (station, since)."""
    entries = []
    for index, station in enumerate(stations, 1):
        enrol(entries, station.public_65, f"station-{index}", "sim", "2026-01-01T00:00:00Z")
    for station, since in revoked:
        fields = {"device_id": station.kid.hex(), "since": since, "reason": "stolen"}
        append(entries, "revoke", "2026-02-01T00:00:00Z", **fields)
    return sign(entries, OPERATOR)


@pytest.fixture
def stations():
    return [FastStation(), FastStation()]


@pytest.fixture
def live(tmp_path, stations):
    (tmp_path / "trust.json").write_bytes(trust_of(stations[:1]))
    return LiveTrust(tmp_path / "trust.json")


def test_a_new_device_is_known_once_the_file_names_it(tmp_path, live, stations):
    raw = stations[1].seal()
    assert live.refresh() == set() and live.open_all([raw])[0].code == "key-unknown"
    (tmp_path / "trust.json").write_bytes(trust_of(stations))
    assert live.refresh() == {stations[1].kid}
    assert live.open_all([raw])[0].kid == stations[1].kid and len(live.keys) == 2
    os.utime(tmp_path / "trust.json")
    assert live.refresh() == set()


@pytest.mark.parametrize(("since", "refused"), [("2020", True), ("2099", False)])
def test_a_revocation_counts_from_its_moment_on(tmp_path, live, stations, since, refused):
    raw = stations[0].seal()
    assert live.open_all([raw])[0].kid == stations[0].kid
    revoked = trust_of(stations[:1], [(stations[0], f"{since}-01-01T00:00:00Z")])
    (tmp_path / "trust.json").write_bytes(revoked)
    assert live.refresh() == {stations[0].kid}
    [found] = live.open_all([raw])
    assert getattr(found, "code", "") == ("key-revoked" if refused else "")


def test_an_older_export_takes_no_revocation_back(tmp_path, live, stations):
    older = (tmp_path / "trust.json").read_bytes()
    newer = trust_of(stations[:1], [(stations[0], "2020-01-01T00:00:00Z")])
    (tmp_path / "trust.json").write_bytes(newer)
    live.refresh()
    for other in (older, trust_of(stations[1:])):
        (tmp_path / "trust.json").write_bytes(other)
        with pytest.raises(TrustError) as refused:
            live.refresh()
        assert refused.value.code == "registry-rewritten"
        assert live.open_all([stations[0].seal()])[0].code == "key-revoked"


def test_a_file_that_is_none_changes_nothing(tmp_path, live, stations):
    for action in (
        lambda path: path.write_bytes(b"{"),
        lambda path: path.write_bytes(trust_of(stations)[:-20]),
        lambda path: path.unlink(),
    ):
        action(tmp_path / "trust.json")
        with pytest.raises((TrustError, OSError)):
            live.refresh()
        assert live.refresh() == set()  # said once
        assert live.open_all([stations[0].seal()])[0].kid == stations[0].kid
    (tmp_path / "trust.json").write_bytes(trust_of(stations))
    assert live.refresh() == {stations[1].kid}


def test_quarantined_batches_enter_their_chains(tmp_path, live, stations):
    url = f"sqlite:///{tmp_path}/c.sqlite"
    bench = Bench(url, stations[:1])
    batches = stations[1].seals(5)
    stranger = FastStation().seal()
    assert bench.send(*reversed(batches), stranger) == []
    store = Store(Database(url))
    assert release(store, live.open_all, live.keys) == 0
    (tmp_path / "trust.json").write_bytes(trust_of(stations))
    assert release(store, live.open_all, live.refresh()) == 5
    [head] = store.heads(stations[1].kid)
    assert (head.number, head.hash) == (5, stations[1].head)
    assert list(store.raw_batches()) == batches
    assert bench.rows("SELECT raw FROM quarantine") == [(stranger,)]
    used = dict(bench.rows("SELECT scope, bytes FROM quarantine_use"))
    assert set(used) == {b"total", stranger[12:20]} and len(set(used.values())) == 1


def test_a_running_collector_follows_its_trust_file(tmp_path, stations):
    known, late = stations
    with (
        CollectorProcess(tmp_path, trust_of([known]), 2) as collector,
        httpx.Client(verify=collector.tls, base_url=collector.url, timeout=30) as client,
    ):
        raw = late.seal()
        assert client.post("/v1/batches", content=raw).json()["refused"] == ["key-unknown"]
        (tmp_path / "trust.json").write_bytes(trust_of(stations))
        assert until(lambda: client.get("/v1/export").content == raw)
        head = client.get(f"/v1/head?device={late.kid.hex()}").json()
        assert head["acks"][0]["number"] == 1
        page = f"/stations/{late.kid.hex()}"
        assert until(lambda: client.get(page).status_code == 200)
        assert "trust" in client.get("/readyz").json()["tasks"]


def until(condition, seconds=60):
    """Whether something becomes true."""
    for _ in range(seconds * 10):
        with contextlib.suppress(httpx.HTTPError):
            if condition():
                return True
        time.sleep(0.1)
    return False
