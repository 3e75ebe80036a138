"""Codes of findings and how grave each is. What to do about them: errors_text.py."""

from typing import Final

from meterseal.models import Finding

ERROR, WARNING, NOTICE = "error", "warning", "notice"

SEVERITIES: Final = {
    "chain-fork": ERROR,
    "chain-gap": WARNING,
    "chain-gap-stated": NOTICE,
    "chain-mismatch": ERROR,
    "chain-restart": WARNING,
    "chain-start": WARNING,
    "clock-far-future": ERROR,
    "clock-stepped-back": WARNING,
    "clock-stepped-forward": NOTICE,
    "clock-unset": WARNING,
    "key-class-mismatch": ERROR,
    "key-expired": ERROR,
    "key-revoked": ERROR,
    "key-simulated": WARNING,
    "meter-changed": WARNING,
    "not-countersigned": WARNING,
    "previous-mismatch": ERROR,
    "profile-unknown": WARNING,
    "recovered": NOTICE,
    "register-backward": ERROR,
    "register-implausible": WARNING,
    "replay": NOTICE,
    "replay-unverified": ERROR,
    "sequence-gap": WARNING,
    "sequence-gap-stated": NOTICE,
    "sequence-overlap": ERROR,
    "unanchored": WARNING,
}
"""A gap is a warning as long as batches still come that may fill or state it; it is an error in
the report of a chain."""

_ORDER: Final = (ERROR, WARNING, NOTICE)


def finding(code: str, text: str, number: int = 0, severity: str = "") -> Finding:
    """A finding with the severity of its code, unless another one is given."""
    return Finding(code, severity or SEVERITIES[code], text, number)


def worst(findings: "tuple[Finding, ...] | list[Finding]") -> str:
    """The gravest severity, `notice` if there is nothing."""
    return min((one.severity for one in findings), key=_ORDER.index, default=NOTICE)
