"""Runs an audit on all cores of this machine, or on a Dask cluster, with the same result."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from meterseal.audit.acknowledged import missing_text
from meterseal.audit.device import Auditor, DeviceAudit
from meterseal.audit.receipts import Ack
from meterseal.audit.sources import Job
from meterseal.audit.spread import spread
from meterseal.resources import profiles_dir
from meterseal.trust import Trust, parse_trust
from meterseal.verify import Standard, Verifier
from meterseal.verify.totals import ProfileTotals


class Context(NamedTuple):
    """What every worker needs, in a form that travels: bytes and text."""

    trust: bytes
    anchors: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    collector_key: bytes = b""


@dataclass
class Audit:
    """The result for all devices, by device id."""

    trust: Trust
    devices: list[DeviceAudit] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """There is something, and all of it is good."""
        return bool(self.devices) and all(one.good for one in self.devices)


_trusts: dict[bytes, Trust] = {}


def audit_chunk(context: Context, jobs: Sequence[Job]) -> list[DeviceAudit]:
    """Audit some devices in this process."""
    auditor = _auditor(context)
    return [auditor.audit(job) for job in jobs]


def hold_chunk(context: Context, jobs: Sequence[Job]) -> list[DeviceAudit]:
    """Hold what receipts of other devices acknowledge against the batches of some devices."""
    auditor = _auditor(context)
    return [auditor.hold(job) for job in jobs]


def _auditor(context: Context) -> Auditor:
    name = hashlib.sha256(repr((context.trust, context.anchors)).encode()).digest()
    if name not in _trusts:
        _trusts.clear()
        _trusts[name] = parse_trust(context.trust, context.anchors)
    totals = ProfileTotals.load(profiles_dir(), *map(Path, context.profiles))
    verifier = Verifier(trust=_trusts[name], policy=Standard(), totals=totals)
    return Auditor(verifier, context.collector_key)


def run(
    context: Context,
    jobs: list[Job],
    *,
    known: Sequence[Ack] = (),
    workers: int = 0,
    dask: str = "",
    tell: Callable[[DeviceAudit, int, int], None] = lambda *_: None,
) -> Audit:
    """Audit every job. `workers`: processes, 0 for one a core; `dask`: address or `local:N`.

    `tell` gets each device as it is done, how many are done, how many there are. Raises
    EnvironmentProblem `dask-missing`, `dask-unreachable`.
    """
    result = Audit(parse_trust(context.trust, context.anchors))
    jobs = _with_known(_with_enrolled(jobs, result.trust), known)
    workers = workers or os.cpu_count() or 1
    for one in spread(partial(audit_chunk, context), jobs, workers, dask):
        result.devices.append(one)
        tell(one, len(result.devices), len(jobs))
    result.devices.sort(key=lambda one: one.device)
    foreign = _foreign(jobs, result.devices)
    for one in spread(partial(hold_chunk, context), foreign, workers, dask):
        _merge(one, result.devices)
    return result


def _with_enrolled(jobs: list[Job], trust: Trust) -> list[Job]:
    """A database should have batches of every device of the trust file: a job for each."""
    url = next((job.database for job in jobs if job.database), "")
    there = {job.device for job in jobs}
    return jobs + [Job(kid, url) for kid in sorted(trust.keys) if url and kid not in there]


def _with_known(jobs: list[Job], known: Sequence[Ack]) -> list[Job]:
    """Heads from outside go to the job of their device; a device all gone gets a job for them."""
    by_device: dict[bytes, list[Ack]] = {}
    for ack in known:
        by_device.setdefault(ack.device, []).append(ack)
    found = [job._replace(known=tuple(by_device.pop(job.device, ()))) for job in jobs]
    return found + [Job(device, known=tuple(acks)) for device, acks in by_device.items()]


def _foreign(jobs: list[Job], devices: list[DeviceAudit]) -> list[Job]:
    """Receipts often acknowledge several devices: what one holds is held against the others."""
    by_device = {job.device: job for job in jobs}
    known: dict[bytes, dict[Ack, None]] = {}
    for holder in devices:
        for ack in holder.acks:
            if ack.device in by_device:
                known.setdefault(ack.device, {})[ack] = None
            else:
                holder.note("head-missing", "error", missing_text(ack, 0))
    return [by_device[kid]._replace(known=tuple(acks)) for kid, acks in known.items()]


def _merge(found: DeviceAudit, devices: list[DeviceAudit]) -> None:
    device = next(one for one in devices if one.device == found.device)
    for code, one in found.findings.items():
        for _ in range(one["count"]):
            device.note(code, one["severity"], one["text"])
