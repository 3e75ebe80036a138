"""State of one device: its chains, its clock and its meters."""

from dataclasses import dataclass, field
from typing import Final

from meterseal.models import Contents, Finding, SealedBatch
from meterseal.trust import TrustedKey
from meterseal.verify.chain import ChainState
from meterseal.verify.clock import Timeline
from meterseal.verify.findings import ERROR, NOTICE, finding
from meterseal.verify.meters import Meters, MeterState

_REASONS: Final = {
    0: "as the first chain of its key",
    1: "because the journal was lost or foreign",
    2: "by the operator",
    3: "after a key rollover",
}
_REASON, _LAST_CHAIN, _LAST_NUMBER, _LAST_HASH = 0, 2, 3, 4


@dataclass(slots=True)
class DeviceState:
    """All that is remembered of a device. Boots and meters go on when a chain is restarted."""

    kid: bytes
    chains: dict[bytes, ChainState] = field(default_factory=dict)
    timeline: Timeline = field(default_factory=Timeline)
    meters: Meters = field(default_factory=Meters)

    def examine_chain(self, contents: Contents, key: TrustedKey) -> list[Finding]:
        """Findings `chain-restart` and `chain-mismatch` of a chain that was not seen before."""
        if contents.genesis is None:
            if not self.chains:
                return []
            text = "a chain that does not begin here, beside another one of the same key"
            return [finding("chain-mismatch", text, contents.number)]
        reason = contents.genesis[_REASON]
        if reason == 0 and not self.chains:
            return []
        severity = ERROR if reason == 0 else ""
        text = f"a new chain, begun {_REASONS[reason]}"
        if not self._head_fits(contents.genesis):
            text += "; the last batch that it names is not the last one of the old chain"
            severity = ERROR
        if contents.chain in key.restarts:
            text += "; the operator has recorded it"
            severity = NOTICE
        return [finding("chain-restart", text, contents.number, severity)]

    def _head_fits(self, genesis: dict[int, object]) -> bool:
        """Whether the head that a genesis names is the head of the chain as it is known here."""
        old = self.chains.get(genesis.get(_LAST_CHAIN))  # type: ignore[call-overload]
        if not isinstance(old, ChainState):
            return True
        return (old.last_number, old.last_hash) == (genesis[_LAST_NUMBER], genesis[_LAST_HASH])

    def accept(
        self, sealed: SealedBatch, chain: ChainState, place: str, meters: dict[int, MeterState]
    ) -> None:
        """Take in a batch that was not there before."""
        contents = sealed.contents
        self.chains[contents.chain] = chain
        chain.accept(sealed, place)
        if contents.anchors:
            self.timeline.accept(contents.anchors)
        self.meters.accept(meters)
