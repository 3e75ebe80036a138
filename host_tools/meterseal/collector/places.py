"""Where stations are and until when their meters are calibrated, as the trust file says it now."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from meterseal.collector.followed import FollowedFile
from meterseal.trust_fields import unix_ms


class Place(NamedTuple):
    """Degrees; both 0 where nobody entered a place."""

    latitude: float
    longitude: float


class Places:
    """Follows the trust file; what cannot be read leaves what was known."""

    def __init__(self, trust: Path) -> None:
        self._file = FollowedFile(trust)
        self._places: dict[str, Place] = {}
        self._calibrations: dict[str, int] = {}

    def of_stations(self) -> dict[str, Place]:
        """Station -> place, for those that have one."""
        self._refresh()
        return self._places

    def calibration_until(self) -> dict[str, int]:
        """Station -> first end of the newest calibrations of its meters, ms since 1970."""
        self._refresh()
        return self._calibrations

    def _refresh(self) -> None:
        try:
            data = self._file.news()
            if data is not None:
                entries: list[dict[str, Any]] = json.loads(data)["entries"]
                self._places, self._calibrations = _places(entries), _calibrations(entries)
        except (OSError, ValueError, KeyError, TypeError):
            return  # live_trust.py says it in the log


def _places(entries: list[dict[str, Any]]) -> dict[str, Place]:
    found = {}
    for one in entries:
        if one["type"] == "station" and "latitude_e7" in one and "longitude_e7" in one:
            place = Place(one["latitude_e7"] / 1e7, one["longitude_e7"] / 1e7)
            found[str(one["station"])] = place
    return found


def _calibrations(entries: list[dict[str, Any]]) -> dict[str, int]:
    stations: dict[tuple[str, str], str] = {}
    until: dict[tuple[str, str], int] = {}
    for one in entries:
        if one["type"] not in ("meter-install", "meter-remove", "calibration"):
            continue
        meter = str(one["meter"]["maker"]), str(one["meter"]["serial"])
        if one["type"] == "meter-install":
            stations[meter] = str(one["station"])
        elif one["type"] == "meter-remove":
            stations.pop(meter, None)
        else:
            until[meter] = unix_ms(one["valid_until"])
    found: dict[str, int] = {}
    for meter, station in stations.items():
        if meter in until:
            found[station] = min(until[meter], found.get(station, until[meter]))
    return found
