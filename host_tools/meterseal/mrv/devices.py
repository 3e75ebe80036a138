"""Runs the devices of a report, one after the other or on several cores or machines.

Each device is verified and walked on its own, so that memory depends on the number of devices at
work and not on the length of the period. Results are plain values and are joined in the order of
the devices: how the work was spread cannot change a report.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from meterseal.errors import PolicyRefused
from meterseal.models import KEY_CLASSES, VerifiedBatch
from meterseal.mrv.archive import Archive
from meterseal.mrv.bind import Binder, Plausibility
from meterseal.mrv.cuts import Period
from meterseal.mrv.device_result import DeviceResult
from meterseal.mrv.installations import Installation
from meterseal.mrv.intake import Intake
from meterseal.mrv.slots import MeterSlots
from meterseal.profiles import Profile, build
from meterseal.trust import Trust, parse_trust
from meterseal.verify.findings import ERROR
from meterseal.verify.totals import ProfileTotals
from meterseal.verify.verifier import Verifier

OWN_RULES: Final = frozenset(("register-backward",))
"""Findings of the verifier that a rule of the report deals with: not refused, but counted so."""
SIMULATED: Final = KEY_CLASSES[0]

Spread = Callable[["Job", Sequence[str]], Iterable[DeviceResult]]
"""Runs a job for each device; results in the order of the devices."""


@dataclass(frozen=True)
class Job:
    """Everything that a worker needs. `simulated`: keys of class `sim` count (--demo)."""

    paths: tuple[Path, ...]
    trust_data: bytes
    anchors: tuple[str, ...]
    second_anchors: tuple[str, ...]
    profiles: tuple[bytes, ...]
    installations: tuple[Installation, ...]
    period: Period
    start_year: int
    rules: Plausibility
    setups: tuple[tuple[str, str], ...]
    simulated: bool
    clock_limit_unix_ms: int
    archive_state: tuple[tuple[int, int], ...] = ()
    """Of the archive's files: a worker that lives on must notice that they changed."""


class ReportPolicy:
    """Refuses what the standard policy refuses, except for what the report's rules deal with.

    Devices whose enrolment no second role countersigned are refused too.
    """

    def __init__(self, simulated: bool) -> None:
        self._simulated = simulated

    def check(self, batch: VerifiedBatch) -> None:
        """Raises PolicyRefused by the first such finding, or `key-simulated`."""
        for finding in batch.findings:
            grave = finding.severity == ERROR and finding.code not in OWN_RULES
            if grave or finding.code == "not-countersigned":
                raise PolicyRefused(finding.code, finding.text)
        if not self._simulated and KEY_CLASSES[batch.contents.key_class] == SIMULATED:
            raise PolicyRefused("key-simulated", "expected a real station, found a simulated one")


def run_device(job: Job, device: str, archive: Archive | None = None) -> DeviceResult:
    """One device of a job. Raises MethodologyError `meter-unregistered`."""
    profiles = _profiles(job.profiles)
    verifier = Verifier(
        trust=_trust(job.trust_data, job.anchors, job.second_anchors),
        policy=ReportPolicy(job.simulated),
        totals=ProfileTotals(profiles),
        now_unix_ms=lambda: job.clock_limit_unix_ms,
    )
    bounds = [
        (one, MeterSlots(one, job.period, job.start_year).slots)
        for one in job.installations
        if any(binding.device == device for binding in one.bindings)
    ]
    binder = Binder(device, bounds, profiles, job.rules, dict(job.setups))
    batches = (archive or _archive(job.paths, job.archive_state)).batches(device)
    return Intake(device, binder).take(verifier.verify_each(batches))


def run_here(job: Job, devices: Sequence[str]) -> Iterable[DeviceResult]:
    """All devices in this process."""
    return (run_device(job, device) for device in devices)


def on_cores(workers: int) -> Spread:
    """All devices in several processes of this machine."""

    def spread(job: Job, devices: Sequence[str]) -> Iterable[DeviceResult]:
        with ProcessPoolExecutor(workers) as pool:
            yield from pool.map(run_device, [job] * len(devices), devices)

    return spread if workers > 1 else run_here


def on_dask(address: str) -> Spread:
    """All devices on a Dask cluster whose workers see the same archive (extra `dask`)."""

    def spread(job: Job, devices: Sequence[str]) -> Iterable[DeviceResult]:
        from distributed import Client

        with Client(address) as client:  # type: ignore[no-untyped-call]
            shared = client.scatter(job, broadcast=True)
            yield from client.gather(
                [client.submit(run_device, shared, device, pure=False) for device in devices]
            )

    return spread


@lru_cache(maxsize=2)
def _trust(data: bytes, anchors: tuple[str, ...], second_anchors: tuple[str, ...]) -> Trust:
    return parse_trust(data, anchors, second_anchors)


@lru_cache(maxsize=2)
def _profiles(files: tuple[bytes, ...]) -> dict[bytes, Profile]:
    profiles = [build(data) for data in files]
    return {one.hash_16: one for one in profiles}


@lru_cache(maxsize=2)
def _archive(paths: tuple[Path, ...], _state: tuple[tuple[int, int], ...]) -> Archive:
    return Archive(paths)
