"""Shows the result of `meterseal verify`: a summary for people, or JSON."""

from typing import Any

from meterseal.cli import output
from meterseal.cli.export_show import as_object, summary
from meterseal.cli.verify_run import FileResult, Run
from meterseal.errors_text import remedy
from meterseal.models import Finding
from meterseal.verify.report import ChainReport, DeviceReport, MeterReport

_HEAD = ("device", "station", "chain", "batches", "readings", "missing", "proven kWh", "in gaps")
_NUMBERS = (4, 6, 7)


def show(run: Run) -> None:
    """Verdict lines of the chains, the summary table, the findings with what to do."""
    for device in run.devices:
        for chain in device.chains:
            _say_chain(device, chain)
    summary(run.ocmf)
    rows = [row for device in run.devices for row in _rows(device)]
    if rows:
        output.table(_HEAD, rows, _NUMBERS)
    for line in _finding_lines(run):
        output.result(line)
    output.result(verdict(run))


def verdict(run: Run) -> str:
    """The last line of the command."""
    if not run.files:
        return "FAILED: no file to verify."
    text = "VERIFIED." if run.good else "FAILED: something was refused or is missing."
    if not run.verifier.trust.anchored:
        text += " UNANCHORED: see above."
    if any(code == "not-countersigned" for _, code in run.findings):
        text += " NOT COUNTERSIGNED: see above."
    return text


def _say_chain(device: DeviceReport, chain: ChainReport) -> None:
    text = (
        f"device {device.kid.hex()} chain {chain.chain.hex()[:8]}: "
        f"batches {chain.first_number} to {chain.last_number}"
    )
    output.verdict(chain.complete, text)
    for finding in chain.findings:
        output.note(f"{finding.code}: {finding.text}")
        output.note(f"    {remedy(finding.code)}")


def _rows(device: DeviceReport) -> list[tuple[str, ...]]:
    """One line for each chain; the energy of the device stands on its first line."""
    energies = [meter.energy_import_mwh for meter in device.meters]
    known = [energy for energy in energies if energy is not None]
    proven = _kwh(sum(known)) if known else "-"
    gaps = _kwh(sum(meter.across_gaps_mwh for meter in device.meters))
    rows: list[tuple[str, ...]] = []
    for index, chain in enumerate(device.chains):
        missing = sum(finding.code in ("chain-gap", "sequence-gap") for finding in chain.findings)
        rows.append(
            (
                device.kid.hex(),
                device.station,
                chain.chain.hex()[:8],
                f"{chain.first_number} to {chain.last_number}",
                str(chain.readings),
                f"{missing} gaps" if missing else "nothing",
                "" if index else proven,
                "" if index else gaps,
            )
        )
    return rows


def _kwh(mwh: int) -> str:
    """Energy in kWh with all its digits: exact, no rounding."""
    sign = "-" if mwh < 0 else ""
    return f"{sign}{abs(mwh) // 1_000_000}.{abs(mwh) % 1_000_000:06d}"


def _finding_lines(run: Run) -> list[str]:
    lines = []
    for (kid, code), tally in sorted(run.findings.items()):
        first = tally.first
        where = f"batch {first.number}: " if first.number else ""
        lines.append(f"{first.severity}: {code} ({tally.count} times): {where}{first.text}")
        lines.append(f"    device {kid.hex()}. {remedy(code)}")
    return lines


def show_json(run: Run) -> None:
    """One object with everything; energies in mWh, exact integers."""
    trust = run.verifier.trust
    output.result_json(
        {
            "verdict": "verified" if run.good else "failed",
            "anchored": trust.anchored,
            "operator": trust.operator,
            "files": [_file(result) for result in run.files],
            "devices": [_device(device, run) for device in run.devices],
            "ocmf": as_object(run.ocmf),
        }
    )


def _file(result: FileResult) -> dict[str, Any]:
    return {
        "path": str(result.path),
        "verified": result.verified,
        "repeated": result.repeated,
        "refused": result.refused,
        "refusals": [
            {
                "offset": offset,
                "code": refusal.code,
                "text": refusal.text,
                "remedy": refusal.remedy,
            }
            for offset, refusal in result.refusals
        ],
    }


def _device(device: DeviceReport, run: Run) -> dict[str, Any]:
    return {
        "device": device.kid.hex(),
        "station": device.station,
        "chains": [_chain(chain) for chain in device.chains],
        "meters": [_meter(meter) for meter in device.meters],
        "findings": [
            _finding(tally.first) | {"count": tally.count}
            for (kid, _), tally in sorted(run.findings.items())
            if kid == device.kid
        ],
    }


def _chain(chain: ChainReport) -> dict[str, Any]:
    return {
        "chain": chain.chain.hex(),
        "complete": chain.complete,
        "first_number": chain.first_number,
        "last_number": chain.last_number,
        "last_hash": chain.last_hash.hex(),
        "batches": chain.batches,
        "readings": chain.readings,
        "findings": [_finding(finding) for finding in chain.findings],
    }


def _meter(report: MeterReport) -> dict[str, Any]:
    return {
        "unit": report.meter.unit,
        "profile": report.meter.profile,
        "identity": [registers.words.hex() for registers in report.meter.identity],
        "energy_import_mwh": report.energy_import_mwh,
        "across_gaps_mwh": report.across_gaps_mwh,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "number": finding.number,
        "text": finding.text,
        "remedy": remedy(finding.code),
    }
