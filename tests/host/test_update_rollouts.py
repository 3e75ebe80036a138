"""Staged roll-out over 20 stations: decided by what they sealed, stopped, shown on a page.

The stations are on paper here: real batches with real signatures, events written by hand. Stations
on the MicroPython VM: tests/e2e/test_update_rollout.py.
"""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import typer
from cryptography.hazmat.primitives.asymmetric import ec
from meterseal import trust_write
from meterseal.cli import update as verb
from meterseal.collector.app import create_app
from meterseal.collector.database import Database
from meterseal.collector.ingest import sort_in
from meterseal.collector.intake import Intake
from meterseal.collector.receipt import load_or_create
from meterseal.collector.records import Upload
from meterseal.collector.schema import BATCHES
from meterseal.collector.store import Store
from meterseal.collector.updates import Rollouts, add_update_routes
from meterseal.errors import UpdateError
from meterseal.trust import load_trust
from meterseal.trust_keys import public_bytes
from meterseal.update.build import build_image, build_settings
from meterseal.update.manifest import read_manifest
from meterseal.update.rings import Plan
from meterseal.update.shelf import SIGNED, Published, Shelf
from meterseal.verify import Opener, signature_opener
from sqlalchemy import update
from support.station import Station

OWNER = ec.derive_private_key(7, ec.SECP256R1())
COUNT = 20
SETTINGS = "settings 1 settings 1"
BOARDS: dict[int, str] = {}
"""Number of a station -> what the registry says of its board; else nothing."""


class World:
    """A collector with an update on its shelf, and stations that seal what they are told to."""

    def __init__(self, place: Path, plan: Plan) -> None:
        self.place = place
        self.stations = {}
        entries: list[trust_write.Entry] = []
        for number in range(COUNT):
            station = Station(100 + number, bytes([number]) * 16)
            public = public_bytes(station.key)
            more = {"board": BOARDS[number]} if number in BOARDS else {}
            name, at = f"station-{number}", trust_write.now()
            trust_write.enrol(entries, public, name, "software", at, **more)
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
        Shelf(self.place / "updates").publish(built, plan, list(self.stations))

    def publish_image(self, number: int, plan: Plan) -> None:
        source, built = self.place / "image", self.place / f"i{number}"
        source.write_bytes(b"image" * 1000)
        manifest = build_image(source, ["BENCH"], number, "9.9", built)
        (built / SIGNED).write_bytes(manifest.sign(OWNER))
        Shelf(self.place / "updates").publish(built, plan)

    def ask(self, boards: dict[str, str] | None = None) -> list[str]:
        """Devices that are offered something now; `boards`: where it is not BENCH."""
        self.rollouts._known.clear()
        asked = ((one, (boards or {}).get(one, "BENCH")) for one in self.stations)
        return [one for one, board in asked if self.rollouts.offer(one, board, [0, 0, 0, 0])]

    def seal(self, device: str, *steps: list[str]) -> None:
        """A batch of this station with events of kind 14."""
        station = self.stations[device]
        payload = station.payload()
        payload[14] = [[14, station.boot, station.mono_ms, step] for step in steps]
        self.keep(station.close(payload))

    def keep(self, raw: bytes) -> None:
        upload = Upload([], [])
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
    world.seal(first[0], ["installed", SETTINGS], ["kept", SETTINGS])
    world.seal(first[1], ["installed", SETTINGS])
    assert sorted(world.ask()) == sorted(first)
    world.seal(first[1], ["went back", SETTINGS])
    assert world.ask() == []
    page, table = world.page()
    assert "Paused." in page and f"{first[1]} went back" in page
    states = [one["state"] for ring in table[0]["rings"] for one in ring["stations"]]
    counts = {state: states.count(state) for state in sorted(set(states))}
    print(f"20 stations, a bad version in the first ring: {counts}")
    assert counts == {"kept": 1, "offered": 1, "waiting": 17, "went back": 1}
    assert (
        Rollouts(tmp_path / "updates", world.database, world.trust).offer(
            first[2], "BENCH", [0] * 4
        )
        == b""
    )
    done = subprocess.run(
        [*(sys.executable, "-m", "meterseal", "update", "status", "--data", str(tmp_path)),
         *("--trust", str(tmp_path / "trust.json"))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "PAUSED: 1 of 3 failed" in done.stdout


def row(kind: str, paused: str, *boards: str) -> dict[str, Any]:
    return {"kind": kind, "boards": boards, "paused": paused, "version": "1", "number": 1,
            "rings": []}  # fmt: skip


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ([row("code", ""), row("settings", "3 of 3 failed")], 1),
        ([row("code", "1 of 3 failed"), row("settings", "")], 1),
        ([row("code", ""), row("code", "1 of 3 failed")], 0),  # a newer one took its place
        ([row("code", "", "A"), row("code", "1 of 3 failed", "A", "B")], 1),
        ([row("code", "", "A"), row("code", "", "B"), row("code", "all", "A", "B")], 0),
        ([row("code", "", "A"), row("code", "1 of 3 failed")], 1),
        ([], 0),
    ],
)
def test_any_update_that_stands_still_is_told(
    monkeypatch: pytest.MonkeyPatch, table: list[dict[str, Any]], code: int
) -> None:
    shelf = SimpleNamespace(table=lambda: table, certificates=list)
    monkeypatch.setattr(verb, "_rollouts", lambda *_: shelf)
    with pytest.raises(typer.Exit) as left:
        verb.status(Path("data"), Path("trust.json"))
    assert left.value.exit_code == code


def test_a_good_one_reaches_everybody_ring_by_ring(tmp_path: Path) -> None:
    world = World(tmp_path, Plan(("15%", "40%", "rest"), good_permille=1000))
    sizes = []
    offered: set[str] = set()
    while len(offered) < COUNT:
        new = set(world.ask()) - offered
        sizes.append(len(new))
        for device in new:
            world.seal(device, ["kept", SETTINGS])
        offered |= new
    assert sizes == [3, 8, 9]
    assert world.page()[1][0]["paused"] == ""


@pytest.mark.parametrize(
    ("step", "stops"),
    [
        (["refused update-digest", SETTINGS], True),
        (["refused update-signature", ""], True),
        (["refused update-digest", "settings 0 settings 0"], False),
        (["went back", "settings 0 settings 0"], False),
    ],
)
def test_what_counts_against_an_update(tmp_path: Path, step: list[str], stops: bool) -> None:
    world = World(tmp_path, Plan(("15%", "rest")))
    world.seal(world.ask()[0], step)
    assert (world.ask() == []) is stops


def test_a_station_that_fell_silent_counts_as_failed(tmp_path: Path) -> None:
    world = World(tmp_path, Plan(("15%", "rest"), patience_s=3600))
    first = world.ask()
    for offered in (tmp_path / "updates").glob("*/offered/*"):  # anybody may have asked
        offered.write_text(str(int(offered.read_text()) - 3601))
    assert world.ask() == first
    world.seal(first[0], ["installed", SETTINGS])
    assert world.ask() == first
    with world.database.write() as connection:
        connection.execute(
            update(BATCHES).values(received_unix_ms=BATCHES.c.received_unix_ms - 3600_500)
        )
    world.rollouts = Rollouts(tmp_path / "updates", world.database, world.trust)
    assert world.ask() == []
    assert "silent" in world.page()[0]


def test_a_paused_one_goes_on_when_its_owner_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, Plan(("15%", "rest"), good_permille=1000))
    first = world.ask()
    world.seal(first[0], ["went back", SETTINGS])
    assert world.ask() == []
    resume = [sys.executable, "-m", "meterseal", "update", "resume", "settings", "1"]
    resume += ["--data", str(tmp_path), "--trust", str(tmp_path / "trust.json")]
    done = subprocess.run(resume, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and first[0] in done.stdout
    assert world.ask() == first
    again = subprocess.run(resume, capture_output=True, text=True, check=False)
    assert again.returncode == 1 and "update-not-paused" in again.stderr
    world.seal(first[1], ["kept", SETTINGS])
    assert world.ask() == first
    world.seal(first[2], ["went back", SETTINGS])
    assert world.ask() == []
    world.rollouts.resume("settings", 1)
    assert len(world.ask()) == COUNT  # of those that may still say something all kept it


def test_a_mixed_fleet_gets_what_is_made_for_each_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stations 0 to 9 are another board in the registry, 10 to 14 say that they are."""
    monkeypatch.setattr(sys.modules[__name__], "BOARDS", dict.fromkeys(range(10), "UNIX_SIM"))
    monkeypatch.setattr("meterseal.collector.updates.board_names", lambda: ["UNIX_SIM"])
    world = World(tmp_path, Plan(("40%", "rest"), good_permille=1000))
    devices = list(world.stations)
    others = dict.fromkeys(devices[10:15], "OTHER")
    world.ask(others)
    offered = world.ask(others)
    assert offered and not set(offered) & set(devices[:15])
    rings = world.page()[1][0]["rings"]
    inside = {one["device"] for ring in rings for one in ring["stations"]}
    assert inside == set(devices[15:]) and len(rings[0]["stations"]) == 2
    for device in offered:
        world.seal(device, ["kept", SETTINGS])
    assert set(world.ask(others)) == set(devices[15:])


def test_ids_that_nobody_has_are_refused(tmp_path: Path) -> None:
    world = World(tmp_path, Plan(("rest",)))
    with pytest.raises(UpdateError, match="00000000000000ab"):
        world.publish(2, Plan(("0" * 14 + "ab", "rest")))
    world.publish(2, Plan((next(iter(world.stations)), "rest")))
    assert len(world.ask()) == COUNT  # one of number 2, the others still of number 1


def test_an_update_is_known_by_kind_and_number(tmp_path: Path) -> None:
    world = World(tmp_path, Plan(("15%", "rest"), good_permille=1000))
    for device in world.ask():
        world.seal(device, ["kept", SETTINGS])
    assert len(world.ask()) == COUNT
    world.publish_image(1, Plan(("15%", "rest"), good_permille=1000))
    for device in world.stations:
        world.rollouts.offer(device, "BENCH", [0, 1, 0, 0])
    image = next(one for one in world.page()[1] if one["kind"] == "image")
    states = {one["state"] for ring in image["rings"] for one in ring["stations"]}
    assert states == {"offered", "waiting"}
    assert [ring["open"] for ring in image["rings"]] == [True, False]


def test_each_batch_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, Plan(("rest",)))
    first = world.ask()[:3]
    for device in first:
        for _ in range(10):
            world.seal(device, ["installed", SETTINGS])
    history = world.rollouts._history
    opened = []
    real = history._open
    monkeypatch.setattr(history, "_open", lambda raw: opened.append(1) or real(raw))
    world.ask()
    looked = len(opened)
    world.ask()
    world.seal(first[0], ["kept", SETTINGS])
    world.ask()
    print(f"30 batches of 3 stations: {looked} opened, then {len(opened) - looked} for a new one")
    assert (looked, len(opened)) == (30, 31)


def test_a_certificate_that_ends_is_on_the_page(tmp_path: Path) -> None:
    world = World(tmp_path, Plan(("rest",)))
    device = next(iter(world.stations))
    station = world.stations[device]
    payload = station.payload()
    payload[14] = [[15, station.boot, station.mono_ms, [0, 1800000000]]]
    world.keep(station.close(payload))
    page = world.page()[0]
    assert "uplink.ca_file" in page and "2027-01-15" in page and device in page


def test_what_is_offered_is_what_the_owner_signed(tmp_path: Path) -> None:
    world = World(tmp_path, Plan(("rest",)))
    offer = world.rollouts.offer(next(iter(world.stations)), "BENCH", [0, 0, 0, 0])
    assert read_manifest(offer, public_bytes(OWNER))[0].number == 1
    assert world.rollouts.offer(next(iter(world.stations)), "BENCH", [0, 1, 0, 0]) == b""
    assert world.rollouts.offer("00" * 8, "BENCH", [0, 0, 0, 0]) == b""  # nobody's


def offered_update(place: Path) -> Published:
    """An update on the shelf that one station was offered."""
    world = World(place, Plan(("rest",)))
    [one] = Shelf(place / "updates").updates()
    one.offer_to(next(iter(world.stations)))
    return one


def test_a_file_that_is_being_written_is_no_offer(tmp_path: Path) -> None:
    one = offered_update(tmp_path)
    before = one.offered()
    (one.directory / "offered" / ".00000000000000aa.12.345").write_text("1790000000")
    assert one.offered() == before and len(before) == 1


def test_a_mark_that_vanishes_is_no_offer(tmp_path: Path) -> None:
    one = offered_update(tmp_path)
    before = one.offered()
    (one.directory / "offered" / "00000000000000aa").symlink_to(tmp_path / "nothing")
    assert one.offered() == before


def test_an_offer_that_is_noted_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = offered_update(tmp_path)
    monkeypatch.setattr(Path, "write_bytes", lambda *_: pytest.fail("wrote a file"))
    one.offer_to(next(iter(one.offered())))


def test_an_update_that_is_being_published_is_not_on_the_shelf(tmp_path: Path) -> None:
    one = offered_update(tmp_path)
    half = one.directory.with_name(".9-settings")
    half.mkdir()
    (half / SIGNED).write_bytes(one.signed)
    assert [found.directory for found in Shelf(tmp_path / "updates").updates()] == [one.directory]
