"""Audit of one device: every batch verified again, tables held against bytes, acknowledgements
held against what is there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from meterseal.audit.coverage import Coverage
from meterseal.audit.receipts import RECEIPT_KEY, Ack, acks_of
from meterseal.audit.sources import Job, Row, head_claims, rows
from meterseal.errors import Error, VerificationError
from meterseal.models import Finding, VerifiedBatch
from meterseal.verify.chain import KEPT_HASH_LEN
from meterseal.verify.report import DeviceReport, report
from meterseal.verify.verifier import Verdict, Verifier

_PROVISIONAL = ("chain-gap", "chain-gap-stated", "sequence-gap", "sequence-gap-stated")
_MAX_ACKS = 10_000


@dataclass
class DeviceAudit:
    """What was found about one device; plain values, so that it travels between processes."""

    device: str
    station: str = ""
    verified: int = 0
    repeated: int = 0
    refused: int = 0
    readings: int = 0
    energy_import_mwh: int = 0
    findings: dict[str, dict[str, Any]] = field(default_factory=dict)
    heads: list[dict[str, Any]] = field(default_factory=list)
    days: dict[int, str] = field(default_factory=dict)
    acks: list[Ack] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Nothing was refused, nothing is missing, tables and bytes agree."""
        return not self.refused and all(
            one["severity"] != "error" for one in self.findings.values()
        )

    def note(self, code: str, severity: str, text: str) -> None:
        """Count a finding; the first one of a code keeps its text."""
        first = {"severity": severity, "text": text, "count": 0}
        self.findings.setdefault(code, first)["count"] += 1


class Auditor:
    """Audits devices one after the other. `collector_key`: 65 bytes, or empty."""

    def __init__(self, verifier: Verifier, collector_key: bytes) -> None:
        self._verifier = verifier
        self._collector_key = collector_key

    def audit(self, job: Job) -> DeviceAudit:
        """Everything about one device. Raises EnvironmentProblem, CollectorError."""
        self._verifier.devices.clear()
        found = DeviceAudit(job.device.hex())
        coverage = Coverage()
        for verdict in self._verifier.verify_each(_checked(job, found)):
            self._count(verdict, found, coverage)
        reports = report(self._verifier)
        self._conclude(job, reports, found)
        stated = {
            chain: state.stated
            for device in self._verifier.devices.values()
            for chain, state in device.chains.items()
        }
        found.days = coverage.days(stated)
        self._verifier.devices.clear()
        return found

    def _count(self, verdict: Verdict, found: DeviceAudit, coverage: Coverage) -> None:
        batch, refusal = verdict.batch, verdict.refusal
        if batch is not None:
            found.verified += 1
            coverage.take(batch)
            self._take_receipt(batch, found)
            for one in batch.findings:
                if one.code not in _PROVISIONAL:
                    found.note(one.code, one.severity, _placed(one))
        elif refusal is not None and refusal.code == "replay":
            found.repeated += 1
        elif refusal is not None:
            found.refused += 1
            found.note(refusal.code, "error", refusal.text)

    def _take_receipt(self, batch: VerifiedBatch, found: DeviceAudit) -> None:
        receipt = batch.contents.extra.get(RECEIPT_KEY)
        if not isinstance(receipt, bytes):
            return
        try:
            source = f"receipt in batch {batch.number} of {batch.kid.hex()}"
            acks = acks_of(receipt, self._collector_key, source)
        except VerificationError as problem:
            found.note(problem.code, "warning", f"batch {batch.number}: {problem.text}")
            return
        mine = [ack for ack in acks if ack.device == batch.kid]
        self._hold(mine, found)
        found.acks += [ack for ack in acks if ack not in mine][: _MAX_ACKS - len(found.acks)]

    def _hold(self, acks: list[Ack], found: DeviceAudit) -> None:
        """Acknowledgements of this device against its chains as they are by now."""
        for ack in acks:
            device = self._verifier.devices.get(ack.device)
            chain = device.chains.get(ack.chain) if device else None
            reached = chain.last_number if chain else 0
            if chain is None or reached < ack.number:
                found.note("head-missing", "error", missing_text(ack, reached))
            elif chain.history.get(ack.number, ack.hash)[:KEPT_HASH_LEN] != ack.hash[:16]:
                text = f"batch {ack.number} is another one than {ack.source} acknowledges"
                found.note("head-differs", "error", text)

    def _conclude(self, job: Job, reports: list[DeviceReport], found: DeviceAudit) -> None:
        for device in reports:
            for chain in device.chains:
                found.readings += chain.readings
                found.heads.append(
                    {
                        "device": device.kid.hex(),
                        "chain": chain.chain.hex(),
                        "number": chain.last_number,
                        "hash": chain.last_hash.hex(),
                    }
                )
                for one in chain.findings:
                    found.note(one.code, one.severity, _placed(one))
            found.energy_import_mwh += sum(one.energy_import_mwh or 0 for one in device.meters)
        key = self._verifier.trust.keys.get(job.device)
        found.station = key.station if key else ""
        self._hold(list(job.known), found)
        _check_heads(job, found)


def missing_text(ack: Ack, reached: int) -> str:
    """What an acknowledgement says that the collector cannot show."""
    return (
        f"{ack.source} acknowledges batch {ack.number} of chain {ack.chain.hex()[:8]}, "
        f"found batches up to {reached}"
    )


def _placed(one: Finding) -> str:
    return f"batch {one.number}: {one.text}" if one.number else one.text


def _checked(job: Job, found: DeviceAudit) -> Iterator[bytes]:
    """The batches, their columns held against their bytes on the way."""
    for row in rows(job):
        if row.claim is not None:
            _check_claim(row, found)
        yield row.raw


def _check_claim(row: Row, found: DeviceAudit) -> None:
    from meterseal.wire.cbor import decode_map
    from meterseal.wire.envelope import open_envelope

    try:
        envelope = open_envelope(row.raw)
        payload = decode_map(envelope.payload)
        truth = envelope.kid, payload[1], payload[2], envelope.digest
    except (Error, KeyError):
        return  # the verdict on the bytes says it
    if row.claim != truth:
        assert row.claim is not None
        number = row.claim[2]
        text = f"the tables say batch {number} of another chain, device or content than the bytes"
        found.note("table-differs", "error", text)


def _check_heads(job: Job, found: DeviceAudit) -> None:
    truth = {one["chain"]: (one["number"], one["hash"]) for one in found.heads}
    for chain, number, digest in head_claims(job):
        reached, reached_hash = truth.get(chain.hex(), (0, ""))
        forked = "chain-fork" in found.findings
        if number > reached or (number == reached and digest.hex() != reached_hash and not forked):
            text = f"the tables say that chain {chain.hex()[:8]} is whole up to batch {number}"
            found.note("table-differs", "error", f"{text}, the bytes reach batch {reached}")
