"""Auditing on two cores, and memory over a million batches.

`verify_scaling_2_cores`: batches a second of `meterseal audit` with two processes over one, the
best turn of each; they take turns. `verify_rss_ratio_1m`: resident memory after 1,000,000 batches
(ten chains, all signed and different) over that after 10,000; another process signs and streams
them through a pipe, so that nothing is kept here.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import bench_verify
import cbor2
import psutil
from meterseal.audit.run import Context, run
from meterseal.audit.sources import jobs_of_files
from meterseal.trust import Trust, TrustedKey
from meterseal.trust_keys import kid_of, public_bytes
from meterseal.trust_write import enrol, sign
from meterseal.verify import Standard, Verifier
from meterseal.verify.sources import pieces
from support.sealed import private_key, seal

DEVICES = 16
BATCHES = 500
TURNS = 3
CHAINS = 10
"""Of the million batches: 100,000 hours are 11 years of a station, and its register holds them."""
FAR_UNIX_MS = 3_000_000_000_000
MILESTONES = (10_000, 100_000, 1_000_000)


def figures() -> dict[str, float]:
    """Both figures."""
    return {"verify_scaling_2_cores": scaling(), "verify_rss_ratio_1m": memory(MILESTONES)}


def scaling() -> float:
    """Speed with two processes over that with one."""
    with tempfile.TemporaryDirectory() as folder:
        context = fleet(Path(folder))
        jobs = jobs_of_files([Path(folder)])
        seconds = {1: float("inf"), 2: float("inf")}
        for _ in range(TURNS):
            for workers in seconds:
                start = time.perf_counter()
                result = run(context, jobs, workers=workers)
                seconds[workers] = min(seconds[workers], time.perf_counter() - start)
                assert len(result.devices) == DEVICES
                assert all(one.verified == BATCHES for one in result.devices), result.devices[0]
    for workers, best in seconds.items():
        print(
            f"  audit, {workers} processes: {DEVICES * BATCHES / best:.0f} batches/s",
            file=sys.stderr,
        )
    return seconds[1] / seconds[2]


def fleet(folder: Path) -> Context:
    """A file for each device, and the trust file that names them."""
    entries: list[dict[str, object]] = []
    for number in range(1, DEVICES + 1):
        key = private_key(number)
        station = f"station-{number}"
        enrol(entries, public_bytes(key), station, "sim", "2020-01-01T00:00:00Z")
        chain = bench_verify.chain(key, BATCHES)
        (folder / f"{number}.cborseq").write_bytes(b"".join(chain))
    return Context(sign(entries, private_key(99)))


def memory(milestones: tuple[int, ...]) -> float:
    """Resident memory at the last milestone over that at the first."""
    keys = [public_bytes(private_key(number)) for number in range(1, CHAINS + 1)]
    trusted = {kid_of(one): TrustedKey(kid_of(one), one, "sim", "bench") for one in keys}
    verifier = Verifier(
        trust=Trust(trusted, "", "", True), policy=Standard(), now_unix_ms=lambda: FAR_UNIX_MS
    )
    command = [sys.executable, __file__, str(milestones[-1])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    resident = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as signer:
        assert signer.stdout is not None
        stream = (piece.raw for piece in pieces(signer.stdout))
        for count, verdict in enumerate(verifier.verify_each(stream), 1):
            assert verdict.batch is not None, verdict.refusal
            if count in milestones:
                resident[count] = psutil.Process().memory_info().rss / 2**20
                print(f"  {count} batches: {resident[count]:.1f} MiB resident", file=sys.stderr)
    assert count == milestones[-1], count
    return resident[milestones[-1]] / resident[milestones[0]]


def stream_of(count: int) -> Iterator[bytes]:
    """Batches of CHAINS chains one after the other, all different, signed one by one."""
    for number in range(1, CHAINS + 1):
        key = private_key(number)
        payload = cbor2.loads(cbor2.loads(bench_verify.chain(key, 1)[0]).value[2])
        payload[1] = number.to_bytes(16, "big")
        for _ in range(count // CHAINS):
            batch, digest = seal(payload, key)
            yield batch
            bench_verify.move_on(payload, digest)


if __name__ == "__main__":
    for one in stream_of(int(sys.argv[1])):
        sys.stdout.buffer.write(one)
