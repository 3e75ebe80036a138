"""Work for all cores of this machine, or for a Dask cluster, with the same result."""

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from importlib import import_module
from multiprocessing import get_context
from typing import Any, TypeVar

from meterseal.errors import EnvironmentProblem

_In = TypeVar("_In")
_Out = TypeVar("_Out")
Work = Callable[[Sequence[_In]], list[_Out]]

_CHUNKS_OF_WORKER = 8
_START = "fork" if sys.platform == "linux" else "spawn"
"""No thread runs yet where the pool starts; a forked process has its modules at once."""


def _chunks(jobs: list[_In], workers: int) -> list[list[_In]]:
    count = min(len(jobs), workers * _CHUNKS_OF_WORKER)
    return [jobs[number::count] for number in range(count)]


def spread(work: Work[_In, _Out], jobs: list[_In], workers: int, dask: str) -> Iterator[_Out]:
    """Results of all jobs, as they come. `work` and everything it gets and gives has to travel.

    `workers`: processes; `dask`: address of a cluster or `local:N`; it takes the place of them.
    Raises EnvironmentProblem `dask-missing`, `dask-unreachable`.
    """
    chunks = _chunks(jobs, workers)
    if not chunks:
        return
    if dask:
        done: Iterator[list[_Out]] = _on_dask(work, chunks, dask)
    elif workers == 1 or len(chunks) < 2:
        done = map(work, chunks)
    else:
        done = _on_cores(work, chunks, workers)
    for chunk in done:
        yield from chunk


def _on_cores(
    work: Work[_In, _Out], chunks: list[list[_In]], workers: int
) -> Iterator[list[_Out]]:
    with ProcessPoolExecutor(workers, mp_context=get_context(_START)) as pool:
        futures: list[Future[list[_Out]]] = [pool.submit(work, one) for one in chunks]
        yield from (future.result() for future in as_completed(futures))


def _on_dask(work: Work[_In, _Out], chunks: list[list[_In]], address: str) -> Iterator[list[_Out]]:
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
