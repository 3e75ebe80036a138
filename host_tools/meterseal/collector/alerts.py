"""What an operator has to be told about a station. Pure: the status and the time in, alerts out.

The same conditions stand as Prometheus rules in docs/alerts.yml; a test holds the two together.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from meterseal.collector.status import DeviceStatus

SILENT_MS: Final = 6 * 3_600_000
CALIBRATION_MS: Final = 30 * 86_400_000
CRITICAL, WARNING = "critical", "warning"

_BY_FINDING: Final = {
    "chain-fork": ("fork", CRITICAL),
    "chain-gap": ("gap", WARNING),
    "sequence-gap": ("gap", WARNING),
    "chain-start": ("gap", WARNING),
    "clock-unset": ("clock", WARNING),
    "clock-stepped-back": ("clock", WARNING),
    "clock-far-future": ("clock", CRITICAL),
    "register-backward": ("register", CRITICAL),
    "register-implausible": ("register", WARNING),
    "meter-changed": ("meter", WARNING),
    "key-revoked": ("key", CRITICAL),
    "key-expired": ("key", CRITICAL),
    "table-differs": ("table", CRITICAL),
}
KINDS: Final = (
    "silent",
    "fork",
    "gap",
    "clock",
    "register",
    "meter",
    "key",
    "table",
    "calibration",
)


class Alert(NamedTuple):
    """`kind`: one of KINDS."""

    kind: str
    severity: str
    device: str
    station: str
    text: str


def alerts(
    devices: Iterable[DeviceStatus], calibration_until: Mapping[str, int], now_unix_ms: int
) -> list[Alert]:
    """Alerts that hold now, by device. `calibration_until`: station -> first end of validity."""
    found = []
    for one in devices:
        found += _of_device(one, now_unix_ms)
    for station, until in sorted(calibration_until.items()):
        if until < now_unix_ms + CALIBRATION_MS:
            text = "a calibration ends within 30 days, or has ended"
            severity = CRITICAL if until < now_unix_ms else WARNING
            found.append(Alert("calibration", severity, "", station, text))
    return found


def _of_device(one: DeviceStatus, now_unix_ms: int) -> list[Alert]:
    found: dict[str, Alert] = {}
    if one.last_received_unix_ms and one.last_received_unix_ms < now_unix_ms - SILENT_MS:
        hours = (now_unix_ms - one.last_received_unix_ms) // 3_600_000
        text = f"nothing came for {hours} h"
        found["silent"] = Alert("silent", WARNING, one.device, one.station, text)
    for code, finding in sorted(one.findings.items()):
        if code in _BY_FINDING:
            kind, severity = _BY_FINDING[code]
            text = f"{code}: {finding['text']}"
            found.setdefault(kind, Alert(kind, severity, one.device, one.station, text))
    return list(found.values())
