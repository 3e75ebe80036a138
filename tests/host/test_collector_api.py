"""The collector's HTTP interface: answers, limits, refusals, receipts, shared commits."""

import asyncio
import hashlib
import itertools

import cbor2
import httpx
import pytest
import sqlalchemy.exc
from cryptography.hazmat.primitives.asymmetric import ec
from meterseal.collector import body
from meterseal.collector.app import create_app
from meterseal.collector.database import Database
from meterseal.collector.errors import not_stored
from meterseal.collector.intake import Intake
from meterseal.collector.rates import Buckets, Rate, Rates
from meterseal.collector.receipt import MAX_ACKS, ReceiptSigner, load_or_create
from meterseal.collector.records import Head, Refused
from meterseal.collector.store import Store
from meterseal.errors import EnvironmentProblem
from meterseal.trust import parse_trust
from meterseal.verify import Opener
from support.fast_station import FastStation, trust_of

SEQUENCE = {"content-type": "application/cbor-seq"}


class CountingStore(Store):
    """Counts transactions, and can be made to fail as a full disk does."""

    transactions = 0
    fail_if = staticmethod(lambda uploads: False)

    def keep(self, uploads):
        self.transactions += 1
        if self.fail_if(uploads):
            raise sqlalchemy.exc.OperationalError("INSERT", (), OSError("disk full"))
        return super().keep(uploads)


@pytest.fixture
def stations():
    return [FastStation() for _ in range(20)]


@pytest.fixture
def intake(tmp_path, stations):
    database = Database(f"sqlite:///{tmp_path}/c.sqlite")
    database.migrate()
    opener = Opener(parse_trust(trust_of(stations))).open_all
    return Intake(CountingStore(database), opener, load_or_create(tmp_path / "receipt.key"))


def run(intake, scenario):
    """Run `scenario(client)` against the application in one event loop."""

    async def inside():
        transport = httpx.ASGITransport(app=create_app(intake))
        async with httpx.AsyncClient(transport=transport, base_url="https://c") as client:
            try:
                return await scenario(client)
            finally:
                intake.close()

    return asyncio.run(inside())


def post(intake, content, **headers):
    return run(
        intake,
        lambda client: client.post("/v1/batches", content=content, headers=SEQUENCE | headers),
    )


def get(intake, path):
    return run(intake, lambda client: client.get(path))


def test_an_upload_is_acknowledged_and_exported(intake, stations):
    batches = stations[0].seals(3)
    answer = post(intake, b"".join(batches)).json()
    ack = {"device": stations[0].kid.hex(), "chain": stations[0].chain.hex(), "number": 3}
    assert answer["acks"] == [ack | {"hash": stations[0].head.hex()}]
    assert "resend" not in answer and "refused" not in answer
    assert get(intake, f"/v1/head?device={stations[0].kid.hex()}").json()["acks"] == answer["acks"]
    export = get(intake, "/v1/export")
    assert export.content == b"".join(batches)
    assert export.headers["content-type"] == "application/cbor-seq"
    other = get(intake, f"/v1/export?device={stations[1].kid.hex()}")
    assert other.status_code == 200 and other.content == b""


def test_a_gap_is_answered_with_resend(intake, stations):
    first, _, third = stations[0].seals(3)
    answer = post(intake, first + third).json()
    assert [ack["number"] for ack in answer["acks"]] == [1]
    assert [item["number"] for item in answer["resend"]] == [2]


def test_refused_batches_are_named_by_their_code(intake, stations):
    first = stations[0].seal()
    answer = post(intake, FastStation().seal() + first).json()
    assert answer["refused"] == ["key-unknown"]
    assert [ack["number"] for ack in answer["acks"]] == [1]


def test_an_empty_upload_acknowledges_nothing(intake):
    answer = post(intake, b"").json()
    assert answer["acks"] == [] and "receipt" not in answer


def test_a_body_too_long_is_refused_whole(intake, stations):
    batch = stations[0].seal()
    answer = post(intake, batch + bytes(body.MAX_BODY_BYTES))
    assert (answer.status_code, answer.json()["code"]) == (413, "upload-too-large")
    assert get(intake, "/v1/export").content == b""


def test_a_body_of_the_greatest_length_is_taken(intake, stations):
    batch = stations[0].seal()
    answer = post(intake, batch + bytes(body.MAX_BODY_BYTES - len(batch)))
    assert answer.status_code == 200 and answer.json()["acks"]


def test_compressed_bodies_are_refused(intake, stations):
    answer = post(intake, stations[0].seal(), **{"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (415, "upload-encoding")


def test_a_slow_body_is_refused(intake, monkeypatch):
    monkeypatch.setattr(body, "BODY_TIMEOUT_S", 0.05)

    async def slow():
        yield b"\xd2"
        await asyncio.sleep(3600)

    answer = post(intake, slow())
    assert (answer.status_code, answer.json()["code"]) == (408, "upload-slow")


@pytest.mark.parametrize("device", ["", "00", "zz" * 8, "00" * 9])
def test_a_device_id_that_is_none_is_refused(intake, device):
    assert get(intake, f"/v1/head?device={device}").status_code == 422
    assert get(intake, f"/v1/export?device={device}").status_code == 422


def test_time_health_and_readiness(intake):
    assert get(intake, "/v1/time").json()["time_unix_ms"] > 1_700_000_000_000
    assert get(intake, "/healthz").status_code == 200
    assert get(intake, "/readyz").status_code == 200


def test_readiness_takes_the_lock_once_a_second_at_most(intake, monkeypatch):
    calls = []

    def check():
        calls.append(1)
        if len(calls) == 1:
            raise not_stored()

    monkeypatch.setattr(intake.store, "check", check)

    async def scenario(client):
        return [(await client.get("/readyz")).status_code for _ in range(50)]

    assert run(intake, scenario) == [503] + [200] * 49
    assert len(calls) < 25


def test_many_requests_share_a_commit(intake, stations):
    bodies = [station.seal() for station in stations]

    async def scenario(client):
        return await asyncio.gather(
            *(client.post("/v1/batches", content=one, headers=SEQUENCE) for one in bodies)
        )

    answers = run(intake, scenario)
    assert all(answer.json()["acks"][0]["number"] == 1 for answer in answers)
    assert intake.store.transactions < len(stations)


def test_without_a_commit_there_is_no_acknowledgement(intake, stations):
    intake.store.fail_if = lambda uploads: True
    answer = post(intake, stations[0].seal())
    assert (answer.status_code, answer.json()["code"]) == (503, "collector-store")
    assert answer.headers["retry-after"]
    intake.store.fail_if = lambda uploads: False
    assert get(intake, "/v1/export").content == b""


def test_an_upload_that_cannot_be_stored_does_not_take_others_with_it(intake, stations):
    poisoned = stations[7].kid
    intake.store.fail_if = lambda uploads: any(
        batch.device == poisoned for upload in uploads for batch in upload.kept
    )
    bodies = [station.seal() for station in stations]

    async def scenario(client):
        return await asyncio.gather(
            *(client.post("/v1/batches", content=one, headers=SEQUENCE) for one in bodies)
        )

    statuses = [answer.status_code for answer in run(intake, scenario)]
    assert statuses == [503 if station.kid == poisoned else 200 for station in stations]


def test_a_receipt_verifies_with_a_foreign_library(intake, stations, tmp_path):
    from cwt import COSE, COSEAlgs, COSEKey

    answer = post(intake, stations[0].seal() + stations[1].seal()).json()
    public = load_or_create(tmp_path / "receipt.key").public_65
    key = COSEKey.new(
        {1: 2, -1: 1, -2: public[1:33], -3: public[33:], 3: COSEAlgs.ES256, 2: kid_of(public)}
    )
    receipt = bytes.fromhex(answer["receipt"])
    content = cbor2.loads(COSE.new(kid_auto_inclusion=False).decode(receipt, key))
    assert content == {
        0: 1,
        1: answer["time_unix_ms"],
        2: [[one.kid, one.chain, 1, one.head] for one in stations[:2]],
    }
    protected = cbor2.loads(cbor2.loads(receipt).value[0])
    assert protected == {1: -7, 3: 65004, 4: kid_of(public)}


def kid_of(public):
    x, y = public[1:33], public[33:]
    return hashlib.sha256(cbor2.dumps({1: 2, -1: 1, -2: x, -3: y})).digest()[:8]


def test_receipts_fit_into_a_batch():
    signer = ReceiptSigner(ec.generate_private_key(ec.SECP256R1()))
    heads = [Head(bytes(8), bytes(16), (1 << 63) - 1, bytes(32), None)] * (MAX_ACKS + 5)
    receipt = signer.sign(heads, (1 << 63) - 1)
    assert len(receipt) <= 1024
    assert len(cbor2.loads(cbor2.loads(receipt).value[2])[2]) == MAX_ACKS


def test_receipts_have_the_lower_s():
    signer = ReceiptSigner(ec.generate_private_key(ec.SECP256R1()))
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for number in itertools.islice(itertools.count(1), 20):
        receipt = signer.sign([Head(bytes(8), bytes(16), number, bytes(32), None)], 1)
        assert int.from_bytes(receipt[-32:], "big") <= order // 2


def test_the_receipt_key_is_kept_and_never_replaced(tmp_path):
    path = tmp_path / "receipt.key"
    first = load_or_create(path).public_65
    assert load_or_create(path).public_65 == first
    assert path.stat().st_mode & 0o077 == 0
    path.write_text("damaged")
    with pytest.raises(EnvironmentProblem) as caught:
        load_or_create(path)
    assert caught.value.code == "collector-receipt-key"
    assert path.read_text() == "damaged"


def test_garbage_is_limited_and_what_verifies_is_not(intake, stations):
    """From one address: a device that nobody knows, and stations behind the same router."""
    intake.rates = Rates(of_address=Rate(20_000, 10))
    garbage = [bytes([number]) * 5000 for number in range(1, 9)]

    async def scenario(client):
        statuses = []
        for number, one in enumerate(garbage):
            answer = await client.post("/v1/batches", content=one, headers=SEQUENCE)
            statuses.append(answer.status_code)
            good = stations[0].seal()
            both = await client.post("/v1/batches", content=good + one, headers=SEQUENCE)
            assert both.json()["acks"][0]["number"] == number + 1
            assert both.json()["refused"] == ["cose-tag"]
        return statuses, answer

    statuses, last = run(intake, scenario)
    assert statuses[:1] == [200] and statuses[3:] == [429] * 5
    assert last.json()["code"] == "upload-rate" and int(last.headers["retry-after"]) > 100


def test_a_bucket_fills_again():
    now = [0.0]
    buckets = Buckets(Rate(1000, 10), lambda: now[0])
    assert buckets.wait_s("a", 1000) == 0
    buckets.take("a", 1000)
    assert buckets.wait_s("a", 500) == 50 and buckets.wait_s("b", 500) == 0
    now[0] = 20.0
    assert buckets.wait_s("a", 500) == 30
    now[0] = 50.0
    assert buckets.wait_s("a", 500) == 0


def test_a_device_has_a_rate_of_its_own_whatever_address_it_has():
    rates = Rates(of_device=Rate(2000, 10))
    mine, other = (Refused("key-unknown", bytes(900), device) for device in (b"mine", b"other"))
    assert rates.wait_s("1.1.1.1", [mine]) == 0
    assert rates.wait_s("2.2.2.2", [mine]) > 0
    assert rates.wait_s("2.2.2.2", [other]) == 0
