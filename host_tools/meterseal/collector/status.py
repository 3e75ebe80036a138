"""What the collector knows of each station: written by one watch, read by every worker's pages.

A summary in one file of the data directory, replaced as a whole; nothing is proven by it, and all
of it can be computed anew from the batches.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from meterseal.collector.followed import FollowedFile

FILE: Final = "status.json"
MAX_EVENTS: Final = 40


@dataclass
class DeviceStatus:
    """One device. Times are UTC in ms since 1970; 0: never.

    `findings`: code -> severity, text, count, number of the last batch with it. `events`: newest
    last, [kind, UTC or 0, detail as text]. `clock_set`: whether the newest readings have a time.
    """

    device: str
    station: str
    batches: int = 0
    readings: int = 0
    refused: int = 0
    last_number: int = 0
    last_received_unix_ms: int = 0
    last_reading_unix_ms: int = 0
    energy_import_mwh: int = 0
    clock_set: bool = True
    forgotten: int = 0
    health: dict[str, int] = field(default_factory=dict)
    findings: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[list[Any]] = field(default_factory=list)

    def note(self, code: str, severity: str, text: str, number: int) -> bool:
        """Count a finding; whether it is the first of its code."""
        new = code not in self.findings
        one = self.findings.setdefault(code, {"count": 0})
        one |= {"severity": severity, "text": text, "number": number, "count": one["count"] + 1}
        return new


@dataclass
class Status:
    """All devices, by id. `batch_id`: up to which row of the database."""

    batch_id: int = 0
    written_unix_ms: int = 0
    devices: dict[str, DeviceStatus] = field(default_factory=dict)


def save(status: Status, folder: Path) -> None:
    """Replace the file; a reader finds the old one or the new one."""
    part = folder / (FILE + ".part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(asdict(status), file, separators=(",", ":"), ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / FILE)


def parse(data: bytes) -> Status:
    """Raises ValueError, KeyError or TypeError for another file."""
    tree = json.loads(data)
    devices = {name: DeviceStatus(**one) for name, one in tree.pop("devices").items()}
    return Status(devices=devices, **tree)


class StatusFile:
    """The newest status that can be read; an empty one before there is any."""

    def __init__(self, folder: Path) -> None:
        self._file = FollowedFile(folder / FILE)
        self._status = Status()

    def now(self) -> Status:
        """Read again if the file has changed."""
        try:
            data = self._file.news()
            if data is not None:
                self._status = parse(data)
        except (OSError, ValueError, KeyError, TypeError):
            pass  # what was known stays; the watch writes it again
        return self._status
