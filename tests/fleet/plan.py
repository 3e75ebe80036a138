"""What a fleet is made of: the plan, stations, meters, local time (Asia/Phnom_Penh, UTC+7)."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from tests.fleet.seal import Board, Meter

OFFSET_MIN = 420
DAY_MS = 86_400_000
PROFILES = Path(__file__).resolve().parents[2] / "firmware" / "profiles"
TOWNS = (
    ("Phnom Penh", 115564000, 1049282000),
    ("Siem Reap", 133633000, 1038564000),
    ("Battambang", 130957000, 1032022000),
    ("Sihanoukville", 106093000, 1035296000),
    ("Kampong Cham", 119924000, 1054645000),
    ("Kampot", 106104000, 1041815000),
    ("Takeo", 109908000, 1047850000),
    ("Poipet", 136583000, 1025637000),
)


def midnight_ms(day):
    """Begin of a local day."""
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(minutes=OFFSET_MIN)
    return int(moment.timestamp()) * 1000


def time_text(t_unix_ms):
    """As registry entries write it."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(t_unix_ms))
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Plan:
    """What to build. `key_class`: `sim` needs --demo."""

    seed: str
    stations: int = 8
    first: date = date(2026, 1, 1)
    last: date = date(2026, 2, 28)
    read_interval_s: int = 900
    batch_readings: int = 96
    key_class: str = "software"
    activity: str = "KHM-EXAMPLE"
    with_connectors: int = 0
    with_pv: int = 0
    vehicles: int = 200
    max_interval_s: int = 3600
    many_columns: bool = False


@dataclass
class Line:
    """One meter of a station: what it counted at each reading of the grid."""

    maker: str
    serial: str
    profile: str
    unit: int
    role: str
    counter: object
    wire: Meter
    energy: np.ndarray
    rated_w: int
    parent: dict | None = None
    extra: list = field(default_factory=list)

    def milliwh(self, index):
        """Exact register at a reading."""
        return self.counter.milliwh(int(self.counter.words(self.energy[index : index + 1])[0]))

    def name(self):
        """As registry entries have it."""
        return {"maker": self.maker, "serial": self.serial}


@dataclass
class Station:
    """A station with its board; `skip`: indices of readings that were never taken."""

    id: str
    name: str
    place: tuple
    board: Board
    times: np.ndarray
    lines: list
    sources: list = field(default_factory=list)
    skip: np.ndarray | None = None
    batches: list = field(default_factory=list)
