"""What one device contributes to a report."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from meterseal.mrv.segments import Segment
from meterseal.mrv.walk import Decrease


class Rejected(NamedTuple):
    """Readings that the registry does not cover, counted by reason and meter."""

    reason: str
    meter: str


@dataclass
class DeviceResult:
    """What one device contributes; plain values, so that it can come from another process."""

    device: str
    segments: dict[str, list[Segment]] = field(default_factory=dict)
    decreases: dict[str, list[Decrease]] = field(default_factory=dict)
    last: dict[str, tuple[int, int]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    rejected: Counter[Rejected] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    forks: list[tuple[str, int]] = field(default_factory=list)
    setups: dict[str, list[str]] = field(default_factory=dict)
    isolated: dict[str, list[int]] = field(default_factory=dict)
    unconfirmed: dict[str, int] = field(default_factory=dict)
    tree_size: int = 0
    tree_root: bytes = b""
