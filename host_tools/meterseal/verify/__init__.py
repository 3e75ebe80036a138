"""Verification: what a station sealed, checked without trusting anything in between.

verifier = Verifier(trust=load_trust(path, anchors=[fingerprint]), policy=Standard())
batch = verifier.verify(raw)      # a VerifiedBatch, or a VerificationError is raised
"""

from meterseal.models import Finding, SealedBatch, VerifiedBatch
from meterseal.verify.clock import BootClock, Bounds
from meterseal.verify.opener import Opener, signature_opener
from meterseal.verify.policy import (
    AllOf,
    AnyOf,
    Policy,
    Refuse,
    RequireAnchored,
    RequireClock,
    RequireCountersigned,
    RequireKeyClass,
    RequireKnownProfile,
    RequireNoGap,
    Standard,
    UnsafeNoPolicy,
)
from meterseal.verify.verifier import Decoded, Verdict, Verifier

__all__ = [
    "AllOf",
    "AnyOf",
    "BootClock",
    "Bounds",
    "Decoded",
    "Finding",
    "Opener",
    "Policy",
    "Refuse",
    "RequireAnchored",
    "RequireClock",
    "RequireCountersigned",
    "RequireKeyClass",
    "RequireKnownProfile",
    "RequireNoGap",
    "SealedBatch",
    "Standard",
    "UnsafeNoPolicy",
    "Verdict",
    "VerifiedBatch",
    "Verifier",
    "signature_opener",
]
