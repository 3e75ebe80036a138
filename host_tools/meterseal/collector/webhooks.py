"""Outgoing webhooks: verified batches and alerts, as JSON, signed with a shared secret.

A receiver that is down is tried again with growing pauses; what does not fit into the queue
meanwhile, or is refused for good, is counted and said in the next delivery. Nothing here can hold
up the intake.
"""

import asyncio
import hashlib
import hmac
import json
import logging
import queue
import time
from collections.abc import Callable
from typing import Any, Final

import httpx

from meterseal.errors import EnvironmentProblem

SIGNATURE: Final = "X-Meterseal-Signature"
"""`sha256=` and HMAC-SHA256 (RFC 2104) of the body, in hexadecimal."""
MAX_WAITING: Final = 10_000
_TOGETHER: Final = 200
_PAUSE_S: Final = (1.0, 5.0, 30.0, 120.0)
_TIMEOUT_S: Final = 10.0
_LATER: Final = (408, 429)
"""Refusals (4xx) of now, not of this content: request timeout, too many requests."""
_LOG: Final = logging.getLogger(__name__)


class Webhook:
    """One receiver. `tell` may be called from any thread."""

    def __init__(self, url: str, secret: bytes, kinds: frozenset[str]) -> None:
        """`kinds`: which news it gets; empty: all. Raises EnvironmentProblem `webhook-url`."""
        try:
            parts = httpx.URL(url)
        except httpx.InvalidURL as problem:
            raise _url_problem(str(problem)) from None
        local = parts.host in ("127.0.0.1", "::1", "localhost")
        right = parts.scheme == "https" or (parts.scheme == "http" and local)
        if not right or not parts.host:
            raise _url_problem(f"found {parts.scheme}://{parts.host}")
        self.url, self._secret, self._kinds = url, secret, kinds
        self._place = f"{parts.scheme}://{parts.netloc.decode()}"  # the rest may be a secret
        self._waiting: queue.Queue[dict[str, Any]] = queue.Queue(MAX_WAITING)
        self._dropped = 0

    def tell(self, kind: str, content: dict[str, Any]) -> None:
        """Queue a piece of news."""
        if self._kinds and kind not in self._kinds:
            return
        try:
            news = {"type": kind, "t_unix_ms": time.time_ns() // 1_000_000, **content}
            self._waiting.put_nowait(news)
        except queue.Full:
            self._dropped += 1

    async def follow(self, say: Callable[[str], None]) -> None:
        """Deliver for ever, in order."""
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
            while True:
                some = self._take()
                if not some:
                    await asyncio.sleep(0.5)
                    continue
                await self._deliver(client, some, say)

    def _take(self) -> list[dict[str, Any]]:
        some: list[dict[str, Any]] = []
        while len(some) < _TOGETHER:
            try:
                some.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return some

    async def _deliver(
        self, client: httpx.AsyncClient, some: list[dict[str, Any]], say: Callable[[str], None]
    ) -> None:
        """Until the receiver answers 2xx; most 4xx say that it never will take this."""
        dropped, self._dropped = self._dropped, 0
        body = json.dumps({"news": some, "dropped": dropped}, separators=(",", ":")).encode()
        signature = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", SIGNATURE: f"sha256={signature}"}
        attempt = 0
        while True:
            problem, for_good = await self._post(client, body, headers)
            if not problem:
                say(f"{self._waiting.qsize()} wait")
                return
            say(f"{problem}; {self._waiting.qsize()} wait")
            _LOG.warning("webhook %s: %s", self._place, problem)
            if for_good:
                self._dropped += dropped + len(some)
                return
            await asyncio.sleep(_PAUSE_S[min(attempt, len(_PAUSE_S) - 1)])
            attempt += 1

    async def _post(
        self, client: httpx.AsyncClient, body: bytes, headers: dict[str, str]
    ) -> tuple[str, bool]:
        """What went wrong, if anything, and whether it always will."""
        try:
            answer = await client.post(self.url, content=body, headers=headers)
        except httpx.HTTPError as problem:
            return f"not delivered: {problem!r}", False
        if answer.is_success:
            return "", False
        for_good = answer.is_client_error and answer.status_code not in _LATER
        return f"{answer.status_code} answered", for_good


def _url_problem(text: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        "webhook-url",
        f"expected an https:// address: {text}",
        "http:// is for a receiver on this machine alone.",
    )
