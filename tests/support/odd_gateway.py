"""A Modbus TCP gateway in front of a meter that fails in every way that a network can.

Relays to `target_port` on 127.0.0.1 while `mode` is `pass`. `refuse`: nobody listens. `reset`:
every connection is reset as soon as something is sent. `silent`: connections are accepted and
requests taken in, but nothing comes back and nothing ends. Open connections meet a new mode at
their next bytes, except that `refuse` resets them at once.
"""

import contextlib
import socket
import struct
import threading

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST


class OddGateway:
    """Listens on `port` of 127.0.0.1."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.mode = "pass"
        self._serve_all()

    def behave(self, mode: str) -> None:
        """From now on."""
        was, self.mode = self.mode, mode
        if mode == "refuse":
            self.close()
        elif was == "refuse":
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._serve_all()

    def close(self) -> None:
        """Reset every connection and listen no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        while self._open:
            _reset(self._open.pop())

    def _serve_all(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            self._open.append(near)
            threading.Thread(target=self._relay, args=(near,), daemon=True).start()

    def _relay(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), near:
            while request := near.recv(260):
                if self.mode == "reset":
                    _reset(near)
                    return
                if self.mode == "pass":
                    near.sendall(self._ask(request))

    def _ask(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self._target_port), 5) as far:
            far.sendall(request)
            return far.recv(260)


def _reset(near: socket.socket) -> None:
    with contextlib.suppress(OSError):
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        near.shutdown(socket.SHUT_RD)
    near.close()
