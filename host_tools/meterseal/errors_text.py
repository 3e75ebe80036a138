"""What a person should do, by code: refusals (WIRE_FORMAT section 11), findings, trust files.

Text only, apart from the code that decides, so that it can be translated.
"""

from typing import Final

_AGAIN = "Fetch it again from collector or station; if it is the same, keep it as evidence."
_FIRMWARE = "Report it with the firmware version: a station's signed batch breaks the format."
_UPDATE = "Update meterseal: this batch needs a newer decoder."
_EXPORT = "Export the registry again; if that does not help, ask the operator what happened to it."

REMEDIES: Final[dict[str, str]] = {
    "batch-too-large": "This is not a batch; check what the file is.",
    "batch-truncated": _AGAIN,
    "batch-trailing": _AGAIN,
    "cose-tag": "This is not a batch of Meterseal; check what the file is.",
    "cose-structure": _AGAIN,
    "cose-protected": _AGAIN,
    "cose-algorithm": "Only ES256 is accepted; no station ever seals with anything else.",
    "cose-content-type": "Another kind of signed structure, not a batch; do not count it.",
    "cose-unprotected": "Somebody added unsigned data on the way: ask for the original.",
    "signature-length": _AGAIN,
    "signature-range": _AGAIN,
    "signature-high-s": "Somebody re-encoded the signature on the way: ask for the original.",
    "signature-invalid": "Altered after sealing, or made by another key. " + _AGAIN,
    "key-unknown": "Use the trust file that has this device, or enrol the device first.",
    "key-class": "Count only keys of the classes that the policy names.",
    "key-class-mismatch": "Enrol the key with its real class, or find out who else uses it.",
    "key-expired": "Ask the operator whether the device was taken out of service then.",
    "key-revoked": "Ask the operator when and why; count nothing sealed after that.",
    "key-simulated": "A simulated station: fine for demonstrations, never for a report.",
    "version-unknown": _UPDATE,
    "key-critical-unknown": _UPDATE,
    "policy-empty": "Name at least one rule, or say UnsafeNoPolicy and mean it.",
    "chain-fork": "Two contents for one number: keep both; the key may have been copied.",
    "chain-gap": "Fetch the missing batches from the collector, or ask the station again.",
    "chain-gap-stated": "The station said what was lost and why; nothing to do.",
    "chain-mismatch": "Verify the whole chain from its first batch.",
    "chain-restart": "Let the operator record the restart in the registry.",
    "chain-start": "Verify from the first batch on, or resume from a saved state.",
    "previous-mismatch": "A batch was exchanged or left out: compare collector and station.",
    "sequence-gap": "Readings vanished without a signed statement: examine the station's journal.",
    "sequence-gap-stated": "The station said what was lost and why; nothing to do.",
    "sequence-overlap": "Numbered twice: examine the station; its key may have been copied.",
    "no-batches": "Ask the station to send from its first batch on; was everything deleted?",
    "head-missing": "Ask the station to send again; somebody deleted what was acknowledged.",
    "head-differs": "Keep both contents: the collector acknowledged another one.",
    "table-differs": "Believe the bytes; find out who changed the tables.",
    "receipt-malformed": "Keep it, and ask who made it.",
    "receipt-signature": "Give the key of the collector that the station reported to.",
    "replay": "The same batch again: harmless, counted once.",
    "replay-unverified": "Verify this chain again from its first batch, in order.",
    "recovered": "Read before a power cut and sealed after it; nothing to do.",
    "clock-unset": "Wait for a batch with a time anchor of that boot, or use the bounds given.",
    "clock-stepped-back": "Look at the anchors' sources; a battery-backed clock may have failed.",
    "clock-stepped-forward": "The clock was wrong before and was corrected; use the bounds given.",
    "clock-far-future": "Check the clock of this computer first, then the station's.",
    "register-backward": "Inspect the meter: replaced, reset, or another register map.",
    "register-implausible": "Compare with the meter's display and its rated power.",
    "meter-changed": "Compare with the registry's record of the meter replacement.",
    "not-countersigned": "Authentic, but counts only once a second person has countersigned it.",
    "profile-unknown": "Add the profile file with this SHA-256; the evidence stays valid.",
    "unanchored": "Give the operator key's fingerprint with --anchor, from a source you trust.",
    "trust-anchor": "Get the operator's fingerprint from a source other than this file.",
    "trust-rollover": "Ask the operator for the statement that the old key signed.",
    "trust-entry-unknown": "Update meterseal: this registry needs a newer reader.",
    "trust-unsigned": "Ask for the export that the operator signed.",
    "trust-version": "Update meterseal: this registry needs a newer reader.",
}


def remedy(code: str) -> str:
    """What to do about a code; empty where the text already says it."""
    if code in REMEDIES:
        return REMEDIES[code]
    if code.startswith(("cbor-", "field-", "column-", "meter-unknown", "sequence-", "lost-")):
        return _FIRMWARE
    return _EXPORT if code.startswith("trust-") else ""
