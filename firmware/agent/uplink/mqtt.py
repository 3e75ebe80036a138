"""MQTT 3.1.1 over verified TLS, as little of it as the uplink needs: one upload, one answer.

A CBOR sequence goes to `meterseal/v1/batches/<device>` with QoS 1, the collector's answer comes on
`meterseal/v1/answers/<device>` (WIRE_FORMAT.md section 10.2). The broker is trusted with nothing:
only the answer frees anything in the journal. Offers `open`, `request`, `close` as http.Connection
does, so that one task serves both. Every await has a timeout, every length a limit.

| packet | from | what for |
|---|---|---|
| CONNECT, CONNACK | both | a clean session each time: what waited is sent again anyway |
| SUBSCRIBE, SUBACK | both | the topic of the answers |
| PUBLISH | board | the batches; the broker's PUBACK says nothing about the collector |
| PUBLISH | broker | the answer; confirmed with PUBACK |
"""

from agent.errors import UploadError

from ..constant import const
from .kept import KeptConnection

_PORT = const(8883)
_PACKET_ID = b"\x00\x01"
_CONNACK, _PUBLISH, _PUBACK, _SUBACK = const(0x20), const(0x30), const(0x40), const(0x90)
_REFUSED = {
    1: "protocol version",
    2: "client id",
    3: "broker unavailable",
    4: "user name or password",
    5: "not authorised",
}


def split_url(url):
    """(host, port) of an mqtts URL."""
    host, _, port = url[8:].partition("/")[0].partition(":")
    return host, int(port) if port else _PORT


def text_field(text):
    """A string with its length before it (MQTT 3.1.1 section 1.5.3)."""
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def remaining_length(length):
    """The length of a packet behind its head, seven bits a byte (section 2.2.3)."""
    out = bytearray()
    while True:
        length, low = length >> 7, length & 0x7F
        out.append(low | (0x80 if length else 0))
        if not length:
            return bytes(out)


def connect_packet(client_id, user, password):
    """CONNECT: clean session, no will, no keep-alive (each request finds out for itself)."""
    flags = 0x02 | (0x80 if user else 0) | (0x40 if user and password else 0)
    fields = [text_field("MQTT"), bytes((4, flags, 0, 0)), text_field(client_id)]
    fields += [text_field(one) for one in (user, password if user else "") if one]
    body = b"".join(fields)
    return b"\x10" + remaining_length(len(body)) + body


class Connection(KeptConnection):
    """One kept connection to a broker. `who`: device id in hex, user, password (empty: none)."""

    def __init__(self, url, connect, timeout_ms, resolver, mono_ms, who):
        super().__init__(split_url(url), connect, timeout_ms, resolver, mono_ms)
        self._device_hex, self._user, self._password = who

    async def _open(self, address):
        """Connect, sign in, subscribe to the answers."""
        await super()._open(address)
        name = "meterseal-" + self._device_hex
        await self._write(connect_packet(name, self._user, self._password))
        kind, body = await self._packet(64)
        if kind & 0xF0 != _CONNACK or len(body) != 2:
            raise _malformed("CONNACK")
        if body[1]:
            raise UploadError(
                "mqtt-refused",
                "the broker refused the connection: %s; correct mqtt_user and mqtt_password"
                % _REFUSED.get(body[1], "code %d" % body[1]),
            )
        topic = text_field("meterseal/v1/answers/" + self._device_hex)
        body = _PACKET_ID + topic + b"\x01"
        self.heard_from_ms = self._mono_ms()
        await self._write(b"\x82" + remaining_length(len(body)) + body)
        kind, body = await self._packet(64)
        if kind & 0xF0 != _SUBACK or len(body) != 3:
            raise _malformed("SUBACK")
        if body[2] == 0x80:
            raise UploadError(
                "mqtt-subscribe",
                "the broker refused the topic of the answers; permit %s" % topic[2:].decode(),
            )

    async def request(self, method, path, length, pieces, most):
        """Publish `length` bytes from `pieces`; the collector's answer, of at most `most` bytes.

        A question without a body is an upload of nothing. Updates come over HTTPS alone: what
        asks for them gets an empty answer. UploadError as of http.Connection, and `mqtt-*`.
        """
        if path.startswith("/v1/update"):
            return b""
        return await self._exchange(self._send(length, pieces), self._answer, most)

    async def _send(self, length, pieces):
        head = text_field("meterseal/v1/batches/" + self._device_hex) + _PACKET_ID
        await self._write(b"\x32" + remaining_length(len(head) + length) + head)
        await self._write_pieces(pieces)

    async def _answer(self, most):
        """The next message on the topic of the answers; confirmations pass by. Perhaps it answers
        an earlier request: the broker keeps each for a collector that is away.
        """
        while True:
            kind, body = await self._packet(most + 128)
            if kind & 0xF0 == _PUBLISH:
                return await self._message(kind, body)
            if kind & 0xF0 != _PUBACK:
                raise _malformed("an answer")

    async def _message(self, kind, body):
        end = 2 + int.from_bytes(body[:2], "big")
        if kind & 0x06:  # QoS 1: the broker wants to know
            await self._write(b"\x40\x02" + body[end : end + 2])
            end += 2
        if end > len(body):
            raise _malformed("a whole message")
        return body[end:]

    async def _packet(self, most):
        """(first byte, what follows its length); UploadError beyond `most` bytes."""
        kind = (await self._reader.exactly(1))[0]
        length = shift = 0
        while True:
            low = (await self._reader.exactly(1))[0]
            length |= (low & 0x7F) << shift
            shift += 7
            if not low & 0x80:
                break
            if shift > 21:
                raise _malformed("a length of four bytes")
        if length > most:
            raise _malformed("a packet of at most %d bytes" % most)
        return kind, await self._reader.exactly(length)


def _malformed(expected):
    return UploadError("mqtt-malformed", "expected %s from the broker, found another" % expected)
