"""What a person should do, by code: refusals (WIRE_FORMAT section 11), findings, trust files.

Text only, apart from the code that decides, so that it can be translated.
"""

from typing import Final

_AGAIN = (
    "Fetch it again from the collector or the station; if it is the same, keep it as evidence."
)
_FIRMWARE = "Report it with the firmware version: a station's signed batch breaks the format."
_UPDATE = "Update meterseal: this batch needs a newer decoder."

REMEDIES: Final[dict[str, str]] = {
    "batch-too-large": "This is not a batch; check what the file is.",
    "batch-truncated": _AGAIN,
    "batch-trailing": _AGAIN,
    "cose-tag": "This is not a batch of Meterseal; check what the file is.",
    "cose-structure": _AGAIN,
    "cose-protected": _AGAIN,
    "cose-algorithm": "Only ES256 is accepted; nothing else was ever sealed by a station.",
    "cose-content-type": "This is another kind of signed structure, not a batch; do not count it.",
    "cose-unprotected": "Somebody added unsigned data on the way: ask for the original.",
    "signature-length": _AGAIN,
    "signature-range": _AGAIN,
    "signature-high-s": "Somebody re-encoded the signature on the way: ask for the original.",
    "signature-invalid": "The bytes were altered after sealing, or another key made them. "
    + _AGAIN,
    "key-unknown": "Use the trust file that has this device, or enrol the device first.",
    "version-unknown": _UPDATE,
    "key-critical-unknown": _UPDATE,
    "policy-empty": "Name at least one rule, or say UnsafeNoPolicy and mean it.",
    "key-revoked": "Ask the operator when and why; count nothing sealed after that.",
    "key-expired": "Ask the operator whether the device was taken out of service then.",
    "key-class-mismatch": "Enrol the key with its real class, or find out who uses it elsewhere.",
    "key-simulated": "A simulated station: fine for demonstrations, never for a report.",
    "chain-mismatch": "Verify the whole chain from its first batch, in order.",
    "previous-mismatch": "A batch was exchanged or left out: compare collector and station.",
    "chain-fork": "Two contents for one number: keep both; the key may have been copied.",
    "chain-gap": "Fetch the missing batches from the collector or ask the station to send again.",
    "chain-gap-stated": "The station said what was lost and why; nothing to do.",
    "chain-start": "Verify from the first batch, or resume from a saved state.",
    "chain-restart": "Let the operator record the restart in the registry.",
    "sequence-gap": "Readings vanished without a signed statement: examine the station's journal.",
    "sequence-overlap": "Readings were numbered twice: examine the station; its key may be copied.",
    "sequence-gap-stated": "The station said what was lost and why; nothing to do.",
    "replay": "The same batch again: harmless, counted once.",
    "replay-unverified": "Verify this chain again from the start, in order.",
    "clock-unset": "Wait for a batch with a time anchor of that boot, or use the bounds given.",
    "clock-stepped-back": "Look at the anchors' sources; a battery-backed clock may have failed.",
    "clock-far-future": "Check the clock of this computer first, then the station's.",
    "register-backward": "Inspect the meter: replaced, reset or another register map.",
    "register-implausible": "Compare with the meter's display and its rated power.",
    "meter-changed": "Compare with the registry's record of the meter replacement.",
    "profile-unknown": "Add the profile file with this SHA-256; the evidence stays valid.",
    "recovered": "Readings from before a power cut, sealed later; nothing to do.",
    "unanchored": "Give the operator key's fingerprint with --anchor, from a source you trust.",
    "trust-anchor": "Get the operator's fingerprint from a source other than this file.",
    "trust-signature": "The export was altered or not finished: export it again.",
    "trust-chain": "Entries were altered, removed or reordered: export the registry again.",
    "trust-head": "The last entry was altered, or is missing: export the registry again.",
}


def remedy(code: str) -> str:
    """What to do about a code; empty where the text already says it."""
    if code.startswith(("cbor-", "field-", "column-", "meter-unknown", "sequence-mis", "lost-")):
        return _FIRMWARE
    return REMEDIES.get(code, "")
