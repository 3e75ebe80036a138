"""Audit of one device: every batch verified again, tables held against bytes, acknowledgements
held against what is there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from meterseal.audit.acknowledged import Acknowledged
from meterseal.audit.coverage import Coverage
from meterseal.audit.receipts import RECEIPT_KEY, Ack, acks_of
from meterseal.audit.sealed import SealedChains
from meterseal.audit.sources import Job, View, view_of
from meterseal.audit.tables import CODE, TableCheck, first_missing
from meterseal.errors import VerificationError
from meterseal.models import Finding, VerifiedBatch
from meterseal.verify.chain import ChainState
from meterseal.verify.report import DeviceReport, report
from meterseal.verify.verifier import Verdict, Verifier

_PROVISIONAL = frozenset(
    ("chain-gap", "chain-gap-stated", "chain-start", "sequence-gap", "sequence-gap-stated")
)
"""Said again at the end, if it still holds."""


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
    acks: dict[Ack, None] = field(default_factory=dict)
    """What receipts in these batches acknowledge of other devices."""

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
        with view_of(job) as view:
            found = self._audit(job, view)
        self._verifier.devices.clear()
        return found

    def _audit(self, job: Job, view: View) -> DeviceAudit:
        found = DeviceAudit(job.device.hex())
        coverage, sealed = Coverage(), SealedChains()
        tables = TableCheck(partial(found.note, CODE, "error"))
        held = _acknowledged(view, found)
        for verdict in self._verifier.verify_each(_checked(view, tables)):
            sealed.take(verdict)
            self._count(verdict, found, coverage)
            if verdict.batch is not None:
                self._take_receipt(verdict.batch, found, held, sealed)
        self._conclude(job, report(self._verifier), found)
        for ack in job.known:
            held.hold(ack, sealed.state(ack.device, ack.chain))
        held.conclude()
        _conclude_chains(job, sealed, found)
        for claim in view.claims():
            name = job.device, claim.chain
            tables.chain(claim, sealed.state(*name), sealed.forked(*name))
        found.days = coverage.days({name: state.stated for name, state in self._chains()})
        return found

    def hold(self, job: Job) -> DeviceAudit:
        """Nothing but `job.known` against the bytes, by a pass without signatures."""
        found = DeviceAudit(job.device.hex())
        reached = ChainState(job.device, b"", last_number=1 << 63)
        with view_of(job) as view:
            held = _acknowledged(view, found)
            for ack in job.known:
                held.hold(ack, reached)
            held.conclude()
        return found

    def _chains(self) -> Iterator[tuple[bytes, ChainState]]:
        for device in self._verifier.devices.values():
            yield from device.chains.items()

    def _count(self, verdict: Verdict, found: DeviceAudit, coverage: Coverage) -> None:
        batch, refusal = verdict.batch, verdict.refusal
        if batch is not None:
            found.verified += 1
            coverage.take(batch)
            for one in batch.findings:
                if one.code not in _PROVISIONAL:
                    found.note(one.code, one.severity, _placed(one))
        elif refusal is not None and refusal.code == "replay":
            found.repeated += 1
        elif refusal is not None:
            found.refused += 1
            found.note(refusal.code, "error", refusal.text)

    def _take_receipt(
        self, batch: VerifiedBatch, found: DeviceAudit, held: Acknowledged, sealed: SealedChains
    ) -> None:
        receipt = batch.contents.extra.get(RECEIPT_KEY)
        if not isinstance(receipt, bytes):
            return
        try:
            source = f"receipt in batch {batch.number} of {batch.kid.hex()}"
            acks = acks_of(receipt, self._collector_key, source)
        except VerificationError as problem:
            found.note(problem.code, "warning", f"batch {batch.number}: {problem.text}")
            return
        for ack in acks:
            if ack.device == batch.kid:
                held.hold(ack, sealed.state(ack.device, ack.chain))
            else:
                found.acks[ack] = None

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


def _conclude_chains(job: Job, sealed: SealedChains, found: DeviceAudit) -> None:
    """A database holds every chain from its first batch on, and every enrolled device."""
    for state in sealed.states():
        if first_missing(state) == 1:
            name = state.chain.hex()[:8]
            text = f"chain {name} is there from batch {state.first_number} on only"
            found.note("chain-start", "error" if job.database else "warning", text)
    if job.database and job.device and not found.verified and not found.refused:
        text = f"expected batches of {found.station or found.device}, found none"
        found.note("no-batches", "error", text)


def _acknowledged(view: View, found: DeviceAudit) -> Acknowledged:
    def note(code: str, text: str) -> None:
        found.note(code, "error", text)

    return Acknowledged(lambda: (row.raw for row in view.rows()), note)


def _placed(one: Finding) -> str:
    return f"batch {one.number}: {one.text}" if one.number else one.text


def _checked(view: View, tables: TableCheck) -> Iterator[bytes]:
    """The batches, their columns held against their bytes on the way."""
    for row in view.rows():
        if row.claim is not None:
            tables.row(row.raw, row.claim)
        yield row.raw
