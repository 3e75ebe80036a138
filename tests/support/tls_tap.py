"""Between a station and its collector: ends TLS, keeps every byte of both directions in clear."""

import socket
import ssl
import threading
from pathlib import Path


class TlsTap:
    """`sent`: what the station sent; `answered`: what it got. A context manager."""

    def __init__(self, cert: Path, key: Path, ca: Path, target_port: int) -> None:
        self.sent, self.answered = bytearray(), bytearray()
        self._inside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._inside.load_cert_chain(cert, key)
        self._outside = ssl.create_default_context(cafile=str(ca))
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> "TlsTap":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        try:
            with (
                self._inside.wrap_socket(near, server_side=True) as station,
                socket.create_connection(("127.0.0.1", self._target_port)) as plain,
                self._outside.wrap_socket(plain, server_hostname="localhost") as collector,
            ):
                back = threading.Thread(
                    target=_pump, args=(collector, station, self.answered), daemon=True
                )
                back.start()
                _pump(station, collector, self.sent)
                back.join(5)
        except OSError:
            return


def _pump(source: ssl.SSLSocket, sink: ssl.SSLSocket, kept: bytearray) -> None:
    try:
        while data := source.recv(16384):
            kept += data
            sink.sendall(data)
    except OSError:
        return
