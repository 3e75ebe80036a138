"""A fleet in files: archive, trust file, activity, inputs. `Plan` says what to build.

Local time is Asia/Phnom_Penh (UTC+7). Every number depends on the seed alone.
"""

import hashlib

import numpy as np

from tests.fleet import activity_file
from tests.fleet.load import FloatMeter, StepMeter, energy_wh, random_of
from tests.fleet.plan import (
    DAY_MS,
    OFFSET_MIN,
    PROFILES,
    TOWNS,
    Line,
    Plan,
    Station,
    midnight_ms,
    time_text,
)
from tests.fleet.registry import Registry
from tests.fleet.seal import Board, Meter

__all__ = ["PROFILES", "Fleet", "Plan", "build", "time_text"]


class Fleet:
    """Stations of a plan, before anything is sealed: defects change them first."""

    def __init__(self, plan, only=None):
        """`only`: the one station that is needed, of a fleet too large to be held at once."""
        self.plan = plan
        entered_ms = midnight_ms(plan.first) - 12 * DAY_MS
        self.registry = Registry(plan.seed, time_text(entered_ms))
        self.times = np.arange(
            midnight_ms(plan.first),
            midnight_ms(plan.last) + DAY_MS + 1,
            plan.read_interval_s * 1000,
            dtype=np.int64,
        )
        wanted = range(plan.stations) if only is None else [only] if only >= 0 else []
        built = {i: self._station(i) for i in wanted}
        self.stations = [built.get(i) for i in range(plan.stations)]
        self.book = None
        self.other_book = None
        self.calibration_until = {}
        self.extra_entries = []
        self.vehicles = plan.vehicles

    def _station(self, index):
        plan = self.plan
        random = random_of(plan.seed, "station", index)
        town, latitude, longitude = TOWNS[index % len(TOWNS)]
        name = f"{town} {index // len(TOWNS) + 1:02d}"
        shift = [int(one) for one in random.integers(-400_000, 400_000, 2)]
        place = (name, latitude + shift[0], longitude + shift[1])
        board = Board(
            f"{plan.seed}/{index}",
            int(self.times[0]) - 3_600_000,
            plan.key_class,
            plan.read_interval_s * 1000,
        )
        size = int(random.integers(500, 1100))
        if index < plan.with_connectors:
            lines = self._three(index, random, size)
        else:
            energy = energy_wh(random, self.times, OFFSET_MIN, 7_400, size)
            lines = [self.single(index, 1, "main", energy, random)]
        pv = plan.stations - plan.with_pv <= index
        sources = [{"source": "grid", "share_ppm": 1_000_000}]
        if pv:
            sources = [
                {"source": "grid", "share_ppm": 700_000},
                {"source": "pv", "share_ppm": 300_000},
            ]
        return Station(f"KH-{index + 1:04d}", name, place, board, self.times, lines, sources)

    def single(self, index, unit, role, energy, random, parent=None):
        """An Eastron SDM120 with a serial number of its own."""
        serial = str(20_000_000 + index * 100 + unit + int(random.integers(0, 9)) * 1_000_000)
        data = (PROFILES / "eastron-sdm120.json").read_bytes()
        columns = ((4, 0x48, 2, 0),)
        if self.plan.many_columns:
            columns = ((4, 0x00, 2, 0), (4, 0x06, 2, 0), (4, 0x0C, 2, 0), (4, 0x48, 2, 0))
        wire = Meter(
            "eastron-sdm120",
            hashlib.sha256(data).digest()[:16],
            unit,
            ((3, 0xFC00, int(serial).to_bytes(4, "big")),),
            ((3, 0xF920, b"\0\0\0\1"),),
            columns,
        )
        counter = FloatMeter(int(random.integers(0, 400_000)))
        return Line(
            "Eastron", serial, "eastron-sdm120", unit, role, counter, wire, energy, 7_400, parent
        )

    def main_meter(self, index, energy, random):
        """A Carlo Gavazzi EM340 at the station's feed."""
        serial = f"CG{index:05d}{int(random.integers(100, 999))}"
        data = (PROFILES / "carlo-gavazzi-em340.json").read_bytes()
        words = serial.encode().ljust(14, b"\0")
        wire = Meter(
            "carlo-gavazzi-em340",
            hashlib.sha256(data).digest()[:16],
            1,
            ((3, 0x5000, words),),
            ((3, 0x1002, b"\0\0"),),
            ((4, 0x34, 2, 1),),
        )
        counter = StepMeter(int(random.integers(0, 400_000)) // 100 * 100)
        profile = "carlo-gavazzi-em340"
        return Line("Carlo Gavazzi", serial, profile, 1, "main", counter, wire, energy, 22_000)

    def _three(self, index, random, size):
        """A feed with two connectors behind it and some own use that no connector sees."""
        first = energy_wh(random, self.times, OFFSET_MIN, 7_400, size)
        second = energy_wh(random, self.times, OFFSET_MIN, 7_400, size)
        steps = np.diff(self.times, prepend=self.times[0])
        own = np.cumsum(np.full(len(self.times), 60, np.int64) * steps // 3_600_000)
        main = self.main_meter(index, first + second + own, random)
        parent = main.name()
        return [
            main,
            self.single(index, 2, "connector", first, random, parent),
            self.single(index, 3, "connector", second, random, parent),
        ]

    def install(self, station, line, board, since_ms, register_milliwh, **more):
        """A countersigned meter-install entry."""
        fields = {
            "meter": {**line.name(), "model": line.profile},
            "station": station.id,
            "device_id": board.kid.hex(),
            "unit_id": line.unit,
            "profile": line.profile,
            "role": line.role,
            "rated_w": line.rated_w,
            "ct_ratio": [1, 1],
            "pt_ratio": [1, 1],
            "accuracy_class": "1",
            "mpe_ppm": 10_000,
            "vehicle_class": "" if line.role == "main" and line.unit_has_children else "moto",
            "source": "",
            "register_wh": register_milliwh // 1000,
            "initial_test_sha256": hashlib.sha256(line.serial.encode()).hexdigest(),
            "from": time_text(since_ms),
        }
        if line.parent:
            fields["parent"] = line.parent
        self.registry.add("meter-install", countersign=True, **{**fields, **more})

    def calibrate(self, line, since="2025-06-01T00:00:00Z", until="2031-06-01T00:00:00Z", **more):
        """A calibration certificate."""
        digest = hashlib.sha256(f"certificate {line.serial} {since}".encode()).hexdigest()
        self.registry.add(
            "calibration",
            countersign=True,
            meter=line.name(),
            calibrated_at=since,
            valid_until=until,
            certificate_sha256=digest,
            mpe_ppm=10_000,
            **more,
        )

    def register(self):
        """Entries for every station as it is planned."""
        start_ms = int(self.times[0]) - DAY_MS
        for station in self.stations:
            self.registry.enrol(station.board, station.id)
            self.registry.add(
                "station",
                countersign=True,
                station=station.id,
                name=station.name,
                time_zone="Asia/Phnom_Penh",
                latitude_e7=station.place[1],
                longitude_e7=station.place[2],
                sources=station.sources,
                activity=self.plan.activity,
            )
            for line in station.lines:
                line.unit_has_children = any(
                    one.parent == line.name() and one.role == "connector" for one in station.lines
                )
                self.install(station, line, station.board, start_ms, line.milliwh(0))
                until = self.calibration_until.get(line.serial, "2031-06-01T00:00:00Z")
                self.calibrate(line, until=until)
        for entry in self.extra_entries:
            entry()

    def seal(self, station, board=None, indices=None, lines=None):
        """Batches of some readings of a station (all that were taken), in order."""
        board = board or station.board
        lines = lines or station.lines
        if indices is None:
            indices = np.arange(len(station.times))
        if station.skip is not None:
            indices = np.setdiff1d(indices, station.skip)
        size = self.plan.batch_readings
        return [
            self._seal_one(station, board, lines, indices[at : at + size])
            for at in range(0, len(indices), size)
        ]

    def _seal_one(self, station, board, lines, chosen):
        gaps = np.flatnonzero(np.diff(chosen) > 1)
        if len(gaps) == 0:
            readings = []
            for line in lines:
                words = line.counter.words(line.energy[chosen])
                readings.append((line.wire, station.times[chosen], self._columns(line, words)))
            return board.seal(readings)
        raise ValueError("a batch across a gap: cut the readings at gaps first")

    def _columns(self, line, words):
        if len(line.wire.columns) == 1:
            return [words]
        count = len(words)
        random = random_of(line.serial, int(words[0]))
        volts = (230 + random.random(count) * 4).astype(np.float32)
        amps = (random.random(count) * 30).astype(np.float32)
        watts = (volts * amps).astype(np.float32)
        return [*(one.view(np.uint32).astype(np.uint64) for one in (volts, amps, watts)), words]

    def seal_all(self):
        """Every station's batches, with its gaps; keeps what defects sealed before."""
        for station in self.stations:
            if station.batches:
                continue
            for run in runs(len(station.times), station.skip):
                if run[0]:
                    station.board.reboot(int(station.times[run[0]]) - 5_000)
                station.batches += self.seal(station, indices=run)

    def write(self, folder):
        """All files below a folder; one archive file for each device."""
        archive = folder / "archive"
        archive.mkdir(parents=True, exist_ok=True)
        for station in self.stations:
            by_kid = {}
            for raw in station.batches:
                by_kid.setdefault(raw[12:20].hex(), []).append(raw)
            for kid, batches in by_kid.items():
                with (archive / f"{kid}.cborseq").open("ab") as file:
                    file.write(b"".join(batches))
        (folder / "trust.json").write_bytes(self.registry.trust_file())
        activity_file.write(folder, self)
        if self.book is not None:
            (folder / "book.json").write_bytes(self.book)
        if self.other_book is not None:
            (folder / "other-book.json").write_bytes(self.other_book)


def runs(count, skip):
    """Runs of consecutive readings between those that were never taken."""
    taken = np.arange(count)
    if skip is not None:
        taken = np.setdiff1d(taken, skip)
    return np.split(taken, np.flatnonzero(np.diff(taken) > 1) + 1)


def build(plan, folder, change=None):
    """A whole fleet in a folder; `change(fleet)` may break something before it is sealed."""
    fleet = Fleet(plan)
    expected = change(fleet) if change else None
    fleet.register()
    fleet.seal_all()
    fleet.write(folder)
    return fleet, expected
