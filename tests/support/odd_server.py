"""A server that does everything wrong that a server can do, one thing at a time.

It counts the bytes of requests that it could read: a station that refuses its certificate must not
have sent any.
"""

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

Talk = Callable[[ssl.SSLSocket], None]


class OddServer:
    """Listens on one port of 127.0.0.1; `behave` changes what the next connections meet."""

    def __init__(self) -> None:
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self.read_bytes = 0
        self.connections = 0
        self._context: ssl.SSLContext | None = None
        self._talk: Talk = lambda _: None

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def behave(self, context: ssl.SSLContext | None, talk: Talk) -> None:
        """From now on: this TLS context (None: plain TCP) and this conversation behind it."""
        self._context, self._talk = context, talk
        if self._listener.fileno() < 0:
            self._listener = self._listen(self.port)
        self.read_bytes = self.connections = 0

    def close(self) -> None:
        """Stop listening: connections are refused."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        near.settimeout(10)
        context, talk = self._context, self._talk
        with contextlib.suppress(OSError, ValueError), near:
            talk(context.wrap_socket(near, server_side=True) if context else near)  # type: ignore[arg-type]

    def request(self, link: ssl.SSLSocket) -> bytes:
        """Read one request, headers and body."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive(link)
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-len")]
        while len(body) < int(lengths[0].split(b":")[1]):
            body += self._receive(link)
        return body

    def _receive(self, link: ssl.SSLSocket) -> bytes:
        data = link.recv(65536)
        if not data:
            raise OSError("the station ended the connection")
        self.read_bytes += len(data)
        return data

    def reply(self, text: str) -> Talk:
        """Read a request, answer with exactly this text, end."""

        def talk(link: ssl.SSLSocket) -> None:
            self.request(link)
            link.sendall(text.encode())

        return talk

    def answer(self, device: str, **ack: object) -> Talk:
        """Read a request, answer 200 with one acknowledgement."""
        return self.reply(acknowledging(device, **ack))

    def silent(self, link: ssl.SSLSocket) -> None:
        """Read a request and say nothing."""
        self.request(link)
        time.sleep(8)


def acknowledging(device: str, receipt: bytes = b"", **ack: object) -> str:
    """Text of an answer 200 with one acknowledgement, and perhaps a receipt."""
    named = {"device": device, "chain": "00" * 16, "number": 1, "hash": "00" * 32} | ack
    found = {"acks": [named], "time_unix_ms": time.time_ns() // 1_000_000}
    body = json.dumps(found | ({"receipt": receipt.hex()} if receipt else {}))
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}"


def reset(link: socket.socket) -> None:
    """End the connection with RST instead of a farewell."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.close()


def cut_in_handshake(
    context: ssl.SSLContext, most: float, end: Callable[[socket.socket], None]
) -> Callable[[socket.socket], None]:
    """Say only this part of the server's first flight, 1 for all of it, then `end`.

    All of it said, the client's answer is read, so that only the server's last word is missing.
    """

    def talk(link: socket.socket) -> None:
        heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(heard, said, server_side=True)
        heard.write(link.recv(65536))
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        flight = said.read()
        link.sendall(flight[: int(most * len(flight))])
        if most == 1:
            link.recv(65536)
        end(link)

    return talk


def server_context(directory: Path) -> ssl.SSLContext:
    """TLS context of a server with server.pem and server.key in a directory."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem", directory / "server.key")
    return context
