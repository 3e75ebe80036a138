"""Shows what was found about OCMF records: lines for people, or JSON."""

from meterseal.cli import output
from meterseal.ocmf.ledger import Checked, Ledger


def summary(ledger: Ledger) -> None:
    """Verdict line and what speaks against records; nothing where there are none."""
    if not ledger.checked and not ledger.refused:
        return
    sessions = sum(one.record.is_session for one in ledger.checked)
    text = f"OCMF: {sessions} sessions, {len(ledger.checked) - sessions} fiscal records"
    output.verdict(ledger.good, text)
    for kid, refusal in ledger.refused:
        output.note(f"device {kid.hex()}: {refusal.code}: {refusal.text}. {refusal.remedy}")
    for one in ledger.checked:
        for finding in one.findings:
            output.note(f"device {one.kid.hex()}: {finding.code}: {finding.text}")


def show(ledger: Ledger, as_json: bool) -> None:
    """The sessions as a table, or everything as JSON."""
    summary(ledger)
    if as_json:
        output.result_json(as_object(ledger))
        return
    head = ("page", "connector", "meter", "begin", "end", "reason", "begin kWh", "end kWh")
    output.table(head, [_row(one) for one in ledger.checked if one.record.is_session], (6, 7))


def as_object(ledger: Ledger) -> dict[str, object]:
    """Records with their findings, and what was refused."""
    return {
        "good": ledger.good,
        "records": [
            {
                "device": one.kid.hex(),
                "page": one.record.page,
                "good": one.good,
                "verdict": one.verdict,
                "findings": [{"code": f.code, "text": f.text} for f in one.findings],
            }
            for one in ledger.checked
        ],
        "refused": [
            {"device": kid.hex(), "code": r.code, "text": r.text} for kid, r in ledger.refused
        ],
    }


def _row(one: Checked) -> tuple[str, ...]:
    record = one.record
    first, last = record.readings[0], record.readings[-1]
    where = (record.page, record.point, record.meter, first.time, last.time, last.place)
    return (*where, str(first.rv_kwh), str(last.rv_kwh))
