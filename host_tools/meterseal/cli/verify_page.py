"""The page of `meterseal verify --html`: the command's verdict, each device, its calendar."""

from meterseal.audit.device import DeviceAudit
from meterseal.audit.run import Audit
from meterseal.audit.show import page
from meterseal.cli.verify_run import Run, Tally
from meterseal.cli.verify_show import verdict
from meterseal.models import Finding
from meterseal.verify.report import DeviceReport


def html_of(run: Run) -> str:
    """A page with the calendar of each station, and whatever was refused."""
    reports = {one.kid: one for one in run.devices}
    kids = sorted(reports.keys() | {kid for kid, _ in run.refused})
    audit = Audit(run.verifier.trust, [_device(run, kid, reports.get(kid)) for kid in kids])
    return page(audit, "Verification", run.good, verdict(run))


def _device(run: Run, kid: bytes, report: DeviceReport | None) -> DeviceAudit:
    key = run.verifier.trust.keys.get(kid)
    station = key.station if key else ""
    found = DeviceAudit(kid.hex(), station, days=run.days.get(kid, {}))
    if report is not None:
        _take_report(found, report)
    _take_ocmf(run, kid, found)
    _take(found, kid, run.findings)
    found.refused = _take(found, kid, run.refused)
    return found


def _take_report(found: DeviceAudit, report: DeviceReport) -> None:
    for chain in report.chains:
        found.verified += chain.batches
        found.readings += chain.readings
        _note(found, chain.findings)
    found.energy_import_mwh = sum(one.energy_import_mwh or 0 for one in report.meters)


def _take_ocmf(run: Run, kid: bytes, found: DeviceAudit) -> None:
    for record in run.ocmf.checked:
        if record.kid == kid:
            _note(found, record.findings)
    for device, refusal in run.ocmf.refused:
        if device == kid:
            found.note(refusal.code, "error", refusal.text)


def _note(found: DeviceAudit, findings: tuple[Finding, ...]) -> None:
    for one in findings:
        found.note(one.code, one.severity, one.text)


def _take(found: DeviceAudit, kid: bytes, tallies: dict[tuple[bytes, str], Tally]) -> int:
    """How often in all. What is taken last gives a code its severity: refusals come last."""
    count = 0
    for (device, code), tally in sorted(tallies.items()):
        if device == kid:
            first = tally.first
            found.note(code, first.severity, first.text)
            one = found.findings[code]
            one |= {"severity": first.severity, "text": first.text}
            one["count"] += tally.count - 1
            count += tally.count
    return count
