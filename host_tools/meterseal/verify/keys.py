"""Findings about a key: who vouches for it, what class it has, may it still be used."""

from meterseal.models import KEY_CLASSES, Contents, Finding
from meterseal.trust import Trust, TrustedKey
from meterseal.verify.clock import UNBOUNDED_UNIX_MS, Timeline
from meterseal.verify.findings import finding


def standing_findings(key: TrustedKey, trust: Trust, contents: Contents) -> tuple[Finding, ...]:
    """What holds for every batch of a key of this class: `unanchored`, `not-countersigned`, ..."""
    found = []
    key_class = KEY_CLASSES[contents.key_class]
    if not trust.anchored:
        text = f"the operator {trust.operator[:16]}... is who the trust file itself says it is"
        found.append(finding("unanchored", text))
    if key_class == "sim":
        found.append(finding("key-simulated", "sealed by a simulated station"))
    if not key.countersigned:
        text = f"no second role countersigned the enrolment at station {key.station}"
        found.append(finding("not-countersigned", text))
    if key_class != key.key_class:
        text = f"expected a key of class {key.key_class}, found {key_class}"
        found.append(finding("key-class-mismatch", text, contents.number))
    return tuple(found)


def validity_findings(key: TrustedKey, timeline: Timeline, contents: Contents) -> list[Finding]:
    """`key-revoked`, `key-expired`: by the time of sealing; undated counts as too late."""
    limits = (key.revoked_from_unix_ms, key.valid_until_unix_ms, key.valid_from_unix_ms)
    if limits == (None, None, None):
        return []
    earliest, latest = _sealed(timeline, contents)
    found = []
    if key.revoked_from_unix_ms is not None and latest >= key.revoked_from_unix_ms:
        text = f"the key was revoked ({key.revocation}) before this batch was sealed"
        found.append(finding("key-revoked", text, contents.number))
    until, since = key.valid_until_unix_ms, key.valid_from_unix_ms
    if (until is not None and latest >= until) or (since is not None and earliest < since):
        text = "sealed outside the time in which the registry has the key in use"
        found.append(finding("key-expired", text, contents.number))
    return found


def _sealed(timeline: Timeline, contents: Contents) -> tuple[int, int]:
    """Bounds of the moment at which a batch was sealed."""
    known = timeline.boots.get(contents.boot, ()) + contents.anchors
    anchors = [anchor for anchor in known if anchor.boot == contents.boot]
    if not anchors:
        return 0, UNBOUNDED_UNIX_MS
    anchor = anchors[-1]
    moment = anchor.t_unix_ms + contents.sealed_mono_ms - anchor.mono_ms
    return moment - anchor.error_ms, moment + anchor.error_ms
