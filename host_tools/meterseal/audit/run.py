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

from meterseal.audit.device import Auditor, DeviceAudit, missing_text
from meterseal.audit.receipts import Ack
from meterseal.audit.sources import Job
from meterseal.errors import EnvironmentProblem
from meterseal.resources import profiles_dir
from meterseal.trust import Trust, parse_trust
from meterseal.verify import Standard, Verifier
from meterseal.verify.totals import ProfileTotals

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
    name = hashlib.sha256(repr((context.trust, context.anchors)).encode()).digest()
    if name not in _trusts:
        _trusts.clear()
        _trusts[name] = parse_trust(context.trust, context.anchors)
    totals = ProfileTotals.load(profiles_dir(), *map(Path, context.profiles))
    verifier = Verifier(trust=_trusts[name], policy=Standard(), totals=totals)
    auditor = Auditor(verifier, context.collector_key)
    return [auditor.audit(job) for job in jobs]


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
    jobs = _with_known(jobs, known)
    workers = workers or os.cpu_count() or 1
    for chunk in _done(context, _chunks(jobs, workers), workers, dask):
        for one in chunk:
            result.devices.append(one)
            tell(one, len(result.devices), len(jobs))
    result.devices.sort(key=lambda one: one.device)
    _hold_foreign(result.devices)
    return result


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


def _done(
    context: Context, chunks: list[list[Job]], workers: int, dask: str
) -> Iterator[list[DeviceAudit]]:
    work = partial(audit_chunk, context)
    if dask:
        yield from _on_dask(work, chunks, dask)
    elif workers == 1 or len(chunks) < 2:
        yield from map(work, chunks)
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context(_START)) as pool:
            futures: list[Future[list[DeviceAudit]]] = [pool.submit(work, one) for one in chunks]
            yield from (future.result() for future in as_completed(futures))


def _on_dask(work: Any, chunks: list[list[Job]], address: str) -> Iterator[list[DeviceAudit]]:
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


def _hold_foreign(devices: list[DeviceAudit]) -> None:
    """Receipts often acknowledge several devices: what one holds is held against the others."""
    heads = {(one["device"], one["chain"]): one["number"] for d in devices for one in d.heads}
    by_id = {one.device: one for one in devices}
    for holder in devices:
        for ack in holder.acks:
            reached = heads.get((ack.device.hex(), ack.chain.hex()), 0)
            if reached < ack.number:
                about = by_id.get(ack.device.hex(), holder)
                about.note("head-missing", "error", missing_text(ack, reached))
