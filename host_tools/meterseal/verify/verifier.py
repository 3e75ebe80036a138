"""The verifier: bytes in, a VerifiedBatch out, or an exception that says why not.

Steps, in this order (WIRE_FORMAT section 11):
(1) envelope; (2) key and signature; (3) CBOR and schema; (4) readings; (5) place in the chain,
key's validity, clock, meters; (6) the caller's policy; (7) only then the chain moves on.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, tee
from typing import Final, NamedTuple

from meterseal import models
from meterseal.errors import MalformedBatch, VerificationError
from meterseal.models import Finding, Group, SealedBatch, VerifiedBatch
from meterseal.resources import profiles_dir
from meterseal.trust import Trust
from meterseal.verify import links, meters
from meterseal.verify.chain import HISTORY, IN_ORDER, REPLAY, ChainState
from meterseal.verify.clock import BootClock
from meterseal.verify.device import DeviceState
from meterseal.verify.findings import finding
from meterseal.verify.keys import standing_findings, validity_findings
from meterseal.verify.opener import Opener
from meterseal.verify.policy import Policy
from meterseal.verify.totals import ProfileTotals, Totals
from meterseal.wire.envelope import Envelope
from meterseal.wire.readings import Readings, read_all, read_readings

# So much of a stream is taken together, which saves a third of the time: batches, or bytes, so
# that a hostile device gains no memory by it.
_TOGETHER: Final = 32
_TOGETHER_LEN: Final = 1 << 16


class Decoded(NamedTuple):
    """An authentic batch with its readings."""

    sealed: SealedBatch
    groups: tuple[Group, ...]


class Verdict(NamedTuple):
    """What became of one batch of a stream: `batch`, or `refusal` and why."""

    raw: bytes
    batch: VerifiedBatch | None
    refusal: VerificationError | None


class Verifier:
    """Verifies batches of any number of devices and follows their chains.

    `trust`: whose keys count; `policy`: what is accepted (required: there is no default);
    `totals`: where the energy register of a meter is, from the profiles of this package if left
    out; `now_unix_ms`: the time against which clocks of the future are judged; `devices`: state
    from before (state.py).
    """

    def __init__(
        self,
        *,
        trust: Trust,
        policy: Policy,
        totals: Totals | None = None,
        now_unix_ms: Callable[[], int] | None = None,
        devices: dict[bytes, DeviceState] | None = None,
        history_len: int = HISTORY,
    ) -> None:
        self.trust = trust
        self.totals = totals or ProfileTotals.load(profiles_dir())
        self.devices: dict[bytes, DeviceState] = {} if devices is None else devices
        self._policy = policy
        self._now_unix_ms = now_unix_ms or (lambda: time.time_ns() // 1_000_000)
        self._history_len = history_len
        self._opener = Opener(trust)
        self._standing: dict[tuple[bytes, int], tuple[Finding, ...]] = {}

    def check_each(self, batches: Iterable[bytes]) -> Iterator[Envelope | VerificationError]:
        """Steps 1 and 2 for every batch of a stream, in order: this device signed these bytes.

        A refusal is given, not raised: MalformedBatch, BadSignature, UnknownKey.
        """
        source = iter(batches)
        while together := _take(source):
            yield from self._opener.check_all(together)

    def authenticate(self, raw: bytes) -> SealedBatch:
        """Steps 1 to 3: this device sealed it. Says nothing about chain and readings.

        Raises MalformedBatch, BadSignature, UnknownKey.
        """
        return self._opener.open(raw)

    def authenticate_each(
        self, batches: Iterable[bytes]
    ) -> Iterator[SealedBatch | VerificationError]:
        """The same for every batch of a stream, in order; a refusal is given, not raised."""
        source = iter(batches)
        while together := _take(source):
            yield from self._opener.open_all(together)

    def verify(self, raw: bytes) -> VerifiedBatch:
        """All steps.

        Raises MalformedBatch, BadSignature, UnknownKey, PolicyRefused; then nothing has changed.
        """
        sealed = self._opener.open(raw)
        return self._judge(sealed, read_readings(sealed.payload))

    def decode_each(self, batches: Iterable[bytes]) -> Iterator[Decoded | VerificationError]:
        """Steps 1 to 4 for every batch of a stream, in order: no chain, no policy."""
        source = iter(batches)
        while together := _take(source):
            opened = self._opener.open_all(together)
            sealed = [one for one in opened if isinstance(one, SealedBatch)]
            found = iter(zip(sealed, read_all([one.payload for one in sealed]), strict=True))
            for one in opened:
                yield _decoded(*next(found)) if isinstance(one, SealedBatch) else one

    def verify_each(self, batches: Iterable[bytes]) -> Iterator[Verdict]:
        """A verdict for every batch of a stream, in order; none stands in the way of the next."""
        mine, theirs = tee(batches)
        for raw, one in zip(mine, self.decode_each(theirs), strict=True):
            yield self._verdict(raw, one)

    def _verdict(self, raw: bytes, decoded: Decoded | VerificationError) -> Verdict:
        if isinstance(decoded, VerificationError):
            return Verdict(raw, None, decoded)
        try:
            return Verdict(raw, self._judge(*decoded), None)
        except VerificationError as refusal:
            return Verdict(raw, None, refusal)

    def _judge(self, sealed: SealedBatch, groups: tuple[Group, ...]) -> VerifiedBatch:
        """Steps 5 to 7."""
        contents = sealed.contents
        key = self.trust.keys[sealed.kid]
        device = self.devices.get(sealed.kid) or DeviceState(sealed.kid)
        found = list(self._standing_findings(sealed))
        found += validity_findings(key, device.timeline, contents)
        chain = device.chains.get(contents.chain)
        strange = False
        if chain is None:
            found += device.examine_chain(contents, key)
            strange = any(one.code == "chain-mismatch" for one in found)
            chain = ChainState(sealed.kid, contents.chain, history_len=self._history_len)
        place = chain.place(sealed)
        found += links.examine(chain, sealed, place)
        clocks = self._clocks(device, sealed, groups, found)
        in_order = place in IN_ORDER and not strange
        states = self._meters(device, sealed, groups, chain, in_order, found)
        batch = VerifiedBatch(
            sealed=sealed,
            station=key.station,
            thumbprint=key.thumbprint,
            groups=groups,
            findings=tuple(found),
            clocks=clocks,
            fresh=place != REPLAY,
            maker=models._VERIFIER,
        )
        self._policy.check(batch)
        if batch.fresh:
            self.devices[sealed.kid] = device
            device.accept(sealed, chain, place, states)
        return batch

    def _standing_findings(self, sealed: SealedBatch) -> tuple[Finding, ...]:
        name = sealed.kid, sealed.contents.key_class
        if name not in self._standing:
            key = self.trust.keys[sealed.kid]
            self._standing[name] = standing_findings(key, self.trust, sealed.contents)
        return self._standing[name]

    def _clocks(
        self,
        device: DeviceState,
        sealed: SealedBatch,
        groups: tuple[Group, ...],
        found: list[Finding],
    ) -> dict[int, BootClock]:
        """What is known of the clocks of all boots with readings."""
        contents = sealed.contents
        if contents.anchors:
            found += device.timeline.examine(contents, self._now_unix_ms())
        clocks = {}
        for group in groups:
            if group.boot in clocks:
                continue
            clock = clocks[group.boot] = device.timeline.clock(group.boot, contents.anchors)
            if group.boot != contents.boot:
                text = f"readings of boot {group.boot}, sealed by boot {contents.boot}"
                found.append(finding("recovered", text, contents.number))
            if not clock.anchors:
                text = f"boot {group.boot} did not know the time"
                found.append(finding("clock-unset", text, contents.number))
        return clocks

    def _meters(
        self,
        device: DeviceState,
        sealed: SealedBatch,
        groups: tuple[Group, ...],
        chain: ChainState,
        in_order: bool,
        found: list[Finding],
    ) -> dict[int, meters.MeterState]:
        """What does not come in order is judged by itself: the newer state of the meters stays."""
        state = device.meters if in_order else meters.Meters()
        contents = sealed.contents
        gap = contents.first_sequence != chain.next_sequence

        def clock_of(boot: int) -> BootClock:
            return device.timeline.clock(boot, contents.anchors)

        metered, states = meters.examine(state, contents, groups, self.totals, gap, clock_of)
        found += metered
        return states if in_order else {}


def _take(source: Iterator[bytes]) -> list[bytes]:
    """The next batches that are taken together; none at the end."""
    taken = []
    length = 0
    for raw in islice(source, _TOGETHER):
        taken.append(raw)
        length += len(raw)
        if length >= _TOGETHER_LEN:
            break
    return taken


def _decoded(sealed: SealedBatch, groups: Readings | MalformedBatch) -> Decoded | MalformedBatch:
    return groups if isinstance(groups, MalformedBatch) else Decoded(sealed, groups)
