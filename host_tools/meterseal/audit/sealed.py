"""Chains as their bytes tell them, whether or not what they say is still accepted.

A key that is revoked, or no longer in the trust file, makes no batch disappear: whoever asks what
a collector holds, or lost, asks the bytes. What no device can have sealed so does not count.
"""

from collections.abc import Iterable
from typing import Final

from meterseal.errors import Error, PolicyRefused, UnknownKey
from meterseal.models import SealedBatch
from meterseal.verify import links
from meterseal.verify.chain import FORK, ChainState
from meterseal.verify.verifier import Verdict
from meterseal.wire.envelope import open_envelope
from meterseal.wire.fast import PayloadReader

_NOT_JUDGED: Final = (PolicyRefused, UnknownKey)
"""Refused by what is known of a device, not by what the bytes are."""


class SealedChains:
    """Takes verdicts in the order of the batches."""

    def __init__(self) -> None:
        self._reader = PayloadReader()
        self._states: dict[tuple[bytes, bytes], ChainState] = {}
        self._forked: set[tuple[bytes, bytes]] = set()

    def take(self, verdict: Verdict) -> None:
        """One batch. What does not hang on the hash before it is not part of the chain."""
        sealed = self._sealed(verdict)
        if sealed is None:
            return
        name = sealed.kid, sealed.contents.chain
        state = self._states.get(name) or ChainState(*name)
        place = state.place(sealed)
        if place == FORK:
            self._forked.add(name)
        findings = links.examine(state, sealed, place)
        if all(one.code != "previous-mismatch" for one in findings):
            state.accept(sealed, place)
            self._states[name] = state

    def state(self, device: bytes, chain: bytes) -> ChainState | None:
        """A chain as far as it has passed; None: nothing of it has."""
        return self._states.get((device, chain))

    def forked(self, device: bytes, chain: bytes) -> bool:
        """Whether two contents of one number passed."""
        return (device, chain) in self._forked

    def states(self) -> Iterable[ChainState]:
        """All chains, by first appearance."""
        return self._states.values()

    def _sealed(self, verdict: Verdict) -> SealedBatch | None:
        if verdict.batch is not None:
            return verdict.batch.sealed
        if not isinstance(verdict.refusal, _NOT_JUDGED):
            return None
        try:
            envelope = open_envelope(verdict.raw)
            return SealedBatch(envelope, self._reader.read(envelope.payload))
        except Error:
            return None  # of an unknown key nothing but its name was looked at
