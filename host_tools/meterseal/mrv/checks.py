"""Checks of the rules R1 to R10, R15 and R18 on ledgers and device results; the energy rules
themselves are in walk.py, segments.py, ledger.py and accounting.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Final

from meterseal.mrv.accounting import Month
from meterseal.mrv.cuts import Period, local_day
from meterseal.mrv.exact import decimal_text, kwh, percent_text
from meterseal.mrv.findings import Findings
from meterseal.mrv.inputs import Invoice
from meterseal.mrv.installations import FOREVER_MS, Installation
from meterseal.mrv.intake import DeviceResult
from meterseal.mrv.ledger import CLAIM_OTHER, CLAIM_REUSED, OUTSIDE_REGISTERS, MeterLedger
from meterseal.mrv.segments import (
    BACKWARD,
    CLOCK_REJECTED,
    FORKED,
    IMPLAUSIBLE,
    RECOVERED,
    SETUP_CHANGED,
    STATED_GAP,
    UNSYNCHRONISED,
    UNVERIFIED_GAP,
    YEAR_CROSSING,
    Segment,
    energy_milliwh,
)

_HOUR_MS: Final = 3_600_000
_KIND_CODES: Final = {
    STATED_GAP: ("gap-stated", "gaps that the chain states"),
    UNVERIFIED_GAP: ("gap-unverified", "spans that nothing verified covers"),
    IMPLAUSIBLE: ("register-implausible", "intervals above the rated power"),
    BACKWARD: ("register-decrease", "spans behind an unexplained decrease of the register"),
    FORKED: ("chain-fork", "spans under a forked chain"),
    SETUP_CHANGED: ("setup-changed", "spans with another set-up of the meter than registered"),
    CLOCK_REJECTED: ("clock-rejected", "intervals of a clock that went back"),
    UNSYNCHRONISED: ("clock-unset", "spans of boots that never saw a clock"),
    YEAR_CROSSING: ("year-crossing", "intervals across New Year"),
}
_EXCLUDED_TEXTS: Final = {
    CLAIM_REUSED: "below the closing register of an earlier report",
    CLAIM_OTHER: "claimed by another activity",
    OUTSIDE_REGISTERS: "outside the registers recorded at installation and removal",
}


def check_devices(results: Iterable[DeviceResult], findings: Findings) -> None:
    """R1, R3, R6 and R8: what was refused, forked or rejected, by device."""
    for one in results:
        for code, count in sorted(one.refused.items()):
            if code != "chain-fork":
                text = f"{count} batches refused with {code}"
                findings.add("batch-refused", one.device, text)
        for chain, number in one.forks:
            text = f"two contents for batch {number} of chain {chain}: the key was copied"
            findings.add("chain-fork", one.device, text)
        if count := one.findings["chain-restart"]:
            text = f"{count} chains restarted that the operator did not record"
            findings.add("chain-restart", one.device, text)
        for rejected, count in sorted(one.rejected.items()):
            text = f"device {one.device}: {count} readings not counted"
            findings.add(rejected.reason, rejected.meter, text)


def check_meter(ledger: MeterLedger, credited: bool, findings: Findings) -> None:
    """R4, R5, R7, R11, R15 and R18: what the ledger of one meter withheld and why."""
    key = ledger.installation.key
    for kind, (code, words) in _KIND_CODES.items():
        own = [one for one in ledger.segments if one.kind == kind]
        if own:
            withheld = ledger.withheld.get(kind, Fraction(0)) if credited else Fraction(0)
            findings.add(code, key, f"{len(own)} {words}, {_hours(own)} h", withheld)
    if recovered := [one for one in ledger.segments if one.kind == RECOVERED]:
        text = f"{kwh_text(recovered)} kWh read before a power cut and sealed after it: credited"
        findings.add("recovered", key, text)
    for code, segments in sorted(ledger.excluded.items()):
        text = f"{kwh_text(segments)} kWh {_EXCLUDED_TEXTS[code]}: counted nowhere"
        findings.add(code, key, text, energy_milliwh(segments))
    if ledger.seen_twice:
        text = f"{kwh_text(ledger.seen_twice)} kWh sealed by two devices: counted once"
        findings.add("claim-two-devices", key, text, energy_milliwh(ledger.seen_twice))
    for (error_ppm, provisional), withheld in sorted(ledger.overdue.items()):
        text = f"calibration overdue: {error_ppm} ppm against the claim"
        code = "calibration-provisional" if provisional else "calibration-overdue"
        findings.add(code, key, text, withheld if credited else 0)


def check_records(installation: Installation, period: Period, findings: Findings) -> None:
    """R6 and R8: calibration certificates, replacements with both tests, device changes."""
    key = installation.key
    until = min(installation.until_unix_ms, period.until_unix_ms)
    if not installation.calibrations:
        findings.add("calibration-missing", key, "no calibration certificate on record")
    if installation.epoch > 1 or installation.until_unix_ms < FOREVER_MS:
        findings.add("meter-replaced", key, f"epoch {installation.epoch} of this meter")
    if installation.until_unix_ms <= period.until_unix_ms:
        complete = installation.final_test and installation.removal_countersigned
        if not complete:
            text = "removed without final test or countersignature"
            findings.add("replacement-incomplete", key, text)
    if installation.epoch > 1 and not installation.initial_test:
        findings.add("replacement-incomplete", key, "installed again without initial test")
    changes = [
        one for one in installation.bindings if period.from_unix_ms < one.until_unix_ms < until
    ]
    for one in changes:
        day = local_day(one.until_unix_ms, period.offset_min)
        findings.add("device-replaced", key, f"device {one.device} until {day}")


def active_in(installation: Installation, period: Period) -> bool:
    """Whether a meter epoch has a part in the period."""
    return (
        installation.from_unix_ms < period.until_unix_ms
        and installation.until_unix_ms > period.from_unix_ms
    )


def coverage(
    ledgers: Sequence[MeterLedger], months: Sequence[str], period: Period
) -> list[tuple[str, int, int]]:
    """(month, meters that reported, meters installed on all of its days) for each month."""
    rows = []
    for month in months:
        due = [one for one in ledgers if _whole_month(one.installation, month, period)]
        reporting = sum(month in one.months_seen for one in due)
        rows.append((month, reporting, len(due)))
    return rows


def check_coverage(
    rows: Sequence[tuple[str, int, int]], minimum: Fraction, findings: Findings
) -> None:
    """R10: enough meters in every month."""
    for month, reporting, due in rows:
        if reporting < minimum * due:
            text = f"{reporting} of {due} meters, {percent_text(reporting, due, 1)} %"
            findings.add("coverage-low", month, text)


def check_silent(
    ledgers: Sequence[MeterLedger], months: Sequence[str], period: Period, findings: Findings
) -> None:
    """R2: meters without any reading, or without readings in some months."""
    for one in ledgers:
        due = [month for month in months if _whole_month(one.installation, month, period)]
        silent = [month for month in due if month not in one.months_seen]
        key = one.installation.key
        if due and not one.months_seen:
            findings.add("meter-silent", key, "registered, but no verified reading in the period")
        elif silent:
            findings.add("meter-partly-silent", key, f"no verified reading in {', '.join(silent)}")


def check_invoices(
    invoices: Sequence[Invoice],
    months: Sequence[Month],
    tolerance: Fraction,
    findings: Findings,
) -> list[tuple[Invoice, Fraction]]:
    """R9: each invoice of whole months against the metered energy; (invoice, metered kWh)."""
    metered: Mapping[tuple[str, str], Month] = {(one.station, one.month): one for one in months}
    compared = []
    for invoice in invoices:
        first, last = invoice.first.isoformat()[:7], invoice.last.isoformat()[:7]
        own = [
            one
            for (station, month), one in metered.items()
            if station == invoice.station and first <= month <= last
        ]
        measured = kwh(sum((sum(one.project.values(), Fraction(0)) for one in own), Fraction(0)))
        compared.append((invoice, measured))
        if abs(measured - invoice.energy_kwh) > tolerance * invoice.energy_kwh:
            text = (
                f"{first} to {last}: {decimal_text(invoice.energy_kwh, 1)} kWh billed, "
                f"{decimal_text(measured, 1)} kWh metered"
            )
            findings.add("invoice-differs", invoice.station, text)
    return compared


def kwh_text(segments: Sequence[Segment]) -> str:
    """Energy of segments in kWh, one place, for people."""
    return decimal_text(kwh(energy_milliwh(segments)), 1)


def _hours(segments: Sequence[Segment]) -> str:
    total = sum(max(0, one.until_unix_ms - one.from_unix_ms) for one in segments)
    return decimal_text(Fraction(total, _HOUR_MS), 1)


def _whole_month(installation: Installation, month: str, period: Period) -> bool:
    """Whether the meter was installed in all of a month's part of the period."""
    from_month = local_day(installation.from_unix_ms - 1, period.offset_min).isoformat()[:7]
    until_month = "9999-12"
    if installation.until_unix_ms < FOREVER_MS:
        until_month = local_day(installation.until_unix_ms, period.offset_min).isoformat()[:7]
    return from_month < month < until_month
