"""One connection to an MQTT broker: from its messages to the intake, and the answers back.

The broker may send faster than a disk writes. Messages in hand are bounded by their bytes; beyond
that nothing more is read from the connection, so that the broker has to wait. Reading waits for
nothing that comes over the same connection: its confirmations lie behind what it sent before.
"""

import asyncio
import re
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from meterseal.collector.body import MAX_BODY_BYTES
from meterseal.collector.errors import CollectorError
from meterseal.collector.intake import Answer, Intake, as_json

BATCHES: Final = "meterseal/v1/batches/"
ANSWERS: Final = "meterseal/v1/answers/"
MAX_IN_HAND_LEN: Final = 16 << 20
"""Bytes of uploads that were read and not yet answered."""
MESSAGE_LEN: Final = 1024
"""What a message takes beside its content."""
MAX_UNCONFIRMED: Final = 0xFFFF
"""Answers that the broker has not confirmed: as many as a connection has numbers for."""
_ID_LEN: Final = 16
_DEVICE: Final = re.compile("[0-9a-f]{16}")
_KEEPALIVE_S: Final = 60
_CONNECT_S: Final = 10.0


class _Room:
    """What is in hand; the thread that reads waits here. `closed`: the session ends."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._len = 0
        self._closed = False

    def take(self, length: int) -> bool:
        """Wait for room; False if the session has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has(length))
            self._len += length
            return not self._closed

    def _has(self, length: int) -> bool:
        return self._len == 0 or self._len + length <= MAX_IN_HAND_LEN

    def free(self, length: int) -> None:
        """Less is in hand."""
        with self._changed:
            self._len -= length
            self._changed.notify()

    def close(self) -> None:
        """Let the reader go."""
        with self._changed:
            self._closed = True
            self._changed.notify()


def _size(message: paho.MQTTMessage) -> int:
    return MESSAGE_LEN + len(message.payload)


class Session:
    """A session of a name, which the broker keeps while nobody is connected."""

    def __init__(self, intake: Intake, name: str) -> None:
        self._intake = intake
        self._loop = asyncio.get_running_loop()
        self._why = ""
        self._room = _Room()
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            name,
            clean_session=False,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self.client.connect_timeout = _CONNECT_S
        self.client.on_message = self._on_message
        self.client.max_queued_messages_set(MAX_UNCONFIRMED)

    async def run(self, host: str, port: int, say: Callable[[str], None]) -> None:
        """Until the connection ends. Raises OSError, which says why."""
        client = self.client
        client.on_connect = lambda _c, _u, _f, code, _p: self._connected(code)
        client.on_subscribe = lambda _c, _u, _m, codes, _p: self._subscribed(codes, say)
        client.on_disconnect = lambda _c, _u, _f, code, _p: self._note(f"disconnected: {code}")
        await asyncio.to_thread(client.connect, host, port, _KEEPALIVE_S)
        thread = asyncio.ensure_future(asyncio.to_thread(client.loop_forever))
        try:
            await asyncio.shield(thread)
        finally:
            self._end("ended")
            await thread
        raise ConnectionError(self._why)

    def _note(self, why: str) -> None:
        self._why = self._why or why

    def _end(self, why: str) -> None:
        self._note(why)
        self._room.close()
        self.client.disconnect()

    # What follows, up to `_on_message`, runs in the thread of the connection.

    def _connected(self, code: Any) -> None:
        if code.is_failure:
            self._end(f"refused the connection: {code}")
        else:
            self.client.subscribe(BATCHES + "+", qos=1)

    def _subscribed(self, codes: Any, say: Callable[[str], None]) -> None:
        if codes[0].is_failure:
            self._end(f"refused the subscription: {codes[0]}")
        else:
            self._loop.call_soon_threadsafe(say, "connected")

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        if self._room.take(_size(message)):
            self._loop.call_soon_threadsafe(self._take, message)

    # What follows runs on the event loop.

    def _take(self, message: paho.MQTTMessage) -> None:
        device = message.topic.removeprefix(BATCHES)
        if len(device) != _ID_LEN:
            self._room.free(_size(message))
            self.client.ack(message.mid, message.qos)
        elif len(message.payload) > MAX_BODY_BYTES:
            text = f"expected at most {MAX_BODY_BYTES} bytes"
            remedy = "Send fewer batches at once."
            self._answer(message, CollectorError(413, "upload-too-large", text, remedy))
        elif not message.payload and _DEVICE.fullmatch(device):
            self._loop.run_in_executor(None, self._heads, message, bytes.fromhex(device))
        else:
            done = partial(self._answer, message)
            self._intake.submit(bytes(message.payload), done, f"mqtt {device}")

    def _heads(self, message: paho.MQTTMessage, device: bytes) -> None:
        """The answer to a question without batches: how far the chains of a device are here."""
        try:
            found: Answer = self._intake.answer(self._intake.store.heads(device))
        except CollectorError as problem:
            found = problem
        self._loop.call_soon_threadsafe(self._answer, message, found)

    def _answer(self, message: paho.MQTTMessage, found: Answer) -> None:
        """Stored, or refused for good: the broker may forget the message."""
        if self._why:
            return  # the next session gets it again
        if isinstance(found, CollectorError) and found.code == "collector-store":
            self._end(str(found))
            return
        content = as_json(found.body() if isinstance(found, CollectorError) else found)
        topic = ANSWERS + message.topic.removeprefix(BATCHES)
        if self.client.publish(topic, content, qos=1).rc is paho.MQTT_ERR_QUEUE_SIZE:
            self._end("confirms no answers")
            return
        self._room.free(_size(message))
        self.client.ack(message.mid, message.qos)
