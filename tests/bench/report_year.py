"""`make bench-report`: a year of stations at the defaults, from raw batches to tonnes.

One meter for each station, four columns read every minute, a batch every hour: 100 stations make
52.6 million readings in 876,000 batches. Not part of `make bench`: making the fleet takes minutes.
Every run is a process of its own, so that its peak of memory is its own. Writes
build/bench-report.json.

`report_ratio_verify`: time of a report over the time to verify the same batches, both on one core.
"""

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

from meterseal.mrv.archive import Archive
from meterseal.mrv.devices import ReportPolicy, on_cores, on_dask, run_here
from meterseal.mrv.exact import sha256_hex
from meterseal.mrv.run import run
from meterseal.report.document import build
from meterseal.trust import load_trust
from meterseal.verify import Verifier

from tests.fleet.reporting import request_of
from tests.fleet.world import Fleet, Plan

DEFAULTS = {"read_interval_s": 60, "batch_readings": 60, "many_columns": True}
SIZES = 25, 100
AIM_RATIO = 3
LATER_MS = 1_830_000_000_000  # behind all readings: none is of the future
LAST_DAYS = {"month": date(2026, 1, 31), "year": date(2026, 12, 31)}


def plan_of(stations, span):
    """A fleet of `stations` over a `month` or a `year`."""
    return Plan(f"bench-{stations}", stations, last=LAST_DAYS[span], **DEFAULTS)


def seal_station(job):
    """Seals one station's batches into its file; returns how many."""
    folder, stations, span, index = job
    fleet = Fleet(plan_of(stations, span), only=index)
    station = fleet.stations[index]
    batches = fleet.seal(station)
    name = f"{station.board.kid.hex()}.cborseq"
    (folder / "archive" / name).write_bytes(b"".join(batches))
    return len(batches)


def make_fleet(folder, stations, span):
    """A fleet in files, unless it is there already: made on all cores."""
    done = folder / "done.json"
    if done.exists():
        return json.loads(done.read_text())["batches"]
    (folder / "archive").mkdir(parents=True, exist_ok=True)
    jobs = [(folder, stations, span, index) for index in range(stations)]
    with multiprocessing.Pool() as pool:
        count = sum(pool.imap_unordered(seal_station, jobs))
    fleet = Fleet(plan_of(stations, span))
    fleet.register()
    fleet.write(folder)
    done.write_text(json.dumps({"batches": count}))
    return count


def measure(folder, stations, span, how):
    """One run in this process: seconds, peak bytes, and the hash of the report."""
    fleet = Fleet(plan_of(stations, span), only=-1)
    request = request_of(folder, fleet)
    start, digest = time.perf_counter(), ""
    if how == "verify":
        count = verify_all(folder)
    else:
        document = build(run(request, spread_of(how)))
        count = document["evidence"]["counts"]["batches"]
        digest = sha256_hex(json.dumps(document, sort_keys=True).encode())
    seconds = time.perf_counter() - start
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    peak = max(own_peak_kib(), workers) * 1024
    return {"seconds": seconds, "peak_bytes": peak, "batches": count, "report": digest}


def own_peak_kib():
    """Most that this process had in memory; ru_maxrss would begin with that of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(one.split()[1]) for one in lines if one.startswith("VmHWM"))


def verify_all(folder):
    """Verifies every batch of an archive, as a report does, and counts no energy."""
    archive = Archive((folder / "archive",))
    trust, count = load_trust(folder / "trust.json"), 0
    policy = ReportPolicy(simulated=False)
    for device in archive.devices():
        verifier = Verifier(trust=trust, policy=policy, now_unix_ms=lambda: LATER_MS)
        for verdict in verifier.verify_each(archive.batches(device)):
            assert verdict.batch is not None
            count += 1
    return count


def spread_of(how):
    """Spread of `1`, `2` cores, or the address of a Dask scheduler."""
    if "://" in how:
        return on_dask(how)
    return on_cores(int(how)) if int(how) > 1 else run_here


def child(folder, stations, span, how):
    """`measure` in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.report_year", "--child", how, "--span", span]
    command += ["--stations", str(stations), "--work", str(folder)]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    print(f"  {stations} stations, {span}, {how:8}: {found['seconds']:.1f} s", flush=True)
    return found


def on_cluster(folder, stations, span):
    """A run on a Dask cluster of two worker processes of this machine."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        return child(folder, stations, span, cluster.scheduler_address)


def figures_of(work, stations):
    """All runs of one size, as figures."""
    folder = work / f"{stations}-year"
    start = time.perf_counter()
    count = make_fleet(folder, stations, "year")
    print(f"  {stations} stations: {count} batches, {time.perf_counter() - start:.0f} s to make")
    verify = child(folder, stations, "year", "verify")
    one, two = (child(folder, stations, "year", how) for how in ("1", "2"))
    dask = on_cluster(folder, stations, "year")
    assert one["report"] == two["report"] == dask["report"], "reports differ"
    assert one["batches"] == verify["batches"] == count, "batches were refused"
    name = f"report_year{stations}"
    return {
        f"{name}_batches": count,
        f"{name}_s": one["seconds"],
        f"{name}_peak_bytes": one["peak_bytes"],
        f"{name}_verify_s": verify["seconds"],
        f"{name}_two_cores_s": two["seconds"],
        f"{name}_two_cores_worker_peak_bytes": two["peak_bytes"],
        f"{name}_dask_two_workers_s": dask["seconds"],
        f"{name}_ratio_verify": one["seconds"] / verify["seconds"],
    }


def growth(results, work, sizes):
    """How time and memory grow with stations, and memory with the length of the period."""
    small, large = min(sizes), max(sizes)
    found = {}
    if small != large:
        for name in ("s", "peak_bytes"):
            ratio = results[f"report_year{large}_{name}"] / results[f"report_year{small}_{name}"]
            found[f"report_growth_{name}_{small}_to_{large}"] = ratio
    folder = work / f"{small}-month"
    make_fleet(folder, small, "month")
    month = child(folder, small, "month", "1")
    peak = results[f"report_year{small}_peak_bytes"]
    found["report_peak_year_over_month"] = peak / month["peak_bytes"]
    return found


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--work", type=Path, default=Path("build/bench-report"))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--stations", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--span", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        found = measure(options.work, options.stations, options.span, options.child)
        print(json.dumps(found))
        return
    sizes = [int(one) for one in options.sizes.split(",")]
    results = {}
    for size in sizes:
        results |= figures_of(options.work, size)
    results |= growth(results, options.work, sizes)
    results["report_ratio_verify"] = results[f"report_year{max(sizes)}_ratio_verify"]
    for name, value in results.items():
        print(f"{name:45} {value:18,.3f}")
    print(f"aim: report_ratio_verify <= {AIM_RATIO}")
    target = options.work.parent / "bench-report.json"
    target.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
