"""Lets connections in, within limits: of all, of one address, of the time for a handshake.

Who only holds connections open must not keep stations out. When the last place is taken, of all
or of an address, those that have been waiting longest with nothing asked (idle, in a handshake, in
an unfinished request) make room for new ones; a whole request in hand is never cut off.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from meterseal.collector.bounded import BoundedHttp

try:
    import resource
except ImportError:  # Windows has no such limit.
    resource = None  # type: ignore[assignment]

MAX_CONNECTIONS: Final = 4000
"""Of one worker. Bounds the memory that clients can take."""
_MOST_FILES: Final = 65_536
_OTHER_FILES: Final = 200
"""Of databases, profiles, the process itself."""
_FEWEST: Final = 16
HANDSHAKE_S: Final = 10.0
_FAREWELL_S: Final = 2.0
_AT_ONCE: Final = 64
_PAUSE_S: Final = 0.1
_SHARE: Final = 16
"""One connection out of so many makes room at once, so that looking for them costs little."""
_LOG: Final = logging.getLogger(__name__)


class Limits(NamedTuple):
    """Connections: all that a worker has, and those of one address."""

    total: int
    of_address: int


def limits(of_address: int = 0) -> Limits:
    """What the system allows, after asking it for more; `of_address`: 0 for half of all."""
    total = MAX_CONNECTIONS
    if resource is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if soft != resource.RLIM_INFINITY:
            total = max(_FEWEST, min(total, soft - _OTHER_FILES))
    return Limits(total, min(of_address or total // 2, total))


class Door:
    """One listening socket of a worker; has what uvicorn asks of a server."""

    def __init__(
        self,
        listener: socket.socket,
        tls: ssl.SSLContext | None,
        protocol: Callable[[], BoundedHttp],
        most: Limits,
    ) -> None:
        self._listener = listener
        self._tls = tls
        self._protocol = protocol
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._of_address: dict[str, int] = {}
        self._count = 0
        self._shaking: dict[asyncio.Task[None], tuple[float, str]] = {}
        self._inside: dict[BoundedHttp, str] = {}
        self.turned_away = self.made_room = 0
        """How many connections were refused to an address, and closed for others, so far."""

    def open(self) -> None:
        """Accept connections from now on."""
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """Accept none any more; the open ones go on."""
        self._loop.remove_reader(self._listener.fileno())
        for task in self._shaking:
            task.cancel()

    async def wait_closed(self) -> None:
        """Nothing to wait for."""

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, address = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as problem:  # no descriptor is left
                _LOG.error("a connection cannot be accepted: %s", problem)
                self._make_room()
                self._loop.remove_reader(self._listener.fileno())
                self._loop.call_later(_PAUSE_S, self._go_on)
                return
            self._admit(sock, str(address[0]))

    def _go_on(self) -> None:
        if self._listener.fileno() >= 0:
            self.open()

    def _admit(self, sock: socket.socket, address: str) -> None:
        if self._of_address.get(address, 0) >= self._most.of_address:
            if not self._make_room(address):
                self.turned_away += 1
                sock.close()
                return
        elif self._count >= self._most.total:
            self._make_room()
        self._count += 1
        self._of_address[address] = self._of_address.get(address, 0) + 1
        task = self._loop.create_task(self._greet(sock, address))
        self._shaking[task] = self._loop.time(), address
        task.add_done_callback(self._shaking.pop)

    async def _greet(self, sock: socket.socket, address: str) -> None:
        """TLS handshake; from then on the protocol has the connection."""
        protocol = self._protocol()
        protocol.leave = partial(self._left, protocol, address)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(
                lambda: protocol,
                sock,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_S if self._tls else None,
                ssl_shutdown_timeout=_FAREWELL_S if self._tls else None,
            )
            self._inside[protocol] = address
        except (OSError, asyncio.CancelledError):
            sock.close()
        finally:
            if protocol not in self._inside:
                protocol.leave()

    def _left(self, protocol: BoundedHttp, address: str) -> None:
        """A connection is gone, or never came about."""
        protocol.leave = _gone
        self._inside.pop(protocol, None)
        self._count -= 1
        left = self._of_address.pop(address) - 1
        if left:
            self._of_address[address] = left

    def _make_room(self, address: str = "") -> int:
        """Close those, of an address or of all, that have waited longest; how many."""
        waiting: list[tuple[float, Callable[[], object]]] = [
            (since, protocol.transport.abort)
            for protocol, own in self._inside.items()
            if address in ("", own) and (since := protocol.waiting_since()) is not None
        ]
        shaking = self._shaking.items()
        waiting += [(since, task.cancel) for task, (since, own) in shaking if address in ("", own)]
        waiting.sort(key=lambda one: one[0])
        most = self._most.of_address if address else self._most.total
        ended = waiting[: max(1, most // _SHARE)]
        for _, end in ended:
            end()
        self.made_room += len(ended)
        return len(ended)


def _gone() -> None:
    """It has left already."""
