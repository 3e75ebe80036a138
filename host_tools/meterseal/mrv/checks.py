"""Checks of the rules R1 to R10, R15 and R18 on ledgers and device results; the energy rules
themselves are in walk.py, segments.py, ledger.py and accounting.py.
"""

from collections.abc import Collection, Iterable, Sequence
from fractions import Fraction
from typing import Final

from meterseal.mrv.cuts import Period, local_day, month_ms
from meterseal.mrv.device_result import DeviceResult
from meterseal.mrv.exact import decimal_text, kwh, percent_text
from meterseal.mrv.findings import Findings
from meterseal.mrv.installations import FOREVER_MS, Installation, Installations
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
from meterseal.trust import Trust
from meterseal.trust_fields import meter_name

_SUBJECTS: Final = ("station", "device_id", "old_device_id", "new_device_id")
_ROUNDED_MILLIWH: Final = 2_000
"""Registers at installation and removal are whole Wh: less unverified energy is rounding."""
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


def check_registry(
    registry: Installations, own: Sequence[Installation], activity: str, findings: Findings
) -> None:
    """Entries about the activity that count for nothing: nobody of the second role signed them."""
    about = {one.id for one in registry.stations.values() if one.activity == activity}
    about.update(one.station for one in own)
    about.update(binding.device for one in own for binding in one.bindings)
    meters = {one.meter for one in own}
    for entry in registry.refused:
        names = {entry.get(name) for name in _SUBJECTS}
        if names & about or ("meter" in entry and meter_name(entry["meter"]) in meters):
            text = f"{entry['type']} counts for nothing: no given second role countersigned it"
            findings.add("not-countersigned", f"entry {entry['n']}", text)


def check_devices(
    results: Iterable[DeviceResult],
    trust: Trust,
    registry: Installations,
    bound: Collection[str],
    findings: Findings,
) -> None:
    """R1, R3, R4, R6 and R8: what was refused, forked or rejected, by device."""
    for one in results:
        if trust.key(bytes.fromhex(one.device)) is None:
            text = f"{one.tree_size} batches of a device that the registry does not have"
            findings.add("device-unknown", one.device, text)
            continue
        if one.device not in bound:
            text = (
                f"{one.tree_size} batches of a device that no countersigned entry has at a meter"
            )
            findings.add("device-unbound", one.device, text)
            continue
        _check_readings(one, findings)
        for code, count in sorted(one.refused.items()):
            if code != "chain-fork":
                text = f"{count} batches refused with {code}"
                findings.add("batch-refused", one.device, text)
        for chain, number in one.forks:
            text = f"two contents for batch {number} of chain {chain}: the key was copied"
            findings.add("chain-fork", one.device, text)
        if (count := one.findings["chain-restart"] - (one.device in registry.rolled_over)) > 0:
            text = f"{count} chains restarted that the operator did not record"
            findings.add("chain-restart", one.device, text)
        for rejected, count in sorted(one.rejected.items()):
            text = f"device {one.device}: {count} readings not counted"
            findings.add(rejected.reason, rejected.meter, text)


def _check_readings(result: DeviceResult, findings: Findings) -> None:
    """R4: readings left out because they cannot be right, and others can."""
    if count := result.counts["readings_flagged"]:
        text = f"{count} readings that the device itself flagged as implausible, not counted"
        findings.add("reading-flagged", result.device, text)
    for meter, times in sorted(result.isolated.items()):
        text = f"device {result.device}: {len(times)} readings alone against those around them"
        findings.add("reading-isolated", meter, f"{text}, not counted")
    for meter in sorted(result.unconfirmed):
        text = f"device {result.device}: the last reading does not fit those before it"
        findings.add("reading-unconfirmed", meter, f"{text}, not counted yet")


def check_meter(ledger: MeterLedger, credited: bool, findings: Findings) -> None:
    """R4, R5, R7, R11, R15 and R18: what the ledger of one meter withheld and why."""
    key = ledger.installation.key
    for kind, (code, words) in _KIND_CODES.items():
        own = [one for one in ledger.segments if one.kind == kind]
        if own and (kind != UNVERIFIED_GAP or energy_milliwh(own) >= _ROUNDED_MILLIWH):
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


def check_records(
    installation: Installation,
    others: Sequence[Installation],
    period: Period,
    findings: Findings,
) -> None:
    """R6 and R8: calibration certificates, replacements with both tests, device changes."""
    key = installation.key
    until = min(installation.until_unix_ms, period.until_unix_ms)
    if not installation.calibrations:
        findings.add("calibration-missing", key, "no calibration certificate on record")
    if installation.epoch > 1 or installation.until_unix_ms < FOREVER_MS:
        findings.add("meter-replaced", key, f"epoch {installation.epoch} of this meter")
    if installation.until_unix_ms <= period.until_unix_ms and not installation.final_test:
        findings.add("replacement-incomplete", key, "removed without final test")
    if not installation.initial_test and _replaces(installation, others):
        text = "installed in place of another meter without initial test"
        findings.add("replacement-incomplete", key, text)
    changes = [
        one for one in installation.bindings if period.from_unix_ms < one.until_unix_ms < until
    ]
    for one in changes:
        day = local_day(one.until_unix_ms, period.offset_min)
        findings.add("device-replaced", key, f"device {one.device} until {day}")


def _replaces(installation: Installation, others: Sequence[Installation]) -> bool:
    """Whether it came where another meter, or the same one, was before."""
    units = {one.unit_id for one in installation.bindings}
    return any(
        one.until_unix_ms <= installation.from_unix_ms
        and one.station == installation.station
        and units & {binding.unit_id for binding in one.bindings}
        for one in others
    )


def active_in(installation: Installation, period: Period) -> bool:
    """Whether a meter epoch has a part in the period."""
    return (
        installation.from_unix_ms < period.until_unix_ms
        and installation.until_unix_ms > period.from_unix_ms
    )


def coverage(
    ledgers: Sequence[MeterLedger], months: Sequence[str], period: Period, share: Fraction
) -> list[tuple[str, int, int]]:
    """(month, meters that reported, meters installed on all of its days) for each month.

    A meter reported if verified readings cover at least `share` of the month.
    """
    rows = []
    for month in months:
        due = [one for one in ledgers if _whole_month(one.installation, month, period)]
        needed_ms = share * month_ms(month, period)
        reporting = sum(one.seen_ms.get(month, 0) >= needed_ms for one in due)
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
        silent = [month for month in due if not one.seen_ms.get(month)]
        key = one.installation.key
        if due and not any(one.seen_ms.values()):
            findings.add("meter-silent", key, "registered, but no verified reading in the period")
        elif silent:
            findings.add("meter-partly-silent", key, f"no verified reading in {', '.join(silent)}")


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
