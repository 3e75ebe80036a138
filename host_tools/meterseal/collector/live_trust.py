"""The trust file as it is now: an export that replaces it counts from the next second on.

A file that is no trust file changes nothing: what was trusted stays, and the log says so.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from meterseal.collector.followed import FollowedFile
from meterseal.errors import (
    EnvironmentProblem,
    Error,
    PolicyRefused,
    TrustError,
    VerificationError,
)
from meterseal.models import SealedBatch
from meterseal.trust import Trust, parse_trust
from meterseal.trust_entries import TrustedKey
from meterseal.verify import Opener
from meterseal.verify.clock import Timeline
from meterseal.verify.keys import validity_findings

LOOK_S: Final = 1.0
Changed = Callable[[Collection[bytes]], object]
_LOG: Final = logging.getLogger(__name__)


class LiveTrust(Trust):
    """A `Trust` that follows its file. `open_all` judges with what holds at the moment."""

    _now: Trust
    _file: FollowedFile
    _opener: Opener
    _revoked: frozenset[bytes]
    _problem: str

    def __init__(self, path: Path) -> None:
        """Raises EnvironmentProblem `trust-unreadable`; TrustError."""
        self.__dict__["_file"] = FollowedFile(path)
        try:
            data = self._file.news()
        except OSError as problem:
            raise EnvironmentProblem(
                "trust-unreadable",
                f"expected a trust file: {problem}",
                "Give the signed registry export with --trust.",
            ) from problem
        self._become(parse_trust(data or b""))

    @property
    def keys(self) -> Mapping[bytes, TrustedKey]:
        """Keys by kid."""
        return self._now.keys

    @property
    def operator(self) -> str:
        """Fingerprint of who signed the file."""
        return self._now.operator

    @property
    def head(self) -> str:
        """Hash of the last entry."""
        return self._now.head

    @property
    def anchored(self) -> bool:
        """Whether the signer is one whom the caller named."""
        return self._now.anchored

    def open_all(self, batches: Sequence[bytes]) -> list[SealedBatch | VerificationError]:
        """What batches are, or why not; `key-revoked` for one sealed by a key after its end."""
        found = self._opener.open_all(batches)
        return [self._unless_revoked(one) for one in found] if self._revoked else found

    def refresh(self) -> set[bytes]:
        """Read the file if it has changed; the devices whose entry is another one since.

        Raises TrustError, OSError: then what was trusted before still is. Once for each change.
        """
        data = self._file.news()
        if data is None:
            return set()
        before = self._now.keys
        trust = parse_trust(data)
        if self._now.head.encode() not in data:  # as its head, or as what an entry follows
            raise TrustError(
                "registry-rewritten",
                f"expected an export that goes on from {self._now.head[:16]}..., found another",
                "Export from the registry that wrote the former one; to change it, restart.",
            )
        self._become(trust)
        return {kid for kid, key in self._now.keys.items() if before.get(kid) != key}

    async def follow(self, changed: Changed, say: Callable[[str], None]) -> None:
        """For ever: look once a second; `changed` gets the devices, in a thread."""
        await asyncio.to_thread(changed, set(self.keys))
        while True:
            say(self._problem or f"{len(self.keys)} devices")
            await asyncio.sleep(LOOK_S)
            try:
                devices = await asyncio.to_thread(self.refresh)
            except (Error, OSError) as problem:
                self.__dict__["_problem"] = f"the former trust file holds: {problem}"
                _LOG.error("trust file %s: %s; the former one holds", self._file.path, problem)
                continue
            if devices:
                _LOG.warning("trust file: %d devices are new or changed", len(devices))
                await asyncio.to_thread(changed, devices)

    def _become(self, trust: Trust) -> None:
        revoked = (kid for kid, key in trust.keys.items() if key.revoked_from_unix_ms is not None)
        new = {"_now": trust, "_opener": Opener(trust), "_revoked": frozenset(revoked)}
        self.__dict__.update(new, _problem="")

    def _unless_revoked(
        self, found: SealedBatch | VerificationError
    ) -> SealedBatch | VerificationError:
        if isinstance(found, VerificationError) or found.kid not in self._revoked:
            return found
        # As the verifier has it, by this batch alone: undated counts as too late.
        for one in validity_findings(self.keys[found.kid], Timeline(), found.contents):
            if one.code == "key-revoked":
                return PolicyRefused(one.code, one.text)
        return found
