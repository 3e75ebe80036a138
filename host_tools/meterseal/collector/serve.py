"""Runs the collector's interface with uvicorn behind TLS."""

import gc
import ipaddress
import logging
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple

import uvicorn
from starlette.types import ASGIApp

from meterseal.collector.alone import alone
from meterseal.collector.app import create_app
from meterseal.collector.background import Background, Job, Say
from meterseal.collector.bounded import BoundedHttp
from meterseal.collector.database import Database
from meterseal.collector.direct import DirectUploads
from meterseal.collector.door import Door, Limits, limits
from meterseal.collector.fleet import Fleet
from meterseal.collector.given import check_authority, check_certificate, webhooks_of
from meterseal.collector.guard import Guard, add_login
from meterseal.collector.intake import Intake
from meterseal.collector.live_trust import LiveTrust
from meterseal.collector.metrics import Metrics, add_metrics
from meterseal.collector.pages import Pages, add_pages
from meterseal.collector.places import Places
from meterseal.collector.quarantine import Quotas
from meterseal.collector.receipt import load_or_create
from meterseal.collector.rejudging import release
from meterseal.collector.sessions import Sessions, add_routes
from meterseal.collector.status import StatusFile
from meterseal.collector.store import Store
from meterseal.collector.tokens import LiveTokens, read_tokens
from meterseal.collector.updates import Rollouts, add_update_routes
from meterseal.collector.uploads import UploadsFirst
from meterseal.collector.watch_process import follow
from meterseal.errors import EnvironmentProblem
from meterseal.trust_keys import fingerprint

_STARTUP_FAILED: Final = 3
_LOG: Final = logging.getLogger(__name__)


class Settings(NamedTuple):
    """Where the collector listens, what it trusts, where it keeps what it takes."""

    data: Path
    certificate: Path
    key: Path
    trust: Path
    host: str
    port: int
    database: str
    workers: int = 1
    mqtt: str = ""
    mqtt_ca: Path | None = None
    connections_per_address: int = 0
    quarantine_mib: int = 256
    webhooks: tuple[str, ...] = ()
    webhook_secret: Path | None = None
    client_ca: Path | None = None

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the database."""
        return self.database or f"sqlite:///{self.data / 'collector.sqlite'}"


class _Server(uvicorn.Server):
    """Lets connections in through a door of our own, and says when it is ready."""

    def __init__(self, config: uvicorn.Config, most: Limits, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._most = most
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(_STARTUP_FAILED)
        doors = [Door(one, self.config.ssl, self._protocol, self._most) for one in sockets or ()]
        self.servers = doors  # type: ignore[assignment]  # as far as uvicorn uses servers
        for door in doors:
            door.open()
        self.started = True
        self._on_ready()

    def _protocol(self) -> BoundedHttp:
        return DirectUploads(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` gets the URL once connections are accepted.

    Raises EnvironmentProblem `collector-port` if the address is taken, `collector-database` and
    `collector-receipt-key`, `collector-open`; TrustError.
    """
    prepare(settings)
    check_open(settings)
    if settings.workers > 1:
        from meterseal.collector.workers import serve_with_workers

        serve_with_workers(settings, ready)
        return
    listener = listen(settings.host, settings.port)
    address = f"https://{settings.host}:{listener.getsockname()[1]}"
    serve_on(settings, listener, lambda: ready(address))


def prepare(settings: Settings) -> None:
    """What is done once, before any worker starts: directory, receipt key, schema.

    Raises EnvironmentProblem `collector-client-ca`, `collector-certificate`, `webhook-url`,
    `webhook-secret`, `mqtt-url`, and as `serve`.
    """
    if settings.client_ca:
        check_authority(settings.client_ca)
    check_certificate(settings.certificate, settings.key)
    webhooks_of(settings.webhooks, settings.webhook_secret)
    if settings.mqtt:
        from meterseal.collector.mqtt import broker_of

        broker_of(settings.mqtt, settings.mqtt_ca)
    settings.data.mkdir(parents=True, exist_ok=True)
    load_or_create(settings.data / "receipt.key")
    Database(settings.database_url).migrate()


def receipt_key(settings: Settings) -> str:
    """Fingerprint of the key of the receipts."""
    return fingerprint(load_or_create(settings.data / "receipt.key").public_65)


def check_open(settings: Settings) -> None:
    """Without tokens everything is open, which is for this machine alone.

    Raises EnvironmentProblem `collector-open`, `tokens-file`.
    """
    if read_tokens(settings.data):
        return
    if not _is_loopback(settings.host):
        raise EnvironmentProblem(
            "collector-open",
            f"expected access tokens for a collector that listens on {settings.host}, found none",
            "Make one: meterseal collect token add NAME --role operator --data "
            f"{settings.data}; or listen on 127.0.0.1.",
        )
    _LOG.warning("no access tokens: everybody on this machine may see everything")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def build(settings: Settings) -> ASGIApp:
    """The interface of one worker."""
    quotas = Quotas(total=settings.quarantine_mib << 20)
    signer = load_or_create(settings.data / "receipt.key")
    store = Store(Database(settings.database_url), quotas, signer.public_65)
    trust = LiveTrust(settings.trust)
    intake = Intake(store, trust.open_all, signer)
    app = create_app(intake, Background(*_jobs(settings, intake, trust)))
    add_routes(app, Sessions(store, trust))
    places, status = Places(settings.trust), StatusFile(settings.data)
    fleet = Fleet(Database(settings.database_url), trust, status, places)
    add_pages(app, Pages(store, settings.database_url, trust, fleet))
    add_metrics(app, Metrics(status, places, Database(settings.database_url)))
    rollouts = Rollouts(settings.data / "updates", Database(settings.database_url), trust)
    add_update_routes(app, rollouts)
    tokens = LiveTokens(settings.data)
    add_login(app, tokens)
    return UploadsFirst(Guard(app, tokens), intake)


def _jobs(settings: Settings, intake: Intake, trust: LiveTrust) -> list[Job]:
    """What this worker does beside answering."""
    known = partial(release, intake.store, trust.open_all)
    jobs = [Job("trust", partial(trust.follow, known)), *_watching(settings)]
    if settings.mqtt:
        from meterseal.collector.mqtt import broker_of
        from meterseal.collector.mqtt import follow as follow_broker

        broker = broker_of(settings.mqtt, settings.mqtt_ca)
        jobs.append(Job("mqtt", partial(follow_broker, broker, intake, settings.data)))
    return jobs


def _watching(settings: Settings) -> list[Job]:
    """The watch, and the webhooks that it tells."""
    hooks = webhooks_of(settings.webhooks, settings.webhook_secret)

    def tell(kind: str, content: dict[str, Any]) -> None:
        for hook in hooks:
            hook.tell(kind, content)

    async def run(say: Say) -> None:
        async with alone(settings.data / "watch.lock", say):
            await follow(settings.data, settings.database_url, settings.trust, tell, say)

    found = [Job("watch", run)]
    return found + [Job(f"webhook {i}", one.follow) for i, one in enumerate(hooks, 1)]


def serve_on(settings: Settings, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve on a socket in this process."""
    most = limits(settings.connections_per_address)
    config = uvicorn.Config(
        build(settings),
        http=DirectUploads,
        ssl_certfile=str(settings.certificate),
        ssl_keyfile=str(settings.key),
        ssl_ca_certs=str(settings.client_ca) if settings.client_ca else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if settings.client_ca else ssl.CERT_NONE,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
        limit_concurrency=2 * most.total,
        server_header=False,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _no_more)  # uvicorn raises it once more after an orderly end
    gc.collect()
    gc.freeze()  # what is there now stays: the collector of garbage need not look at it again
    gc.set_threshold(20_000, 20, 20)
    _Server(config, most, on_ready).run(sockets=[listener])


def _no_more(_number: int, _frame: FrameType | None) -> None:
    """The end has come already."""


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket; `shared`: other workers listen on the same port."""
    try:
        return socket.create_server((host, port), backlog=1024, reuse_port=shared)
    except OSError as error:
        raise EnvironmentProblem(
            "collector-port",
            f"expected to listen on {host}:{port}: {error}",
            "Choose another --port, or 0 for any free one.",
        ) from error
