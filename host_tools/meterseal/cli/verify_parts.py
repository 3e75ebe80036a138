"""`meterseal verify` on all cores or a cluster: each part takes some devices out of all files."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from meterseal.audit.spread import spread
from meterseal.cli import output
from meterseal.cli.verify_run import FileResult, Run, Tally, say
from meterseal.errors import VerificationError
from meterseal.ocmf.ledger import Checked
from meterseal.resources import profiles_dir
from meterseal.trust import parse_trust
from meterseal.verify import Standard, Verifier
from meterseal.verify.report import DeviceReport
from meterseal.verify.sources import files
from meterseal.verify.totals import ProfileTotals

_SMALL_LEN: Final = 4 << 20
"""Below this, starting processes takes longer than the work."""
_PARTS_OF_WORKER: Final = 2


class Part(NamedTuple):
    """What a process needs, in a form that travels."""

    trust: bytes
    anchors: tuple[str, ...]
    second_anchors: tuple[str, ...]
    profiles: tuple[str, ...]
    paths: tuple[str, ...]
    part: int
    parts: int


@dataclass
class PartResult:
    """What a part found."""

    files: list[FileResult]
    findings: dict[tuple[bytes, str], Tally]
    refusals: dict[tuple[bytes, str], Tally]
    devices: list[DeviceReport]
    checked: list[Checked]
    refused: list[tuple[bytes, VerificationError]]
    days: dict[bytes, dict[int, str]]


def run_of(part: Part, quiet: bool = True) -> Run:
    """A run over one part that has not begun."""
    trust = parse_trust(part.trust, part.anchors, part.second_anchors)
    totals = ProfileTotals.load(profiles_dir(), *map(Path, part.profiles))
    verifier = Verifier(trust=trust, policy=Standard(), totals=totals)
    return Run(verifier, part.part, part.parts, quiet)


def verify_parts(parts: Sequence[Part]) -> list[PartResult]:
    """In this process, one after the other."""
    return [_verify(part) for part in parts]


def _verify(part: Part) -> PartResult:
    run = run_of(part)
    run.read(map(Path, part.paths))
    ocmf = run.ocmf
    found = run.files, run.findings, run.refused, run.devices
    return PartResult(*found, ocmf.checked, ocmf.refused, run.days)


def verify_all(whole: Part, jobs: int, dask: str) -> Run:
    """The run over all parts, as if one process had made it."""
    length = sum(path.stat().st_size for path in files(map(Path, whole.paths)))
    workers = jobs or os.cpu_count() or 1
    if not dask and (workers == 1 or (not jobs and length < _SMALL_LEN)):
        run = run_of(whole, quiet=False)
        run.read(map(Path, whole.paths))
        return run
    count = workers * _PARTS_OF_WORKER
    parts = [whole._replace(part=index, parts=count) for index in range(count)]
    run = run_of(whole)
    results = []
    for result in spread(verify_parts, parts, workers, dask):
        results.append(result)
        output.status("...", f"part {len(results)} of {count} is done")
    _merge(run, results)
    for one in run.files:
        say(one, run.verifier.trust.anchored)
    return run


def _merge(run: Run, results: list[PartResult]) -> None:
    by_path: dict[Path, FileResult] = {}
    for result in results:
        for one in result.files:
            total = by_path.setdefault(one.path, FileResult(one.path))
            total.verified += one.verified
            total.repeated += one.repeated
            total.refused += one.refused
            total.refusals += one.refusals
        run.findings |= result.findings
        run.refused |= result.refusals
        run.ocmf.checked += result.checked
        run.ocmf.refused += result.refused
    for total in by_path.values():
        total.refusals.sort(key=lambda refusal: refusal[0])
    run.files = list(by_path.values())
    run.ocmf.checked.sort(key=lambda one: one.kid)
    run.ocmf.refused.sort(key=lambda one: one[0])
    devices = [device for result in results for device in result.devices]
    run.__dict__["devices"] = sorted(devices, key=lambda one: one.kid)
    run.__dict__["days"] = {kid: days for one in results for kid, days in one.days.items()}
