"""Runs an audit on all cores of this machine, or on a Dask cluster, with the same result."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from meterseal.audit.acknowledged import missing_text
from meterseal.audit.device import Auditor, DeviceAudit
from meterseal.audit.receipts import Ack
from meterseal.audit.sources import Job
from meterseal.errors import EnvironmentProblem
from meterseal.resources import profiles_dir
from meterseal.trust import Trust, parse_trust
from meterseal.verify import Standard, Verifier
from meterseal.verify.totals import ProfileTotals

Work = Callable[[Sequence[Job]], list[DeviceAudit]]

_CHUNKS_OF_WORKER = 8
_START = "fork" if sys.platform == "linux" else "spawn"
"""No thread runs yet where the pool starts; a forked process has its modules at once."""


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
    for one in _done(partial(audit_chunk, context), jobs, workers, dask):
        result.devices.append(one)
        tell(one, len(result.devices), len(jobs))
    result.devices.sort(key=lambda one: one.device)
    foreign = _foreign(jobs, result.devices)
    for one in _done(partial(hold_chunk, context), foreign, workers, dask):
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


def _chunks(jobs: list[Job], workers: int) -> list[list[Job]]:
    count = min(len(jobs), workers * _CHUNKS_OF_WORKER)
    return [jobs[number::count] for number in range(count)]


def _done(work: Work, jobs: list[Job], workers: int, dask: str) -> Iterator[DeviceAudit]:
    chunks = _chunks(jobs, workers)
    if not chunks:
        return
    if dask:
        done: Iterator[list[DeviceAudit]] = _on_dask(work, chunks, dask)
    elif workers == 1 or len(chunks) < 2:
        done = map(work, chunks)
    else:
        done = _on_cores(work, chunks, workers)
    for chunk in done:
        yield from chunk


def _on_cores(work: Work, chunks: list[list[Job]], workers: int) -> Iterator[list[DeviceAudit]]:
    with ProcessPoolExecutor(workers, mp_context=get_context(_START)) as pool:
        futures: list[Future[list[DeviceAudit]]] = [pool.submit(work, one) for one in chunks]
        yield from (future.result() for future in as_completed(futures))


def _on_dask(work: Work, chunks: list[list[Job]], address: str) -> Iterator[list[DeviceAudit]]:
    try:
        distributed: Any = import_module("distributed")
    except ModuleNotFoundError as problem:
        raise EnvironmentProblem(
            "dask-missing", "expected Dask, found none", "pip install 'meterseal[dask]'"
        ) from problem
    try:
        if address.startswith("local:"):
            count = int(address[6:])
            client = distributed.Client(n_workers=count, threads_per_worker=1, processes=True)
        else:
            client = distributed.Client(address, timeout=20)
    except (OSError, ValueError) as problem:
        raise EnvironmentProblem(
            "dask-unreachable",
            f"expected a Dask cluster at {address}: {problem}",
            "Give --dask tcp://HOST:PORT of its scheduler, or local:N.",
        ) from problem
    with client:
        futures = client.map(work, chunks, pure=False)
        for future in distributed.as_completed(futures):
            yield future.result()
        if address.startswith("local:"):
            client.shutdown()


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
