"""Uploads over MQTT 3.1.1, QoS 1: same intake, same store, same acknowledgement as over HTTPS.

A station publishes a CBOR sequence to `meterseal/v1/batches/<device id>` and gets the JSON answer
of WIRE_FORMAT section 10 on `meterseal/v1/answers/<device id>`. The broker is trusted with
nothing: a station frees no batch before an answer names its hash, and that comes after the commit.
The broker is told that a message has arrived only then, too: what the collector has not stored the
broker still has. One worker at a time follows the broker; if it dies, another takes over.
"""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from meterseal.collector.alone import alone
from meterseal.collector.background import Say
from meterseal.collector.intake import Intake
from meterseal.collector.mqtt_session import Session
from meterseal.errors import EnvironmentProblem

_RETRY_S: Final = 2.0
_LOG: Final = logging.getLogger(__name__)


class Broker(NamedTuple):
    """Where the broker is; `tls`: None for a broker on the same machine."""

    host: str
    port: int
    user: str | None
    password: str | None
    tls: ssl.SSLContext | None


def broker_of(url: str, authority: Path | None) -> Broker:
    """Broker of a URL `mqtts://[USER:PASSWORD@]HOST[:PORT]`; `authority`: its CA, PEM.

    Raises EnvironmentProblem `mqtt-url`.
    """
    found = url.rpartition("@")[2]  # without the password
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _url_problem(f"expected mqtts://HOST[:PORT], found {found!r}") from None
    local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if not parts.hostname or parts.scheme not in ("mqtt", "mqtts"):
        raise _url_problem(f"expected mqtts://HOST[:PORT], found {found!r}")
    if parts.scheme == "mqtt" and not local:
        raise _url_problem(f"expected TLS to {parts.hostname}, found mqtt://")
    try:
        tls = ssl.create_default_context(cafile=authority) if parts.scheme == "mqtts" else None
    except OSError as problem:
        raise _url_problem(f"expected a certificate authority in {authority}: {problem}") from None
    user, password = (unquote(one) if one else None for one in (parts.username, parts.password))
    return Broker(parts.hostname, port or (8883 if tls else 1883), user, password, tls)


def _url_problem(text: str) -> EnvironmentProblem:
    return EnvironmentProblem("mqtt-url", text, "mqtt:// is for a broker on this machine alone.")


async def follow(broker: Broker, intake: Intake, data: Path, say: Say) -> None:
    """For ever; a broker that is away is tried again. `data`: holds the lock of the followers."""
    async with alone(data / "mqtt.lock", say):
        while True:
            session = Session(intake, f"meterseal-{data.absolute().name}")
            if broker.tls is not None:
                session.client.tls_set_context(broker.tls)
            if broker.user is not None:
                session.client.username_pw_set(broker.user, broker.password)
            try:
                await session.run(broker.host, broker.port, say)
            except OSError as problem:
                say(f"broker {broker.host}:{broker.port}: {problem}; it is tried again")
                _LOG.warning("broker %s:%d: %s", broker.host, broker.port, problem)
            await asyncio.sleep(_RETRY_S)
