"""How fast the collector takes batches on this machine, each durable before its acknowledgement.

Verification and receipts are on; two workers; the database is on a real disk (a file system in
memory is refused). The generator signs everything beforehand, keeps its connections open and takes
its own share of the same CPU, which is printed with the cost of one fsync.
"""

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import collector_load
from support.collector_process import CollectorProcess
from support.fast_station import trust_of

ROOT = Path(__file__).resolve().parent.parent.parent
SINGLES = (2000, 5, 1)  # stations, batches of each, batches in a request
SEQUENCES = (500, 100, 50)
FSYNCS = 100
IN_MEMORY = ("tmpfs", "ramfs", "devtmpfs")


def figures() -> dict[str, float]:
    """Batches a second: singles and sequences of 50, on SQLite and on PostgreSQL."""
    found: dict[str, float] = {}
    with scratch() as folder:
        found["collector_fsync_ms"] = fsync_ms(folder)
        for suffix, database in (("", sqlite), ("_postgres", postgres)):
            for name, load in (("singles", SINGLES), ("sequence_batches", SEQUENCES)):
                key = f"collector_{name}_per_s{suffix}"
                with database(folder / key) as url:
                    found[key] = measure(folder / key, url, load)
    return found


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A directory on a real disk."""
    (ROOT / "build").mkdir(exist_ok=True)
    kind = file_system(ROOT / "build")
    if kind in IN_MEMORY:
        raise SystemExit(f"expected build/ on a real disk, found {kind}: nothing to measure")
    folder = Path(tempfile.mkdtemp(prefix="bench_collector_", dir=ROOT / "build"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def file_system(path: Path) -> str:
    """Type of the file system of a path, as the system names it."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, found, *_ = line.split()
        if path.resolve().is_relative_to(point) and len(point) >= len(best):
            best, kind = point, found
    return kind


def fsync_ms(folder: Path) -> float:
    """What one write of a page with fsync takes, on average."""
    file = os.open(folder / "fsync", os.O_CREAT | os.O_WRONLY)
    start = time.perf_counter()
    for number in range(FSYNCS):
        os.pwrite(file, bytes(4096), 4096 * number)
        os.fsync(file)
    os.close(file)
    return (time.perf_counter() - start) / FSYNCS * 1e3


@contextlib.contextmanager
def sqlite(_folder: Path) -> Iterator[str]:
    """SQLite in the collector's own directory."""
    yield ""


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A real PostgreSQL on the same disk, with its default durability."""
    from support.postgres import running_postgres

    with running_postgres(folder / "pg") as url:
        yield url


def measure(folder: Path, database: str, load: tuple[int, int, int]) -> float:
    """Batches a second for a load of (stations, batches of each, batches in a request)."""
    stations, loads = collector_load.prepare(*load)
    folder.mkdir(exist_ok=True)
    with CollectorProcess(folder, trust_of(stations), 2, database) as collector:
        pids = collector.pids()
        cpu = collector_load.cpu_s_of(pids)
        result = collector_load.run(collector_load.drive(collector.url, collector.tls, loads))
        cpu = collector_load.cpu_s_of(pids) - cpu
    rate = result.batches / result.seconds
    print(
        f"  {folder.name}: {result.requests} requests in {result.seconds:.1f} s; CPU for a batch: "
        f"collector {cpu / result.batches * 1e6:.0f} us, "
        f"generator {result.own_cpu_s / result.batches * 1e6:.0f} us "
        f"({100 * result.own_cpu_s / (cpu + result.own_cpu_s):.0f} % of both)",
        file=sys.stderr,
    )
    return round(rate, 1)


if __name__ == "__main__":
    for name, value in figures().items():
        print(f"{name:44} {value:10.1f}")
