"""The collector's table and page of charging sessions: verified again, without any name."""

import asyncio
import base64
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from meterseal.collector.app import create_app
from meterseal.collector.database import Database
from meterseal.collector.intake import Intake
from meterseal.collector.receipt import load_or_create
from meterseal.collector.sessions import Sessions, add_routes
from meterseal.collector.store import Store
from meterseal.mrv.pack import member, write_pack
from meterseal.trust import load_trust
from meterseal.verify import Opener
from meterseal.verify.totals import ProfileTotals
from support.session_files import WHO, SessionFiles

SEQUENCE = {"content-type": "application/cbor-seq"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SessionFiles:
    return SessionFiles(tmp_path_factory.mktemp("sessions"))


def answers(made: SessionFiles, place: Path, paths: list[str]) -> list[Any]:
    """Answers to GET requests of a collector that was sent the station's batches."""
    database = Database(f"sqlite:///{place}/c.sqlite")
    database.migrate()
    trust = load_trust(made.trust, [])
    store = Store(database)
    intake = Intake(store, Opener(trust).open_all, load_or_create(place / "receipt.key"))
    app = create_app(intake)
    add_routes(app, Sessions(store, trust, ProfileTotals.load(made.profiles)))

    async def inside() -> list[Any]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="https://c") as client:
            body = b"".join(made.batches)
            sent = await client.post("/v1/batches", content=body, headers=SEQUENCE)
            assert sent.json()["acks"]
            found = [await client.get(path) for path in paths]
            intake.close()
            return found

    return asyncio.run(inside())


def device_of(made: SessionFiles) -> str:
    (kid,) = load_trust(made.trust, []).keys
    return kid.hex()


def test_sessions_are_verified_and_listed(made: SessionFiles, tmp_path: Path) -> None:
    device = device_of(made)
    table, page, index = answers(
        made,
        tmp_path,
        [f"/v1/sessions?device={device}", f"/sessions?device={device}", "/sessions"],
    )
    found = table.json()
    assert len(found["sessions"]) == 3 and not found["refused"]
    for one in found["sessions"]:
        assert one["good"] and not one["findings"]
        energy = float(one["end_kwh"]) - float(one["begin_kwh"])
        assert float(one["energy_kwh"]) == pytest.approx(energy) and energy > 0
        assert one["page"] in page.text and one["energy_kwh"] in page.text
    assert page.text.count('class="good">proven') == 3
    assert f"/sessions?device={device}" in index.text


def test_no_name_is_shown(made: SessionFiles, tmp_path: Path) -> None:
    device = device_of(made)
    paths = [f"/v1/sessions?device={device}", f"/sessions?device={device}", "/v1/export"]
    for answer in answers(made, tmp_path, paths):
        assert not names_in(answer.content)


def names_in(data: bytes) -> list[str]:
    """Identifiers of the tests that stand in the bytes, plain or encoded."""
    forms = {name: name.encode() for name in WHO}
    return [
        name
        for name, plain in forms.items()
        if any(
            form in data
            for form in (plain, plain.hex().encode(), plain[::-1], base64.b64encode(plain)[:-4])
        )
    ]


def test_no_name_in_an_evidence_pack(made: SessionFiles, tmp_path: Path) -> None:
    members = [member(f"batches/{n}", raw) for n, raw in enumerate(made.batches)]
    members.append(member("registry/trust.json", made.trust.read_bytes()))
    write_pack(tmp_path / "pack.zip", {}, members)
    with zipfile.ZipFile(tmp_path / "pack.zip") as pack:
        whole = b"".join(pack.read(name) for name in pack.namelist())
    assert b"OCMF|" in whole and not names_in(whole)
    assert names_in(whole + WHO[0].encode()) == [WHO[0]]


def test_unknown_and_malformed_devices(made: SessionFiles, tmp_path: Path) -> None:
    unknown, malformed = answers(
        made, tmp_path, ["/v1/sessions?device=" + "0" * 16, "/sessions?device=<script>"]
    )
    assert unknown.json()["sessions"] == []
    assert malformed.status_code == 422 and "<script>" not in malformed.headers["content-type"]
