"""The MQTT client of the uplink against a broker byte for byte: packets, limits, refusals."""

import asyncio
import unittest

from agent.errors import UploadError
from agent.uplink import mqtt

DEVICE = "00112233445566ff"
CONNACK = b"\x20\x02\x00\x00"
SUBACK = b"\x90\x03\x00\x01\x01"
PUBACK = b"\x40\x02\x00\x01"


def publish(body, qos=1, topic="meterseal/v1/answers/" + DEVICE):
    """A message of the broker."""
    packet = mqtt.text_field(topic) + (b"\x00\x07" if qos else b"") + body
    return bytes((0x30 | qos << 1,)) + mqtt.remaining_length(len(packet)) + packet


class Stream:
    """Both ends of a connection: what the broker says, in small pieces; what it hears."""

    def __init__(self, says, piece=7):
        self.says, self.heard, self.closed, self.piece = says, b"", False, piece

    async def read(self, most):
        if not self.says and not self.closed:
            await asyncio.sleep(10)
        part, self.says = self.says[: min(most, self.piece)], self.says[min(most, self.piece) :]
        return part

    def write(self, data):
        self.heard += bytes(data)

    async def drain(self):
        pass

    def close(self):
        self.closed = True

    async def wait_closed(self):
        pass


class Resolver:
    """No look-up."""

    async def address(self, host, port):
        return host

    def forget(self, host):
        pass


class Broker:
    """Connections to it say one thing after the other."""

    def __init__(self, *says, who=(DEVICE, "", "")):
        self.says, self.streams = list(says), []
        url = "mqtts://broker.example:8884"
        self.connection = mqtt.Connection(url, self.connect, 50, Resolver(), lambda: 5, who)

    async def connect(self, address, port, host):
        assert (address, port, host) == ("broker.example", 8884, "broker.example")
        self.streams.append(Stream(self.says.pop(0)))
        return self.streams[-1], self.streams[-1]

    def run(self, pieces=(b"abc", b"de"), most=64):
        async def both():
            await self.connection.open()
            length = sum(len(piece) for piece in pieces)
            return await self.connection.request("POST", "/v1/batches", length, pieces, most)

        return asyncio.run(both())


class MqttTest(unittest.TestCase):
    def refused(self, code, *says, most=64):
        broker = Broker(*says)
        with self.assertRaises(UploadError) as caught:
            broker.run(most=most)
        self.assertEqual(caught.exception.code, code)
        self.assertFalse(broker.connection.is_open)
        self.assertTrue(broker.streams[-1].closed)

    def test_an_upload_and_its_answer(self):
        broker = Broker(CONNACK + SUBACK + PUBACK + publish(b'{"acks":[]}'))
        self.assertEqual(broker.run(), b'{"acks":[]}')
        topic = mqtt.text_field("meterseal/v1/batches/" + DEVICE)
        name = mqtt.text_field("meterseal-" + DEVICE)
        connect = b"\x10\x26\x00\x04MQTT\x04\x02\x00\x00" + name
        answers = mqtt.text_field("meterseal/v1/answers/" + DEVICE)
        subscribe = b"\x82\x2a\x00\x01" + answers + b"\x01"
        sent = b"\x32" + bytes((len(topic) + 7,)) + topic + b"\x00\x01" + b"abcde"
        self.assertEqual(broker.streams[0].heard, connect + subscribe + sent + b"\x40\x02\x00\x07")
        self.assertTrue(broker.connection.is_open)
        self.assertEqual(broker.connection.sent_ms, 5)
        self.assertEqual(broker.connection.heard_from_ms, 5)

    def test_an_answer_before_the_confirmation_and_one_without_qos(self):
        broker = Broker(CONNACK + SUBACK + publish(b"x", 0))
        self.assertEqual(broker.run(), b"x")

    def test_user_and_password(self):
        packet = mqtt.connect_packet("id", "me", "secret")
        fields = b"".join([mqtt.text_field(one) for one in ("id", "me", "secret")])
        self.assertEqual(packet, b"\x10\x1a\x00\x04MQTT\x04\xc2\x00\x00" + fields)

    def test_lengths_of_every_size(self):
        for length, expected in (
            (0, b"\0"),
            (127, b"\x7f"),
            (128, b"\x80\x01"),
            (16384, b"\x80\x80\x01"),
        ):
            self.assertEqual(mqtt.remaining_length(length), expected)

    def test_refusals_of_the_broker(self):
        self.refused("mqtt-refused", b"\x20\x02\x00\x05")
        self.refused("mqtt-subscribe", CONNACK + b"\x90\x03\x00\x01\x80")

    def test_what_is_no_broker(self):
        self.refused("mqtt-malformed", b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(80))
        self.refused("mqtt-malformed", CONNACK + b"\x20\x02\x00\x00")
        self.refused("mqtt-malformed", CONNACK + SUBACK + b"\xd0\x00")
        self.refused("mqtt-malformed", CONNACK + SUBACK + b"\x32\xff\xff\xff\xff\x01")

    def test_an_answer_that_is_too_long_is_not_read(self):
        self.refused("mqtt-malformed", CONNACK + SUBACK + publish(bytes(200)), most=16)

    def test_a_broker_that_says_nothing(self):
        self.refused("connect-timeout", b"")
        self.refused("http-timeout", CONNACK + SUBACK + PUBACK)

    def test_updates_come_by_https_alone(self):
        broker = Broker(CONNACK + SUBACK)

        async def ask():
            await broker.connection.open()
            return await broker.connection.request("GET", "/v1/update?device=x", 0, (), 64)

        self.assertEqual(asyncio.run(ask()), b"")

    def test_urls(self):
        self.assertEqual(mqtt.split_url("mqtts://b.example"), ("b.example", 8883))
        self.assertEqual(mqtt.split_url("mqtts://b.example:1/"), ("b.example", 1))


if __name__ == "__main__":
    unittest.main()
