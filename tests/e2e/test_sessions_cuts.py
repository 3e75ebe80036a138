"""Power cuts at random moments through sessions: the real code on NOR flash that tears."""

import json
import random

import pytest
from fakes.nor_flash import PowerCut
from support.session_station import SessionWorld

RUNS = [(1, 30), pytest.param(2, 500, marks=pytest.mark.long)]
ENDS = set("ELRAP")


class Life:
    """A station whose power goes at any durable operation; its meter never stops counting."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        trigger = self.random.choice(("contact", "power"))
        self.world = SessionWorld(fiscal_interval_s=900, trigger=trigger, stop_hold_s=60).boot()
        self.cuts = 0

    def arm(self) -> None:
        """The power will go at one of the next operations, or much later."""
        power = self.world.power
        power.cut_at = power.done + self.random.randint(0, 14)
        power.fraction = self.random.choice((0.0, self.random.random(), None))

    def step(self, seconds: int) -> None:
        """One round; if the power goes, it comes back a little later."""
        world = self.world
        try:
            world.step(seconds)
        except PowerCut:
            self.cuts += 1
            world.power.cut_at = None
            if self.random.random() < 0.3:
                world.closed, world.watts = False, 0  # the car left in the dark
            world.pass_time(self.random.randint(1, 300))
            world.boot()

    def session(self) -> None:
        """A car comes, charges and leaves; nothing tells the station but contactor and meter."""
        world = self.world
        world.closed, world.watts = True, self.random.randint(1000, 11000)
        if self.random.random() < 0.7:
            self.arm()
        for _ in range(self.random.randint(2, 5)):
            self.step(self.random.randint(5, 90))
        world.closed, world.watts = False, self.random.choice((0, 20))
        for _ in range(4):
            self.step(60)


def payloads(records: list[str]) -> list[dict]:
    return [json.loads(record.split("|")[1]) for record in records]


def wh(text: object) -> int:
    return round(float(str(text)) * 1000)


@pytest.mark.parametrize(("seed", "sessions"), RUNS)
def test_cuts(seed: int, sessions: int) -> None:
    life = Life(seed)
    world = life.world
    while world.sessions.book.pages["T"] < sessions:
        life.session()
    world.power.cut_at = None
    for _ in range(6):
        world.step()
    world.finish()
    found = payloads(world.records())
    transactions = [one for one in found if one["PG"][0] == "T"]
    check_pages(found)
    check_sessions(transactions)
    stated = check_energy(transactions, dict(world.register_mwh))
    print(f"{len(transactions)} sessions, {life.cuts} power cuts, {stated} Wh accounted for")
    assert len(transactions) >= sessions
    assert life.cuts > sessions // 4


def check_pages(found: list[dict]) -> None:
    """Every page of both contexts once, none missing."""
    for context in "TF":
        pages = [int(one["PG"][1:]) for one in found if one["PG"][0] == context]
        assert pages == list(range(1, len(pages) + 1))


def check_sessions(transactions: list[dict]) -> None:
    """One begin, one end, in order; the end says why."""
    for one in transactions:
        places = [item["TX"] for item in one["RD"]]
        assert places[0] == "B" and places.count("B") == 1
        assert places[-1] in ENDS and len(set(places) & ENDS) == 1
        values = [item["RV"] for item in one["RD"]]
        times = [item["TM"][:-2] for item in one["RD"]]
        assert values == sorted(values) and times == sorted(times)
    spans = [[int(n) for n in one["US"].split()] for one in transactions]
    flat = [n for span in spans for n in (span[0], span[-1])]
    assert flat == sorted(flat)  # no two sessions overlap


def check_energy(transactions: list[dict], register_mwh: dict[int, int]) -> int:
    """Sessions and stated idle consumption are the register, and readings are the sealed ones."""
    total = 0
    for number, one in enumerate(transactions):
        first, last = one["RD"][0], one["RD"][-1]
        for item, sequence in zip(one["RD"], one["US"].split(), strict=True):
            assert wh(item["RV"]) * 1000 == register_mwh[int(sequence)]
        total += wh(last["RV"]) - wh(first["RV"])
        if number:
            total += wh(one["UI"])
    begin, end = transactions[0]["RD"][0]["RV"], transactions[-1]["RD"][-1]["RV"]
    assert total == wh(end) - wh(begin)
    return total
