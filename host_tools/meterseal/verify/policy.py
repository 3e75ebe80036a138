"""What a caller accepts. A policy is a required argument; it refuses by raising PolicyRefused.

AllOf(Standard(), RequireAnchored(), RequireKeyClass("software", "secure-element"))
"""

import logging
from typing import Final, Protocol

from meterseal.errors import PolicyRefused
from meterseal.models import KEY_CLASSES, VerifiedBatch
from meterseal.verify.findings import ERROR

_log: Final = logging.getLogger(__name__)


class Policy(Protocol):
    """Decides on one batch that is authentic and decoded."""

    def check(self, batch: VerifiedBatch) -> None:
        """Returns if the batch is acceptable. Raises PolicyRefused with the code of the reason."""


class Refuse:
    """Refuses every batch with a finding of one of the given codes."""

    def __init__(self, *codes: str) -> None:
        if not codes:
            raise ValueError("expected at least one code of a finding")
        self._codes = frozenset(codes)

    def check(self, batch: VerifiedBatch) -> None:
        """Refuses by the first such finding."""
        for finding in batch.findings:
            if finding.code in self._codes:
                raise PolicyRefused(finding.code, finding.text)


class Standard:
    """Refuses every finding of severity `error`, and batches that come again (`replay`).

    Broken links, forks, reused sequence numbers, registers that went down, revoked or expired
    keys, clocks of the far future. Not: gaps (they may still be filled or stated), unset clocks,
    unknown profiles, simulated keys, enrolments without countersignature, a trust file without
    anchor.
    """

    def check(self, batch: VerifiedBatch) -> None:
        """Refuses by the first such finding."""
        for finding in batch.findings:
            if finding.severity == ERROR or finding.code == "replay":
                raise PolicyRefused(finding.code, finding.text)


class RequireAnchored(Refuse):
    """Refuses whatever rests on a trust file whose operator nobody vouched for."""

    def __init__(self) -> None:
        super().__init__("unanchored")


class RequireCountersigned(Refuse):
    """Refuses keys whose enrolment no second role has countersigned."""

    def __init__(self) -> None:
        super().__init__("not-countersigned")


class RequireNoGap(Refuse):
    """Refuses a batch as soon as something before it is missing and not stated as lost."""

    def __init__(self) -> None:
        super().__init__("chain-gap", "chain-start", "sequence-gap")


class RequireClock(Refuse):
    """Refuses readings of boots whose time is not known, or was set back."""

    def __init__(self) -> None:
        super().__init__("clock-unset", "clock-stepped-back", "clock-far-future")


class RequireKnownProfile(Refuse):
    """Refuses readings that cannot be decoded here."""

    def __init__(self) -> None:
        super().__init__("profile-unknown")


class RequireKeyClass:
    """Refuses keys of other classes: `sim`, `software`, `secure-element`."""

    def __init__(self, *classes: str) -> None:
        unknown = set(classes) - set(KEY_CLASSES)
        if unknown or not classes:
            raise ValueError(f"expected classes out of {KEY_CLASSES}, found {sorted(unknown)}")
        self._classes = frozenset(classes)

    def check(self, batch: VerifiedBatch) -> None:
        """The class that the batch states; it was compared with the registry's."""
        found = KEY_CLASSES[batch.contents.key_class]
        if found not in self._classes:
            code = "key-simulated" if found == "sim" else "key-class"
            wanted = ", ".join(sorted(self._classes))
            raise PolicyRefused(code, f"expected a key of class {wanted}, found {found}")


class AllOf:
    """Every one of the policies has to accept. Without any, nothing is accepted.

    An empty list is more likely a mistake than a wish; whoever wants no policy says so.
    """

    def __init__(self, *policies: Policy) -> None:
        self._policies = policies

    def check(self, batch: VerifiedBatch) -> None:
        """Refuses by the first policy that does."""
        if not self._policies:
            raise PolicyRefused("policy-empty", "expected at least one policy, found none")
        for policy in self._policies:
            policy.check(batch)


class AnyOf:
    """One of the policies has to accept. Without any, nothing is accepted."""

    def __init__(self, *policies: Policy) -> None:
        self._policies = policies

    def check(self, batch: VerifiedBatch) -> None:
        """Refuses with the reason of the last policy if all refuse."""
        refusal = PolicyRefused("policy-empty", "expected at least one policy, found none")
        for policy in self._policies:
            try:
                policy.check(batch)
                return
            except PolicyRefused as problem:
                refusal = problem
        raise refusal


class UnsafeNoPolicy:
    """Accepts every authentic batch, whatever was found about it. For diagnosis only."""

    def check(self, batch: VerifiedBatch) -> None:
        """Accepts, and says so in the log."""
        _log.warning("batch %d accepted without any policy", batch.number)
