"""Runs the collector's interface with uvicorn behind TLS."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import uvicorn

from meterseal.collector.app import create_app
from meterseal.collector.store import Store
from meterseal.errors import EnvironmentProblem
from meterseal.trust import load_trust
from meterseal.verify import signature_opener


class Settings(NamedTuple):
    """Where the collector listens, what it trusts, where it keeps what it takes."""

    data: Path
    certificate: Path
    key: Path
    trust: Path
    host: str
    port: int
    database: str


class _Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` gets the URL once connections are accepted.

    Raises EnvironmentProblem `collector-port` if the address is taken.
    """
    settings.data.mkdir(parents=True, exist_ok=True)
    url = settings.database or f"sqlite:///{settings.data / 'collector.sqlite'}"
    app = create_app(Store(url), signature_opener(load_trust(settings.trust)))
    listener = _listen(settings.host, settings.port)
    address = f"https://{settings.host}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        app,
        ssl_certfile=str(settings.certificate),
        ssl_keyfile=str(settings.key),
        log_level="warning",
        timeout_keep_alive=75,
    )
    _Server(config, lambda: ready(address)).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise EnvironmentProblem(
            "collector-port",
            f"expected to listen on {host}:{port}: {error}",
            "Choose another --port, or 0 for any free one.",
        ) from error
