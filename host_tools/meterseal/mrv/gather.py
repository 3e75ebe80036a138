"""What a report is made from: the request, its meters, what each device of the archive gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meterseal.errors import MethodologyError, PolicyRefused
from meterseal.mrv import book
from meterseal.mrv.activity import Activity
from meterseal.mrv.archive import Archive
from meterseal.mrv.bind import Plausibility
from meterseal.mrv.cuts import DAY_MS, Period
from meterseal.mrv.device_result import DeviceResult
from meterseal.mrv.devices import Job, Spread
from meterseal.mrv.installations import Installation, Installations
from meterseal.mrv.slots import year_cuts
from meterseal.trust import Trust

PPM: Final = 1_000_000
CLOCK_MARGIN_MS: Final = 400 * DAY_MS
"""How far behind the period a clock of a batch may be before it counts as set wrong."""


@dataclass(frozen=True)
class Request:
    """What is to be reported, from which evidence, on whose word."""

    activity: Activity
    period: Period
    paths: tuple[Path, ...]
    trust_data: bytes
    profiles: tuple[bytes, ...]
    book_data: bytes
    other_books: tuple[bytes, ...] = ()
    anchors: tuple[str, ...] = ()
    second_anchors: tuple[str, ...] = ()
    supersedes: str = ""
    demo: bool = False
    final: bool = False
    damaged_bytes: int | None = None
    """Bytes of the archive that are no batch, as its evidence pack says; None: count them."""


def own_meters(activity: Activity, registry: Installations, period: Period) -> list[Installation]:
    stations = {one.id for one in registry.stations.values() if one.activity == activity.id}
    meters = [
        one
        for one in registry.meters
        if one.station in stations and one.from_unix_ms < period.until_unix_ms
    ]
    if not meters:
        raise MethodologyError(
            "activity-stations",
            f"expected stations with meters of activity {activity.id} in the registry, found none",
            "Register the stations with this activity and countersign them, or correct its id.",
        )
    return sorted(meters, key=lambda one: one.key)


def results_of(
    request: Request,
    trust: Trust,
    registry: Installations,
    own: Sequence[Installation],
    state: book.State,
    archive: Archive,
    spread: Spread,
) -> list[DeviceResult]:
    """Results of all devices in the archive, apart from those of other activities."""
    activity, period = request.activity, request.period
    job = Job(
        paths=request.paths,
        trust_data=request.trust_data,
        anchors=request.anchors,
        second_anchors=request.second_anchors,
        profiles=request.profiles,
        installations=tuple(own),
        period=period,
        start_year=activity.start_year,
        rules=Plausibility(
            activity.max_interval_s * 1000,
            int(activity.methodology.options.plausibility_tolerance * PPM),
            year_cuts(period, activity.start_year),
        ),
        setups=tuple(sorted(state.setups.items())),
        simulated=request.demo,
        clock_limit_unix_ms=period.until_unix_ms + CLOCK_MARGIN_MS,
        archive_state=archive.state(),
    )
    bound = bound_devices(own)
    elsewhere = _devices_elsewhere(trust, registry, own, activity.id)
    present = [one for one in archive.devices() if one in bound or one not in elsewhere]
    results = list(spread(job, present))
    simulated = [
        one.device for one in results if one.device in bound and one.refused["key-simulated"]
    ]
    if simulated:
        raise PolicyRefused(
            "key-simulated",
            f"expected real stations, found {len(simulated)} simulated ones, first {simulated[0]}",
            "Simulated keys never count; --demo makes a report that says so on every page.",
        )
    return results


def bound_devices(meters: Sequence[Installation]) -> set[str]:
    """Devices that ever read one of some meters."""
    return {binding.device for one in meters for binding in one.bindings}


def _devices_elsewhere(
    trust: Trust, registry: Installations, own: Sequence[Installation], activity: str
) -> set[str]:
    """Devices that have a place outside of this report: another activity, or a later meter."""
    others = {one.id for one in registry.stations.values() if one.activity != activity}
    placed = {key.kid.hex() for key in trust.keys.values() if key.station in others}
    return (placed | bound_devices(registry.meters)) - bound_devices(own)
