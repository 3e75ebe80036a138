"""The watch behind the intake: metrics, alerts, webhooks, and what a restart remembers."""

import hashlib
import hmac
import http.server
import json
import re
import threading
import time
from pathlib import Path

import httpx
import pytest
from meterseal.collector.alerts import KINDS, alerts
from meterseal.collector.database import Database
from meterseal.collector.fleet import Fleet
from meterseal.collector.ingest import sort_in, split_sequence
from meterseal.collector.metrics import Metrics
from meterseal.collector.pictures import bars, map_of
from meterseal.collector.places import Places
from meterseal.collector.records import Upload
from meterseal.collector.schema import CHAINS
from meterseal.collector.status import DeviceStatus, StatusFile
from meterseal.collector.store import Store
from meterseal.collector.watch import Watch
from meterseal.collector.webhooks import SIGNATURE, Webhook
from meterseal.errors import EnvironmentProblem
from meterseal.trust import load_trust
from meterseal.verify import Opener
from support.collector_process import CollectorProcess
from support.fast_station import trust_of

from tests.host.test_audit_tampering import HourlyStation

ALERTS = Path(__file__).resolve().parents[2] / "docs" / "alerts.yml"
SECRET = b"between us"


class World:
    """A store, its watch, and what the watch told."""

    def __init__(self, folder, *stations):
        self.folder = folder
        (folder / "trust.json").write_bytes(trust_of(stations))
        self.trust = load_trust(folder / "trust.json")
        self.database = Database(f"sqlite:///{folder}/collector.sqlite")
        self.database.migrate()
        self.store = Store(self.database)
        self.told = []
        self.watch = self.restart()

    def restart(self):
        places = Places(self.folder / "trust.json")
        self.watch = Watch(self.database, self.trust, places, self.folder)
        return self.watch

    def send(self, *batches):
        upload = Upload([], [])
        pieces = [one for body in batches for one in split_sequence(body)]
        opened = Opener(self.trust).open_all(pieces)
        sort_in(zip(pieces, opened, strict=True), upload)
        self.store.keep([upload])

    def step(self):
        count = self.watch.step(lambda kind, content: self.told.append((kind, content)))
        self.watch.save()
        return count

    def kinds(self, news):
        return [content["kind"] for kind, content in self.told if kind == news]


@pytest.fixture
def station():
    return HourlyStation()


@pytest.fixture
def world(tmp_path, station):
    return World(tmp_path, station)


def test_every_batch_is_verified_once_across_restarts(world, station):
    world.send(*station.seals(3))
    assert (world.step(), world.step()) == (3, 0)
    world.restart()
    assert world.step() == 0
    world.send(station.seal())
    assert world.step() == 1
    (device,) = world.watch.status.devices.values()
    assert (device.batches, device.last_number, device.readings) == (4, 4, 240)
    assert device.energy_import_mwh > 0 and device.station == "station-1"
    assert [kind for kind, _ in world.told] == ["batch.verified"] * 4
    assert world.told[-1][1]["hash"] == station.head.hex()


def test_a_gap_raises_an_alert_and_clears_it_when_it_is_filled(world, station):
    first, second, third = station.seals(3)
    world.send(first, third)
    world.step()
    assert world.kinds("alert.raised") == ["gap"]
    world.send(second)
    world.step()
    assert world.kinds("alert.cleared") == ["gap"]


def test_a_fork_is_critical_and_stays(world, station):
    world.send(station.seal())
    twin = station.fork()
    world.send(station.seal(), twin.seal(k4=9))
    world.step()
    world.step()
    raised = [one for kind, one in world.told if kind == "alert.raised"]
    assert [(one["kind"], one["severity"]) for one in raised] == [("fork", "critical")]


def test_lost_state_is_made_anew(world, station):
    world.send(*station.seals(2))
    world.step()
    (world.folder / "watch.json").write_text("[")
    world.restart()
    assert world.step() == 2
    (device,) = world.watch.status.devices.values()
    assert device.batches == 2


def test_silence_and_calibration(tmp_path):
    now = 1_790_000_000_000
    quiet = DeviceStatus("ab" * 8, "north", last_received_unix_ms=now - 7 * 3_600_000)
    found = alerts([quiet], {"north": now - 1, "south": now + 86_400_000, "east": now * 2}, now)
    assert [(one.kind, one.severity, one.station) for one in found] == [
        ("silent", "warning", "north"),
        ("calibration", "critical", "north"),
        ("calibration", "warning", "south"),
    ]


def samples(text):
    """Metric with labels -> value, of the text format."""
    rows = re.findall(r"^([a-z_]+(?:\{.*?\})?) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in rows}


def test_metrics(world, station):
    world.send(*station.seals(2))
    station.seal()
    world.send(station.seal())
    world.step()
    status, places = StatusFile(world.folder), Places(world.folder / "trust.json")
    found = samples(Metrics(status, places, world.database).text().decode())
    labels = f'{{device="{station.kid.hex()}",station="station-1"}}'
    assert found["meterseal_batches_verified_total" + labels] == 3
    assert found["meterseal_energy_import_wh_total" + labels] > 0
    assert time.time() - found["meterseal_last_received_timestamp_seconds" + labels] < 600
    assert found['meterseal_alerts{kind="gap"}'] == 1
    assert found['meterseal_alerts{kind="fork"}'] == 0


def test_the_rules_use_metrics_that_exist_and_cover_every_alert(world, station):
    world.send(station.seal())
    world.step()
    status, places = StatusFile(world.folder), Places(world.folder / "trust.json")
    families = Metrics(status, places, world.database).collect()
    known = {one.name + ("_total" if one.type == "counter" else "") for one in families}
    text = ALERTS.read_text(encoding="utf-8")
    used = set(re.findall(r"meterseal_\w+", text))
    assert used and used <= known, used - known
    assert set(re.findall(r"kind: (\w+)", text)) == set(KINDS)


class Receiver:
    """A real HTTP server that answers as it is told, and keeps what it got."""

    def __init__(self, answers=()):
        got, left = [], list(answers)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = left.pop(0) if left else 200
                got.append((status, self.headers[SIGNATURE], body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                """Quiet."""

        self.got = got
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_webhooks_of_a_running_collector(tmp_path, station):
    """Delivered signed, after a failure again; the alert of a gap among them."""
    receiver = Receiver([500])
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    more = ("--webhook", receiver.url, "--webhook-secret", tmp_path / "secret")
    first, _, third = station.seals(3)
    with CollectorProcess(tmp_path, trust_of([station]), more=more) as collector:
        httpx.post(f"{collector.url}/v1/batches", content=first + third, verify=collector.tls)
        news = []
        until = time.monotonic() + 120
        while len(news) < 3 and time.monotonic() < until:
            time.sleep(0.1)
            good = [body for status, _, body in list(receiver.got) if status == 200]
            news = [one for body in good for one in json.loads(body)["news"]]
        text = httpx.get(f"{collector.url}/metrics", verify=collector.tls).text
        assert "meterseal_batches_verified_total" in text
        ready = httpx.get(f"{collector.url}/readyz", verify=collector.tls).text
        assert "watch" in ready
    receiver.close()
    assert receiver.got[0][0] == 500 and receiver.got[0][2] == receiver.got[1][2]
    assert sorted(one["type"] for one in news) == ["alert.raised"] + ["batch.verified"] * 2
    for _, signature, body in receiver.got:
        assert signature == "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()


def test_webhooks_leave_the_machine_by_tls_alone():
    with pytest.raises(EnvironmentProblem) as refused:
        Webhook("http://example.com/hook", SECRET, frozenset())
    assert refused.value.code == "webhook-url"


def test_news_that_do_not_fit_are_counted(monkeypatch):
    hook = Webhook("http://127.0.0.1:9/hook", SECRET, frozenset(("alert.raised",)))
    for _ in range(10_003):
        hook.tell("alert.raised", {})
        hook.tell("batch.verified", {})
    assert hook._dropped == 3


def test_a_map_and_places_of_the_trust_file(tmp_path):
    entries = [
        {
            "type": "station",
            "station": "north",
            "latitude_e7": 133000000,
            "longitude_e7": 1038000000,
        },
        {
            "type": "station",
            "station": "south",
            "latitude_e7": 106000000,
            "longitude_e7": 1049000000,
        },
        {"type": "meter-install", "meter": {"maker": "A", "serial": "1"}, "station": "north"},
        {
            "type": "calibration",
            "meter": {"maker": "A", "serial": "1"},
            "valid_until": "2027-01-01T00:00:00Z",
        },
    ]
    (tmp_path / "trust.json").write_text(json.dumps({"entries": entries}))
    places = Places(tmp_path / "trust.json")
    assert places.calibration_until() == {"north": 1_798_761_600_000}
    stations = [("ab" * 8, "north", "ok"), ("cd" * 8, "south", "gap"), ("ef" * 8, "nowhere", "ok")]
    picture = map_of(stations, places.of_stations())
    circles = re.findall(r'cx="([0-9.]+)" cy="([0-9.]+)"', picture)
    assert len(circles) == 2 and picture.count("/stations/") == 2
    (x_north, y_north), (x_south, y_south) = ((float(x), float(y)) for x, y in circles)
    assert y_north < y_south and x_north < x_south  # north is up, east is right
    assert map_of(stations, {}) == ""


def test_bars_say_what_they_show():
    picture = bars({496_000: 1500.0, 496_002: 500.0}, "kWh", 1000, "Energy by hour")
    assert picture.count("<rect") == 2 and "1.500 kWh" in picture and bars({}, "kWh", 1, "") == ""


def test_the_table_counts_chains_of_any_length(world, station):
    """Numbers are what a station seals: two of 2**63 - 1 are more than a database adds up."""
    status, places = StatusFile(world.folder), Places(world.folder / "trust.json")
    fleet = Fleet(world.database, world.trust, status, places)
    world.send(*station.seals(2))
    station.chain = bytes(16)
    station.number = 0
    world.send(*station.seals(3))
    assert [one.batches for one in fleet.lines()] == [5]
    with world.database.write() as connection:
        connection.execute(CHAINS.update().values(highest=(1 << 63) - 1))
    [line] = fleet.lines()
    assert line.batches >= (1 << 63) - 1 and line.station == "station-1"
