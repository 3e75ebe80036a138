"""Power cuts at random moments through sessions: the real code on NOR flash that tears.

What the station says is held against what really happened (`support.session_truth`): a firmware
that forgets a session does not pass.
"""

import json
import random
from itertools import pairwise
from typing import Any

import pytest
from agent import session_book
from fakes.nor_flash import PowerCut
from support.session_station import SessionWorld
from support.session_truth import Expected, Row, Truth

HOLD = {"trigger": "power", "start_hold_s": 60, "stop_hold_s": 120}
SHORT = {"trigger": "power", "start_hold_s": 0, "stop_hold_s": 30}
TRIGGERS = ({"trigger": "contact"}, {"trigger": "command"}, HOLD, SHORT)
RUNS = [(1, 12), pytest.param(2, 150, marks=pytest.mark.long)]
ENDS = set("ELRAP")


class Life:
    """A station whose power goes at any durable operation; its meter never stops counting."""

    def __init__(self, seed: int, settings: dict[str, Any]) -> None:
        self.random = random.Random(seed)
        self.command = settings["trigger"] == "command"
        self.world = SessionWorld(fiscal_interval_s=900, **settings).boot()
        holds = (settings.get("start_hold_s", 0), settings.get("stop_hold_s", 0))
        self.truth = Truth(*holds)
        self.cuts = self.car = self.cars = 0

    def arm(self, most: int) -> None:
        """The power will go at one of the next operations."""
        power = self.world.power
        power.cut_at = power.done + self.random.randint(0, most)
        power.fraction = self.random.choice((0.0, self.random.random(), None))

    def step(self, seconds: int) -> None:
        """One round; if the power goes, it comes back a little later."""
        known = len(self.world.register_mwh)
        try:
            self.world.step(seconds)
        except PowerCut:
            self.note(known, whole=False)
            self.restart()
            return
        self.note(known, whole=True)

    def note(self, known: int, whole: bool) -> None:
        world = self.world
        for sequence, mwh in world.register_mwh[known:]:
            row = (sequence, world.boots, world.clock.mono_ms(), mwh, self.car, whole)
            self.truth.rows.append(Row(*row))

    def restart(self) -> None:
        """Dark for a while, the car perhaps gone then; the power may go again while it boots."""
        world = self.world
        self.cuts += 1
        world.power.cut_at = None
        if self.random.random() < 0.3:
            self.car, world.closed, world.watts = 0, False, 0
        world.pass_time(self.random.randint(1, 300))
        if self.random.random() < 0.2:
            self.arm(3)
        try:
            world.boot()
            self.tell()
        except PowerCut:
            self.restart()

    def tell(self) -> None:
        """What the controller wants, by command; said again after each boot."""
        if self.command:
            self.world.sessions.command(1, "start" if self.car else "stop")

    def say(self) -> None:
        """The same, while the power may go."""
        try:
            self.tell()
        except PowerCut:
            self.restart()

    def session(self) -> None:
        """A car comes, charges and leaves."""
        world = self.world
        self.cars += 1
        self.car, world.closed, world.watts = self.cars, True, self.random.randint(1000, 11000)
        if self.random.random() < 0.7:
            self.arm(25)
        self.say()
        for _ in range(self.random.randint(2, 6)):
            self.step(self.random.randint(5, 90))
        self.car, world.closed, world.watts = 0, False, self.random.choice((0, 20, 40))
        self.say()
        since = self.cuts
        for _ in range(4):
            self.step(60)
        while self.cuts != since:  # the station has to see that the car is gone
            since = self.cuts
            for _ in range(4):
                self.step(60)

    def run(self, sessions: int) -> "Life":
        """So many cars; then everything has left."""
        for _ in range(sessions):
            self.session()
        self.world.power.cut_at = None
        for _ in range(6):
            self.step(60)
        self.world.finish()
        return self


def wh(text: object) -> int:
    return round(float(str(text)) * 1000)


def span(one: dict[str, Any]) -> tuple[int, int]:
    """First and last sealed reading of a record."""
    sequences = one["US"].split()
    return int(sequences[0]), int(sequences[-1])


def check(life: Life) -> None:
    """Everything that a station must keep to, whenever its power goes."""
    world, truth = life.world, life.truth
    found = [json.loads(record.split("|")[1]) for record in world.records()]
    records = [one for one in found if one["PG"][0] == "T"]
    check_pages(found)
    for one in records:
        check_session(one, dict(world.register_mwh))
    check_truth(records, list(truth.expected()))
    check_events(records, life)
    check_energy(records, list(truth.expected()))
    print(f"{life.cars} cars, {len(records)} sessions, {life.cuts} cuts, {truth.rows[-1].mwh} mWh")


def check_pages(found: list[dict[str, Any]]) -> None:
    """Every page of both contexts once, none missing."""
    for context in "TF":
        pages = [int(one["PG"][1:]) for one in found if one["PG"][0] == context]
        assert pages == list(range(1, len(pages) + 1))


def check_session(one: dict[str, Any], register_mwh: dict[int, int]) -> None:
    """One begin, one end, in order; the end says why; readings are the sealed ones."""
    places = [item["TX"] for item in one["RD"]]
    assert places[0] == "B" and places.count("B") == 1
    assert places[-1] in ENDS and len(set(places) & ENDS) == 1
    values = [item["RV"] for item in one["RD"]]
    times = [item["TM"][:-2] for item in one["RD"]]
    assert values == sorted(values) and times == sorted(times)
    for value, sequence in zip(values, one["US"].split(), strict=True):
        assert wh(value) * 1000 == register_mwh[int(sequence)]


def record_of(car: Expected, records: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The record that begins while this car charges; there is never a second one."""
    last = max(car.charging.sequence, car.over.sequence - 1)
    here = [one for one in records if car.first.sequence <= span(one)[0] <= last]
    assert len(here) <= 1, f"car {car.car}: {[one['PG'] for one in here]}"
    return here[0] if here else None


def check_truth(records: list[dict[str, Any]], cars: list[Expected]) -> None:
    """Each car has its one session, from when it must have begun until it must have ended."""
    matched = []
    for car in cars:
        one = record_of(car, records)
        if one is None:
            assert car.begun is None, f"car {car.car} charged, and no record says so"
            continue
        begin, end = span(one)
        assert begin <= (car.begun or car.charging).sequence
        assert end <= car.over.sequence
        if car.begun:
            assert end >= car.charging.sequence
        matched.append(one["PG"])
    assert matched == [one["PG"] for one in records], "a session without a car"


def check_events(records: list[dict[str, Any]], life: Life) -> None:
    """Each begin that the chain tells has its record; only a cut may leave one untold."""
    at = {(row.boot, row.mono_ms): row.sequence for row in life.truth.rows}
    told = []
    for key in life.world.left:
        for kind, boot, mono_ms, detail in life.world.payload_of(key).get(14, ()):
            if kind == 16 and detail[1] == "begin":
                sequence = at[(boot, mono_ms)]
                here = [one["PG"] for one in records if span(one)[0] <= sequence <= span(one)[1]]
                assert len(here) >= 1, f"begun at reading {sequence}, and no record says so"
                told += here[-1:]
    assert len(told) == len(set(told))
    assert len(records) - len(told) <= life.cuts


def check_energy(records: list[dict[str, Any]], cars: list[Expected]) -> None:
    """Sessions and stated idle consumption are the register; idle is what flowed without a car."""
    total = sum(wh(one["RD"][-1]["RV"]) - wh(one["RD"][0]["RV"]) for one in records)
    total += sum(wh(one["UI"]) for one in records[1:])
    assert total == wh(records[-1]["RD"][-1]["RV"]) - wh(records[0]["RD"][0]["RV"])
    known = [(car, record_of(car, records)) for car in cars]
    for (before, one), (car, other) in pairwise(known):
        if one and other and before.begun and car.begun:
            least = car.first.mwh - before.over.mwh
            most = car.begun.mwh - before.charging.mwh
            assert least <= wh(other["UI"]) * 1000 <= most


@pytest.mark.parametrize("settings", TRIGGERS, ids=lambda one: "-".join(map(str, one.values())))
@pytest.mark.parametrize(("seed", "sessions"), RUNS)
def test_cuts(seed: int, sessions: int, settings: dict[str, Any]) -> None:
    life = Life(seed, settings).run(sessions)
    assert life.cuts > sessions // 3
    check(life)


@pytest.mark.parametrize("settings", TRIGGERS, ids=lambda one: "-".join(map(str, one.values())))
def test_a_firmware_that_forgets_open_sessions_is_found_out(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = session_book._restore

    def forget(session: Any, parts: list[str]) -> None:
        real(session, parts)
        if session.state in ("active", "ended"):
            session.state, session.restarted, session.middle = "idle", False, []
            session.begin = session.last = session.end = None

    monkeypatch.setattr(session_book, "_restore", forget)
    with pytest.raises(AssertionError):
        check(Life(1, settings).run(12))
