"""`meterseal collect --mqtt` against real brokers: mosquitto and amqtt. Same store, same
acknowledgement as over HTTPS.
"""

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time

import httpx
import paho.mqtt.client as mqtt
import pytest
from meterseal.collector import mqtt_session
from meterseal.collector.body import MAX_BODY_BYTES
from meterseal.collector.ingest import split_sequence
from meterseal.collector.mqtt import broker_of
from meterseal.collector.mqtt_session import ANSWERS, BATCHES, Session
from meterseal.collector.write_lock import WriteLock
from meterseal.errors import EnvironmentProblem
from meterseal.pki import write_server_files
from support.collector_process import CollectorProcess
from support.fast_station import FastStation, trust_of

AMQTT = """
import asyncio, sys
from amqtt.broker import Broker
async def run():
    listener = {"type": "tcp", "bind": "127.0.0.1:" + sys.argv[1]}
    anyone = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    await Broker({"listeners": {"default": listener}, "plugins": anyone}).start()
    await asyncio.Event().wait()
asyncio.run(run())
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def command_of(kind, folder, port, settings=""):
    """How a broker of a kind is started on a port; `settings`: lines for mosquitto."""
    if kind == "amqtt":
        return [sys.executable, "-c", AMQTT, str(port)]
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    lines = f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n{settings}"
    (folder / "mosquitto.conf").write_text(lines)
    return [program, "-c", str(folder / "mosquitto.conf")]


@contextlib.contextmanager
def broker(kind, folder, port=None, settings=""):
    """URL of a running broker of a kind."""
    port = port or free_port()
    with open(folder / "broker.log", "ab") as log:
        command = command_of(kind, folder, port, settings)
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while not _listens(port):
            assert process.poll() is None, (folder / "broker.log").read_text()
            time.sleep(0.05)
        yield f"mqtt://127.0.0.1:{port}", port
    finally:
        process.terminate()
        process.wait()


def _listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Client:
    """A station's side of the broker, by paho."""

    def __init__(self, port, device, ca=None):
        self.answers = []
        self._device = device
        self._paho = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        if ca is not None:
            self._paho.tls_set(str(ca))
        self._paho.on_message = lambda _c, _u, message: self.answers.append(message.payload)
        self._paho.connect("127.0.0.1", port)
        self._paho.subscribe(ANSWERS + device, qos=1)
        self._paho.loop_start()

    def ask(self, body):
        """The answer to an upload; sent again as a station does until one comes."""
        self.answers.clear()
        for _ in range(60):
            self._paho.publish(BATCHES + self._device, body, qos=1).wait_for_publish(10)
            for _ in range(40):
                if self.answers:
                    return json.loads(self.answers[0])
                time.sleep(0.05)
        raise AssertionError("no answer")

    def publish(self, body):
        """Send once, and wait until the broker has it."""
        self._paho.publish(BATCHES + self._device, body, qos=1).wait_for_publish(10)

    def close(self):
        self._paho.loop_stop()
        self._paho.disconnect()


@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
def test_batches_by_mqtt_are_stored_and_acknowledged(tmp_path, kind):
    station = FastStation()
    with broker(kind, tmp_path) as (url, port):
        more = ("--mqtt", url)
        with CollectorProcess(tmp_path, trust_of([station]), 2, more=more) as collector:
            client = Client(port, station.kid.hex())
            batches = station.seals(3)
            answer = client.ask(b"".join(batches))
            assert answer["acks"][0]["number"] == 3 and answer["receipt"]
            assert answer["acks"][0]["hash"] == station.head.hex()
            assert client.ask(b"".join(batches))["acks"] == answer["acks"]  # twice is harmless
            refused = client.ask(b"garbage")
            assert refused["acks"] == [] and refused["refused"]
            assert client.ask(bytes(MAX_BODY_BYTES + 1))["code"] == "upload-too-large"
            client.close()
            export = httpx.get(f"{collector.url}/v1/export", verify=collector.tls)
            assert export.content == b"".join(batches)


@pytest.mark.parametrize("url", ["http://x", "mqtt://far.example", "mqtts://"])
def test_brokers_that_are_refused(url):
    with pytest.raises(EnvironmentProblem) as refused:
        broker_of(url, None)
    assert refused.value.code == "mqtt-url"


def mqtt_state(collector):
    """What the worker that answers says of its part in following the broker."""
    answer = httpx.get(f"{collector.url}/readyz", verify=collector.tls, timeout=30)
    assert answer.status_code == 200
    return answer.json()["tasks"]["mqtt"]


def until(condition, seconds=60):
    """Whether something becomes true."""
    for _ in range(seconds * 10):
        if condition():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
def test_a_broker_that_restarts_is_followed_again(tmp_path, kind):
    station = FastStation()
    port = free_port()
    more = ("--mqtt", f"mqtt://127.0.0.1:{port}")
    with CollectorProcess(tmp_path, trust_of([station]), more=more) as collector:
        assert until(lambda: "tried again" in mqtt_state(collector))
        for number in (1, 2):
            with broker(kind, tmp_path, port):
                client = Client(port, station.kid.hex())
                assert client.ask(station.seal())["acks"][0]["number"] == number
                assert mqtt_state(collector) == "connected"
                client.close()
            assert until(lambda: "tried again" in mqtt_state(collector))


def test_a_broker_behind_tls(tmp_path):
    station = FastStation()
    write_server_files(tmp_path, ["127.0.0.1"])
    ca = tmp_path / "ca.pem"
    settings = f"certfile {tmp_path}/server.pem\nkeyfile {tmp_path}/server.key\n"
    with broker("mosquitto", tmp_path, settings=settings) as (_, port):
        more = ("--mqtt", f"mqtts://127.0.0.1:{port}", "--mqtt-ca", ca)
        with CollectorProcess(tmp_path, trust_of([station]), more=more) as collector:
            client = Client(port, station.kid.hex(), ca)
            assert client.ask(station.seal())["acks"][0]["number"] == 1
            client.close()
            assert mqtt_state(collector) == "connected"
    # A broker with a certificate of somebody else gets no upload.
    (tmp_path / "other").mkdir()
    write_server_files(tmp_path / "other", ["127.0.0.1"])
    settings = settings.replace(f"{tmp_path}/server", f"{tmp_path}/other/server")
    with broker("mosquitto", tmp_path, settings=settings) as (_, port):
        more = ("--mqtt", f"mqtts://127.0.0.1:{port}", "--mqtt-ca", ca)
        with CollectorProcess(tmp_path, trust_of([station]), more=more) as collector:
            assert until(lambda: "CERTIFICATE_VERIFY_FAILED" in mqtt_state(collector))


def test_more_uploads_than_fit_are_all_stored(tmp_path):
    """The broker sends as fast as it can; the database is held up meanwhile."""
    stations = [FastStation() for _ in range(400)]
    settings = "max_inflight_messages 0\nmax_queued_messages 0\n"
    with broker("mosquitto", tmp_path, settings=settings) as (url, port):
        more = ("--mqtt", url)
        with CollectorProcess(tmp_path, trust_of(stations), more=more) as collector:
            assert until(lambda: mqtt_state(collector) == "connected")
            answered = set()
            client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
            client.max_inflight_messages_set(1000)
            client.on_message = lambda _c, _u, message: answered.add(message.topic)
            client.connect("127.0.0.1", port)
            client.subscribe(ANSWERS + "+", qos=1)
            client.loop_start()
            held = WriteLock(collector.data / "collector.sqlite.lock")
            with held:  # nothing is committed as long as this lasts
                sent = [
                    client.publish(BATCHES + one.kid.hex(), b"".join(one.seals(3)), qos=1)
                    for one in stations
                ]
                for one in sent:
                    one.wait_for_publish(30)
                time.sleep(1)
                assert not answered
            assert until(lambda: len(answered) == len(stations))
            client.loop_stop()
            client.disconnect()
            export = httpx.get(f"{collector.url}/v1/export", verify=collector.tls, timeout=60)
            assert len(list(split_sequence(export.content))) == 3 * len(stations)


def test_what_is_in_hand_when_the_collector_dies_comes_again_from_the_broker(tmp_path):
    """Published once, never sent again by the station: the broker still has it."""
    station = FastStation()
    with broker("mosquitto", tmp_path) as (url, port):
        more = ("--mqtt", url)
        with CollectorProcess(tmp_path, trust_of([station]), more=more) as collector:
            assert until(lambda: mqtt_state(collector) == "connected")
            client = Client(port, station.kid.hex())
            with WriteLock(collector.data / "collector.sqlite.lock"):
                client.publish(station.seal())
                time.sleep(1)
                collector.kill()
        with CollectorProcess(tmp_path, trust_of([station]), more=more):
            assert until(lambda: client.answers)
            assert json.loads(client.answers[0])["acks"][0]["number"] == 1
            client.close()


class QuickIntake:
    """Answers each upload a little later, as after a commit."""

    def __init__(self):
        self.taken = 0

    def submit(self, _body, done, _source):
        self.taken += 1
        asyncio.get_running_loop().call_later(0.02, done, {"acks": []})


async def end(session, task):
    """End a session that runs."""
    session._end("away")
    with contextlib.suppress(OSError):
        await task


async def connected(intake, port):
    """A session of one name, once it has subscribed, and the task in which it runs."""
    session, known = Session(intake, "collector"), asyncio.Event()
    task = asyncio.create_task(session.run("127.0.0.1", port, lambda _text: known.set()))
    await asyncio.wait_for(known.wait(), 10)
    return session, task


def publish_many(port, count):
    """Count uploads from as many devices, and wait until the broker has them."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent = [client.publish(f"{BATCHES}{n:016x}", b"upload", qos=1) for n in range(count)]
    for one in sent:
        one.wait_for_publish(30)
    client.loop_stop()
    client.disconnect()


async def take_what_waited(port, count):
    """How many of the uploads that came while nobody was connected reach the intake."""
    await end(*await connected(QuickIntake(), port))
    await asyncio.to_thread(publish_many, port, count)
    intake = QuickIntake()
    session, task = await connected(intake, port)
    for _ in range(200):
        if intake.taken >= count and not session.client._out_messages:
            break
        await asyncio.sleep(0.05)
    left = len(session.client._out_messages)
    await end(session, task)
    return intake.taken, left


def test_a_long_backlog_is_taken_and_answered(tmp_path):
    """The confirmations of the answers come behind the whole backlog."""
    settings = "max_inflight_messages 0\nmax_queued_messages 0\n"
    with broker("mosquitto", tmp_path, settings=settings) as (_, port):
        assert asyncio.run(take_what_waited(port, 3000)) == (3000, 0)


def test_a_broker_that_confirms_no_answers_is_left(monkeypatch):
    monkeypatch.setattr(mqtt_session, "MAX_UNCONFIRMED", 2)

    async def answer_three():
        session, acknowledged = Session(QuickIntake(), "collector"), []
        session.client.ack = lambda mid, _qos: acknowledged.append(mid)
        for mid in (1, 2, 3):
            message = mqtt.MQTTMessage(mid, f"{BATCHES}{mid:016x}".encode())
            session._answer(message, {"acks": []})
        return session._why, acknowledged

    why, acknowledged = asyncio.run(answer_three())
    assert "confirms no answers" in why and acknowledged == [1, 2]


def test_empty_messages_need_room_too(monkeypatch):
    monkeypatch.setattr(mqtt_session, "MAX_IN_HAND_LEN", 3 * mqtt_session.MESSAGE_LEN)
    room = mqtt_session._Room()
    question = mqtt.MQTTMessage(1, b"")
    for _ in range(3):
        assert room.take(mqtt_session._size(question))
    assert not room._has(mqtt_session._size(question))
