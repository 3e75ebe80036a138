"""The twenty data-quality rules: what each demands and what it does with energy; codes by rule.

Text only, apart from the checks, so that it can be translated.
"""

from typing import Final, NamedTuple


class Rule(NamedTuple):
    """`baseline`, `project`: where the energy that the rule speaks of is counted."""

    id: str
    name: str
    demand: str
    baseline: str
    project: str


_BOTH, _PROJECT, _NEITHER = "counted", "counted", "not counted"
_NOT = "not counted"

RULES: Final = (
    Rule("R1", "verified", "Only batches whose signature, key and chain verified count.",
         _NOT, "register difference across them"),
    Rule("R2", "complete", "Every registered meter appears; an unknown meter stops the report.",
         _NOT, "register difference, if the meter comes back"),
    Rule("R3", "sequence", "Numbers are contiguous; a forked chain taints what follows.",
         _NOT, _PROJECT),
    Rule("R4", "register", "Registers only rise, and no faster than the rated power allows.",
         _NOT, _PROJECT),
    Rule("R5", "gap", "Energy across a gap is no measured charging.",
         "as the profile says where the chain states the loss, else not counted", _PROJECT),
    Rule("R6", "meter record", "Serial, model, class, certificate: on record and countersigned.",
         _NOT, "register difference, if the meter comes back"),
    Rule("R7", "calibration", "Overdue calibration works against the claim.",
         "reduced by the greater of permissible and found error", "increased by it"),
    Rule("R8", "replacement", "A replaced meter is a new epoch with both registers on record.",
         "nothing between the epochs", "nothing between the epochs"),
    Rule("R9", "invoice", "The meter is primary; invoices are a cross-check.", _BOTH, _PROJECT),
    Rule("R10", "coverage", "Enough meters report for enough of each month.", _BOTH, _PROJECT),
    Rule("R11", "no overlap", "No kWh in two reports, two activities or under two devices.",
         "counted once", "counted once"),
    Rule("R12", "parameters", "Every parameter has value, unit, source, version and validity.",
         "no report without", "no report without"),
    Rule("R13", "boundary", "Specific consumption is measured where the meter measures.",
         "no report without", "no report without"),
    Rule("R14", "vehicles", "Energy that no project vehicle took earns nothing.", _NOT, _PROJECT),
    Rule("R15", "vintage", "Energy belongs to the local calendar year in which it was measured.",
         "later year, or not counted, as the profile says", "later year"),
    Rule("R16", "exact", "Exact arithmetic; the cumulative vintage is rounded down once.",
         _BOTH, _PROJECT),
    Rule("R17", "allocation", "Holders and unallocated make the total; nothing is taken back.",
         "-", "-"),
    Rule("R18", "clock", "No time before the key was enrolled; unset clocks count apart.",
         "as the profile says for unsynchronised readings, else not counted", _PROJECT),
    Rule("R19", "progress", "Cumulative totals against the targets, marked as not yet verified.",
         "-", "-"),
    Rule("R20", "sensitivity", "What 10 % more or less of a parameter would change.", "-", "-"),
)  # fmt: skip

CODES: Final[dict[str, tuple[str, str]]] = {
    "batch-refused": ("R1", "notice"),
    "unanchored": ("R1", "review"),
    "key-simulated": ("R1", "review"),
    "gap-unverified": ("R1", "notice"),
    "device-unknown": ("R1", "review"),
    "device-unbound": ("R1", "review"),
    "archive-damaged": ("R1", "review"),
    "meter-silent": ("R2", "review"),
    "meter-partly-silent": ("R2", "notice"),
    "chain-fork": ("R3", "review"),
    "chain-restart": ("R3", "review"),
    "register-decrease": ("R4", "review"),
    "register-implausible": ("R4", "review"),
    "reading-flagged": ("R4", "notice"),
    "reading-isolated": ("R4", "notice"),
    "reading-unconfirmed": ("R4", "notice"),
    "set-aside": ("R4", "notice"),
    "gap-stated": ("R5", "notice"),
    "recovered": ("R5", "notice"),
    "calibration-missing": ("R6", "review"),
    "profile-mismatch": ("R6", "review"),
    "profile-unknown": ("R6", "review"),
    "serial-mismatch": ("R6", "review"),
    "not-countersigned": ("R6", "review"),
    "setup-changed": ("R6", "review"),
    "calibration-overdue": ("R7", "notice"),
    "calibration-provisional": ("R7", "review"),
    "meter-replaced": ("R8", "notice"),
    "replacement-incomplete": ("R8", "review"),
    "outside-installation": ("R8", "notice"),
    "outside-registers": ("R8", "review"),
    "device-replaced": ("R8", "notice"),
    "invoice-differs": ("R9", "review"),
    "invoice-outside": ("R9", "notice"),
    "coverage-low": ("R10", "review"),
    "claim-reused": ("R11", "review"),
    "claim-other-activity": ("R11", "review"),
    "claim-two-devices": ("R11", "notice"),
    "claim-nested-meter": ("R11", "notice"),
    "children-exceed-parent": ("R11", "review"),
    "consumption-outdated": ("R13", "notice"),
    "consumption-imprecise": ("R13", "notice"),
    "vehicle-class-missing": ("R14", "notice"),
    "vehicles-none": ("R14", "review"),
    "vehicles-distance": ("R14", "review"),
    "own-use": ("R14", "notice"),
    "year-crossing": ("R15", "notice"),
    "reduction-negative": ("R16", "review"),
    "deficit": ("R16", "review"),
    "deficit-carried": ("R16", "notice"),
    "clock-unset": ("R18", "notice"),
    "clock-rejected": ("R18", "notice"),
}
