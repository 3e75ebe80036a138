"""Files and addresses that the collector was given: looked at once, before anything is served."""

import ssl
from collections.abc import Sequence
from pathlib import Path

from meterseal.collector.webhooks import Webhook
from meterseal.errors import EnvironmentProblem


class _Locked(Exception):
    """The key has a passphrase, for which the server asks."""


def check_certificate(certificate: Path, key: Path) -> None:
    """Raises EnvironmentProblem `collector-certificate`."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, _ask_later)
    except _Locked:
        return
    except OSError as problem:
        raise EnvironmentProblem(
            "collector-certificate",
            f"expected a certificate in {certificate} and its key in {key}: {problem}",
            "Give --cert and --key PEM files that belong together.",
        ) from problem


def check_authority(path: Path) -> None:
    """Raises EnvironmentProblem `collector-client-ca`."""
    try:
        ssl.create_default_context(cafile=path)
    except OSError as problem:
        raise EnvironmentProblem(
            "collector-client-ca",
            f"expected the certificate of an authority in {path}: {problem}",
            "Give --client-ca a PEM file.",
        ) from problem


def webhooks_of(urls: Sequence[str], secret: Path | None) -> list[Webhook]:
    """Receivers of all news. Raises EnvironmentProblem `webhook-url`, `webhook-secret`."""
    try:
        key = secret.read_bytes().strip() if secret else b""
    except OSError as problem:
        raise EnvironmentProblem(
            "webhook-secret",
            f"expected the secret that signs webhooks in {secret}: {problem}",
            "Give --webhook-secret a file.",
        ) from problem
    return [Webhook(url, key, frozenset()) for url in urls]


def _ask_later() -> str:
    raise _Locked
