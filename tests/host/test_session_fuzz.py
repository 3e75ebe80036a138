"""A world that does whatever it likes to a station with sessions: records stay valid, and what
makes them so is the state machine, not the gate behind it.
"""

import json
import random
from typing import Any

import pytest
from agent.clock import COLLECTOR, RTC
from pyocmf import OCMF
from support.ocmf_foreign import SPKI_P256
from support.sealing_station import NOON_MS
from support.session_station import SessionWorld

TRIGGERS = (
    {"trigger": "contact"},
    {"trigger": "command"},
    {"trigger": "power", "start_hold_s": 120, "stop_hold_s": 120},
)
RUNS = [range(2), pytest.param(range(2, 40), marks=pytest.mark.long)]


class Chaos:
    """Each act is drawn anew; most of the time the world goes on quietly."""

    def __init__(self, seed: int, settings: dict[str, Any]) -> None:
        self.random = random.Random(seed)
        self.world = SessionWorld(fiscal_interval_s=600, **settings).boot()

    def act(self) -> None:
        """One of the acts, or none, and a round of the station."""
        acts = (self.contact, self.power, self.meter, self.time, self.command, self.cut)
        if self.random.random() < 0.5:
            self.random.choice(acts)()
        status = self.random.choice((0,) * 9 + (1, 4))
        flags = self.random.choice((0,) * 19 + (2,))
        self.world.step(self.random.randint(1, 120), status, flags)

    def contact(self) -> None:
        world = self.world
        world.closed = not world.closed
        world.watts = 7000 if world.closed else 0

    def power(self) -> None:
        self.world.watts = self.random.choice((0, 60, 90, 200, 11000))

    def meter(self) -> None:
        """Another meter, a register that falls, an identity that is not known for a while."""
        world = self.world
        world.change_meter(self.random.choice((1001, 1001, 2002)))
        world.energy_mwh = max(0, world.energy_mwh - self.random.choice((0, 1000, 10**7)))
        world.task.watches[0].identified = self.random.random() < 0.7

    def time(self) -> None:
        world = self.world
        if self.random.random() < 0.5:
            world.clock.set_utc(world.now_ms, COLLECTOR, 20)
            return
        wrong_ms = max(NOON_MS, world.now_ms + self.random.randint(-(10**8), 10**8))
        world.clock.set_utc(wrong_ms, RTC, 5000)

    def command(self) -> None:
        verb = self.random.choice(("start", "start", "stop", "stop-remote"))
        who = self.random.choice(("", "A", "B|", "\u0e02"))
        self.world.sessions.command(1, verb, who if verb == "start" else "")

    def cut(self) -> None:
        """The power is away for a while, and the clock is what it is then."""
        self.world.clock_source = self.random.choice((None, RTC, COLLECTOR))
        self.world.pass_time(self.random.choice((1, 600, 90000)))
        self.world.boot()


@pytest.mark.parametrize("settings", TRIGGERS, ids=lambda one: one["trigger"])
@pytest.mark.parametrize("seeds", RUNS, ids=str)
def test_no_record_is_invalid_and_the_gate_has_nothing_to_do(
    settings: dict[str, Any], seeds: range
) -> None:
    sessions = 0
    for seed in seeds:
        chaos = Chaos(seed, settings)
        for _ in range(250):
            chaos.act()
        world = chaos.world
        world.finish()
        key = SPKI_P256 + world.keystore.signer().public_65.hex()
        records = [one for one in world.records() if json.loads(one.split("|")[1])["PG"][0] == "T"]
        for record in records:
            parsed = OCMF.from_string(record, strict=True)
            assert parsed.verify_signature(key)
            assert not list(parsed.check_eichrecht(errors_only=True)), record
        events = [e for one in world.left for e in world.payload_of(one).get(14, ())]
        told = [event[3][1] for event in events if event[0] == 16]
        assert "refused" not in told, f"seed {seed}"
        assert not [event for event in events if event[0] == 9], f"seed {seed}"
        assert told.count("begin") - len(records) in (0, 1), f"seed {seed}"  # one may be open
        sessions += len(records)
    print(f"{sessions} sessions")
    assert sessions > 2 * len(seeds)
