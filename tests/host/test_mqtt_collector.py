"""`meterseal collect --mqtt` against real brokers: mosquitto and amqtt. Same store, same
acknowledgement as over HTTPS.
"""

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
from meterseal.collector.body import MAX_BODY_BYTES
from meterseal.collector.mqtt import ANSWERS, BATCHES, broker_of
from meterseal.errors import EnvironmentProblem
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


@contextlib.contextmanager
def broker(kind, folder):
    """URL of a running broker of a kind."""
    port = free_port()
    if kind == "mosquitto":
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if program is None:
            pytest.skip("mosquitto is not installed: apt-get install mosquitto")
        (folder / "mosquitto.conf").write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\n"
        )
        command = [program, "-c", str(folder / "mosquitto.conf")]
    else:
        command = [sys.executable, "-c", AMQTT, str(port)]
    with open(folder / "broker.log", "wb") as log:
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

    def __init__(self, port, device):
        self.answers = []
        self._device = device
        self._paho = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
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
