"""Runs the verifier over files and counts what was found."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from meterseal.audit.coverage import Coverage
from meterseal.cli import output
from meterseal.errors import VerificationError
from meterseal.models import Finding, VerifiedBatch
from meterseal.ocmf.ledger import Ledger
from meterseal.verify.report import DeviceReport, report
from meterseal.verify.sources import Piece, files, pieces_of_file
from meterseal.verify.verifier import Verdict, Verifier
from meterseal.wire.envelope import payload_span

# Refusals kept with their place; the others are only counted.
_KEPT_REFUSALS = 1000
_SHOWN_REFUSALS = 5
_KID = slice(12, 20)
# What is missing is told by the report of the chain, which knows whether it came later.
_PROVISIONAL = frozenset(("chain-gap", "chain-gap-stated", "sequence-gap", "sequence-gap-stated"))


@dataclass
class FileResult:
    """What became of the batches of one file."""

    path: Path
    verified: int = 0
    repeated: int = 0
    refused: int = 0
    refusals: list[tuple[int, VerificationError]] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Something was verified or known already, and nothing refused."""
        return not self.refused and bool(self.verified or self.repeated)


@dataclass
class Tally:
    """How often a finding was made, and the first one."""

    first: Finding
    count: int = 0


@dataclass
class Run:
    """One call of `meterseal verify`."""

    verifier: Verifier
    part: int = 0
    parts: int = 1
    """Of how many parts of all devices this run takes which one."""
    quiet: bool = False
    files: list[FileResult] = field(default_factory=list)
    findings: dict[tuple[bytes, str], Tally] = field(default_factory=dict)
    refused: dict[tuple[bytes, str], Tally] = field(default_factory=dict)
    """By the device that the bytes name (b"": none) and the code."""
    ocmf: Ledger = field(init=False)
    coverage: dict[bytes, Coverage] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ocmf = Ledger(self.verifier.trust.keys, self.verifier.totals)

    def read(self, paths: Iterable[Path]) -> None:
        """Verify everything, with a verdict line for each file."""
        for _ in self.batches(paths):
            pass

    def batches(self, paths: Iterable[Path]) -> Iterator[VerifiedBatch]:
        """The same; gives every batch that is new, as it is verified."""
        for path in files(paths):
            result = FileResult(path)
            self.files.append(result)
            yield from self._read_file(result)
            if not self.quiet:
                say(result, self.verifier.trust.anchored)

    def _is_mine(self, raw: bytes) -> bool:
        """By the device that a batch names; what names none belongs to the first part."""
        return int.from_bytes(_named(raw), "big") % self.parts == self.part

    def _read_file(self, result: FileResult) -> Iterator[VerifiedBatch]:
        places: list[int] = []

        def batches() -> Iterable[bytes]:
            for piece in pieces_of_file(result.path):
                if self.parts > 1 and not self._is_mine(piece.raw):
                    continue
                places.append(piece.offset)
                yield piece.raw

        for verdict in self.verifier.verify_each(batches()):
            self._count(result, Piece(places.pop(0), verdict.raw), verdict)
            if verdict.batch is not None and verdict.batch.fresh:
                yield verdict.batch

    def _count(self, result: FileResult, piece: Piece, verdict: Verdict) -> None:
        refusal = verdict.refusal
        if refusal is None:
            result.verified += 1
        elif refusal.code == "replay":
            result.repeated += 1
        else:
            result.refused += 1
            first = Finding(refusal.code, "error", refusal.text)
            name = _named(piece.raw), refusal.code
            self.refused.setdefault(name, Tally(first)).count += 1
            if len(result.refusals) < _KEPT_REFUSALS:
                result.refusals.append((piece.offset, refusal))
        if verdict.batch is None:
            return
        self.ocmf.take(verdict.batch)
        self.coverage.setdefault(verdict.batch.kid, Coverage()).take(verdict.batch)
        for finding in verdict.batch.findings:
            if finding.code not in _PROVISIONAL:
                name = verdict.batch.kid, finding.code
                self.findings.setdefault(name, Tally(finding)).count += 1

    @cached_property
    def devices(self) -> list[DeviceReport]:
        """What is known at the end."""
        return report(self.verifier)

    @cached_property
    def days(self) -> dict[bytes, dict[int, str]]:
        """Device -> day since 1970 -> state of its 24 hours (audit/coverage.py)."""
        stated = {
            kid: {name: chain.stated for name, chain in device.chains.items()}
            for kid, device in self.verifier.devices.items()
        }
        return {kid: one.days(stated[kid]) for kid, one in self.coverage.items()}

    @property
    def good(self) -> bool:
        """Every file is good and no chain lacks anything that was not stated as lost."""
        chains = [chain for device in self.devices for chain in device.chains]
        return (
            bool(self.files)
            and all(result.good for result in self.files)
            and all(chain.complete for chain in chains)
            and self.ocmf.good
        )


def _named(raw: bytes) -> bytes:
    """The device that bytes name, believed or not; empty if they are no batch."""
    return raw[_KID] if payload_span(raw, 0) else b""


def say(result: FileResult, anchored: bool) -> None:
    """Verdict line of a file, with its first refusals."""
    text = f"{result.path}: {result.verified} batches verified"
    if result.repeated:
        text += f", {result.repeated} known already"
    if result.refused:
        text += f", {result.refused} refused"
    output.verdict(result.good, text if anchored else f"{text} (UNANCHORED)")
    for offset, refusal in result.refusals[:_SHOWN_REFUSALS]:
        output.note(f"at byte {offset}: {refusal.code}: {refusal.text}")
        output.note(f"    {refusal.remedy}")
    if result.refused > _SHOWN_REFUSALS:
        output.note(f"... and {result.refused - _SHOWN_REFUSALS} more")
