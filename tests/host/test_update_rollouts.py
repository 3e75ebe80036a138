"""Staged roll-out over 20 stations: decided by what they sealed, stopped, shown on a page.

The stations are on paper here: real batches with real signatures, events written by hand. Stations
on the MicroPython VM: tests/e2e/test_update_rollout.py.
"""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from meterseal import trust_write
from meterseal.collector.app import create_app
from meterseal.collector.database import Database
from meterseal.collector.ingest import sort_in
from meterseal.collector.intake import Intake
from meterseal.collector.receipt import load_or_create
from meterseal.collector.records import Upload
from meterseal.collector.store import Store
from meterseal.collector.updates import Rollouts, add_update_routes
from meterseal.trust import load_trust
from meterseal.trust_keys import public_bytes
from meterseal.update.build import build_settings
from meterseal.update.manifest import read_manifest
from meterseal.update.rings import Plan
from meterseal.update.shelf import SIGNED, Shelf
from meterseal.verify import Opener, signature_opener
from support.station import Station

OWNER = ec.derive_private_key(7, ec.SECP256R1())
COUNT = 20


class World:
    """A collector with an update on its shelf, and stations that seal what they are told to."""

    def __init__(self, place: Path, plan: Plan) -> None:
        self.place = place
        self.stations = {}
        entries: list[trust_write.Entry] = []
        for number in range(COUNT):
            station = Station(100 + number, bytes([number]) * 16)
            public = public_bytes(station.key)
            trust_write.enrol(entries, public, f"station-{number}", "software", trust_write.now())
            self.stations[station.trusted.kid.hex()] = station
        (place / "trust.json").write_bytes(trust_write.sign(entries, OWNER))
        self.trust = load_trust(place / "trust.json")
        self.database = Database(f"sqlite:///{place}/collector.sqlite")
        self.database.migrate()
        self.store = Store(self.database)
        self.publish(1, plan)
        self.rollouts = Rollouts(place / "updates", self.database, self.trust)

    def publish(self, number: int, plan: Plan) -> None:
        source, built = self.place / "source", self.place / f"u{number}"
        source.mkdir(exist_ok=True)
        (source / "config.json").write_text(json.dumps({"schema": 1, "n": number}))
        manifest = build_settings(source, ["BENCH"], number, built)
        (built / SIGNED).write_bytes(manifest.sign(OWNER))
        Shelf(self.place / "updates").publish(built, plan)

    def ask(self) -> list[str]:
        """Devices that are offered something now."""
        self.rollouts._known.clear()
        return [one for one in self.stations if self.rollouts.offer(one, [0, 0, 0, 0])]

    def seal(self, device: str, *steps: list[str]) -> None:
        """A batch of this station with events of kind 14."""
        station = self.stations[device]
        payload = station.payload()
        payload[14] = [[14, station.boot, station.mono_ms, step] for step in steps]
        upload = Upload([], [])
        raw = station.close(payload)
        sort_in([(raw, signature_opener(self.trust)(raw))], upload)
        assert not upload.refused
        self.store.keep([upload])

    def page(self) -> tuple[str, Any]:
        """The page for people, and the table for programs."""
        receipts = load_or_create(self.place / "receipt.key")
        intake = Intake(self.store, Opener(self.trust).open_all, receipts)
        app = create_app(intake)
        add_update_routes(app, self.rollouts)

        async def inside() -> tuple[str, Any]:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="https://c") as client:
                page, table = await client.get("/updates"), await client.get("/v1/updates")
                bad = await client.get("/v1/update?device=x&numbers=1")
                assert (page.status_code, table.status_code, bad.status_code) == (200, 200, 422)
                intake.close()
                return page.text, table.json()

        return asyncio.run(inside())


def test_twenty_stations_a_bad_version_stops_in_the_first_ring(tmp_path: Path) -> None:
    world = World(tmp_path, Plan(("15%", "40%", "rest"), good_permille=1000))
    first = world.ask()
    assert len(first) == 3
    world.seal(first[0], ["installed", "settings 1"], ["kept", "settings 1"])
    world.seal(first[1], ["installed", "settings 1"])
    assert sorted(world.ask()) == sorted(first)
    world.seal(first[1], ["went back", "settings 1"])
    assert world.ask() == []
    page, table = world.page()
    assert "Stopped." in page and f"{first[1]} went back" in page
    states = [one["state"] for ring in table[0]["rings"] for one in ring["stations"]]
    counts = {state: states.count(state) for state in sorted(set(states))}
    print(f"20 stations, a bad version in the first ring: {counts}")
    assert counts == {"kept": 1, "offered": 1, "waiting": 17, "went back": 1}
    assert (
        Rollouts(tmp_path / "updates", world.database, world.trust).offer(first[2], [0] * 4) == b""
    )
    done = subprocess.run(
        [*(sys.executable, "-m", "meterseal", "update", "status", "--data", str(tmp_path)),
         *("--trust", str(tmp_path / "trust.json"))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "STOPPED: 1 of 3 failed" in done.stdout


def test_a_good_one_reaches_everybody_ring_by_ring(tmp_path: Path) -> None:
    world = World(tmp_path, Plan(("15%", "40%", "rest"), good_permille=1000))
    sizes = []
    offered: set[str] = set()
    while len(offered) < COUNT:
        new = set(world.ask()) - offered
        sizes.append(len(new))
        for device in new:
            world.seal(device, ["kept", "settings 1"])
        offered |= new
    assert sizes == [3, 8, 9]
    assert world.page()[1][0]["stopped"] == ""


@pytest.mark.parametrize(
    ("step", "stops"),
    [
        (["refused update-digest", "settings 1"], True),
        (["refused update-signature", ""], True),
        (["refused update-digest", "settings 0"], False),
        (["went back", "settings 0"], False),
    ],
)
def test_what_counts_against_an_update(tmp_path: Path, step: list[str], stops: bool) -> None:
    world = World(tmp_path, Plan(("15%", "rest")))
    world.seal(world.ask()[0], step)
    assert (world.ask() == []) is stops


def test_a_station_that_fell_silent_counts_as_failed(tmp_path: Path) -> None:
    world = World(tmp_path, Plan(("15%", "rest"), patience_s=3600))
    first = world.ask()
    offered = next((tmp_path / "updates").glob(f"*/offered/{first[0]}"))
    offered.write_text(str(int(offered.read_text()) - 3601))
    assert world.ask() == []
    assert "silent" in world.page()[0]


def test_what_is_offered_is_what_the_owner_signed(tmp_path: Path) -> None:
    world = World(tmp_path, Plan(("rest",)))
    offer = world.rollouts.offer(next(iter(world.stations)), [0, 0, 0, 0])
    assert read_manifest(offer, public_bytes(OWNER))[0].number == 1
    assert world.rollouts.offer(next(iter(world.stations)), [0, 1, 0, 0]) == b""
    assert world.rollouts.offer("00" * 8, [0, 0, 0, 0]) == b""  # nobody's
