"""Access tokens of people and programs: a file of hashes beside the database.

A token is 32 random bytes, so that its SHA-256 gives nothing away and needs no salt. The token
itself is shown once, when it is made. Changes count at once, in every worker.
"""

import hashlib
import json
import logging
import os
import secrets
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from meterseal.collector.access import ROLES
from meterseal.collector.followed import FollowedFile
from meterseal.collector.write_lock import turn
from meterseal.errors import ConfigurationError, EnvironmentProblem

FILE: Final = "tokens.json"
_LOCK: Final = "tokens.lock"
_FORMAT: Final = "meterseal-tokens"
_PREFIX: Final = "mst_"
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Token:
    """Who may come in as what; times in Unix seconds, 0: never."""

    id: str
    name: str
    role: str
    sha256: str
    made_unix_s: int
    expires_unix_s: int = 0
    revoked_unix_s: int = 0

    def counts(self, now_unix_s: float) -> bool:
        """Whether it opens anything now."""
        expired = self.expires_unix_s and now_unix_s >= self.expires_unix_s
        return not self.revoked_unix_s and not expired


def parse_tokens(data: bytes) -> list[Token]:
    """Tokens out of a file. Raises EnvironmentProblem `tokens-file`."""
    try:
        document = json.loads(data)
        if document["format"] != _FORMAT or document["version"] != 1:
            raise ValueError("another format")
        tokens = [Token(**one) for one in document["tokens"]]
        if any(one.role not in ROLES for one in tokens):
            raise ValueError("an unknown role")
    except (ValueError, KeyError, TypeError) as problem:
        raise EnvironmentProblem(
            "tokens-file",
            f"expected a file of {_FORMAT}: {problem}",
            "Restore it, or remove it and make new tokens with `meterseal collect token add`.",
        ) from problem
    return tokens


def read_tokens(data: Path) -> list[Token]:
    """Tokens of the collector whose directory is `data`; none if there is no file yet."""
    path = data / FILE
    return parse_tokens(path.read_bytes()) if path.exists() else []


def add_token(data: Path, name: str, role: str, days: int = 0) -> tuple[Token, str]:
    """A new token and its secret, which is kept nowhere.

    Raises ConfigurationError `token-role`, EnvironmentProblem `tokens-file`.
    """
    if role not in ROLES:
        text = f"expected one of {', '.join(ROLES)}, found {role!r}"
        raise ConfigurationError("token-role", text, "Give --role.")
    secret = _PREFIX + secrets.token_urlsafe(32)
    now = int(time.time())
    expires = now + days * 86_400 if days else 0
    token = Token(secrets.token_hex(4), name, role, _digest(secret), now, expires)
    data.mkdir(parents=True, exist_ok=True)
    with turn(data / _LOCK):
        _write(data, [*read_tokens(data), token])
    return token, secret


def revoke_token(data: Path, id: str) -> Token:
    """It opens nothing any more. Raises ConfigurationError `token-unknown`."""
    if not data.is_dir():
        raise _unknown(id)
    with turn(data / _LOCK):
        tokens = read_tokens(data)
        found = next((one for one in tokens if one.id == id), None)
        if found is None:
            raise _unknown(id)
        revoked = replace(found, revoked_unix_s=found.revoked_unix_s or int(time.time()))
        _write(data, [revoked if one is found else one for one in tokens])
        return revoked


def _unknown(id: str) -> ConfigurationError:
    text = f"expected the id of a token, found {id!r}"
    return ConfigurationError("token-unknown", text, "See `meterseal collect token list`.")


def _write(data: Path, tokens: list[Token]) -> None:
    """Whole or not at all, and never readable by others."""
    document: dict[str, Any] = {"format": _FORMAT, "version": 1}
    document["tokens"] = [asdict(one) for one in tokens]
    made = data / f".{FILE}.{os.getpid()}"
    file = os.open(made, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        json.dump(document, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    made.replace(data / FILE)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class LiveTokens:
    """The file as it is now. Without one everything is open; one that is lost opens nothing."""

    def __init__(self, data: Path) -> None:
        """Raises EnvironmentProblem `tokens-file`."""
        self._file = FollowedFile(data / FILE)
        self._known: dict[str, Token] | None = None
        if (data / FILE).exists():
            self._known = _by_digest(parse_tokens(self._file.news() or b""))

    @property
    def open(self) -> bool:
        """Whether there was never a file."""
        self._look()
        return self._known is None

    def holder(self, secret: str) -> Token | None:
        """Whose token this is, if it counts now."""
        self._look()
        found = (self._known or {}).get(_digest(secret))
        return found if found is not None and found.counts(time.time()) else None

    def _look(self) -> None:
        try:
            data = self._file.news()
            if data is not None:
                self._known = _by_digest(parse_tokens(data))
        except OSError as problem:
            if self._known is not None:
                self._known = {}
                _LOG.error("%s: %s; nobody gets in", self._file.path, problem)
        except EnvironmentProblem as problem:
            self._known = self._known or {}
            _LOG.error("%s: %s; the former tokens count", self._file.path, problem)


def _by_digest(tokens: list[Token]) -> dict[str, Token]:
    return {one.sha256: one for one in tokens}
