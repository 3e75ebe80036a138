"""Several meters on one serial line: what keeps them from sharing it."""

from collections.abc import Sequence
from dataclasses import dataclass

from meterseal.profiles.model import Profile


@dataclass(frozen=True)
class LineConflict:
    """`code` is stable: `unit-id-shared`, `parities-mixed` or `speeds-mixed`."""

    code: str
    text: str


def line_conflicts(meters: Sequence[tuple[Profile, int]]) -> list[LineConflict]:
    """Conflicts among meters at their factory settings, given with their unit ids.

    Meterseal sets speed and parity again before it asks another unit, but a meter with other
    settings takes its neighbours' frames for noise, and some answer it: give all the same.
    """
    serial = [(profile, unit) for profile, unit in meters if "rtu" in profile.bus.kinds]
    found = []
    by_unit = _grouped([(str(unit), profile.id) for profile, unit in serial])
    for unit_text, names in by_unit.items():
        if len(names) > 1:
            text = f"{' and '.join(names)} have the same unit id {unit_text}"
            found.append(LineConflict("unit-id-shared", text))
    by_parity = _grouped([(profile.bus.parity, profile.id) for profile, _ in serial])
    if len(by_parity) > 1:
        shown = _shown("parity", by_parity)
        found.append(LineConflict("parities-mixed", f"{shown}; set all to the same parity"))
    by_speed = _grouped([(str(profile.bus.baud), profile.id) for profile, _ in serial])
    if len(by_speed) > 1:
        shown = _shown("baud", by_speed)
        found.append(LineConflict("speeds-mixed", f"{shown}; set all to the same rate"))
    return found


def _grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key, name in pairs:
        groups.setdefault(key, []).append(name)
    return groups


def _shown(what: str, groups: dict[str, list[str]]) -> str:
    return "; ".join(f"{what} {key}: {', '.join(names)}" for key, names in sorted(groups.items()))
