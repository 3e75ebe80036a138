"""A collector's administrator who changes the database: `meterseal audit` finds it.

Two stations report to a real collector store; then somebody with all rights writes to its tables.
The receipts come from the collector's own signer, as the stations keep and state them.
"""

import hashlib
import json
import os
import resource

import cbor2
import pytest
import sqlalchemy
from cryptography.hazmat.primitives import serialization
from meterseal.audit import spans
from meterseal.audit.run import Context, run
from meterseal.audit.sources import jobs_of_files
from meterseal.audit.spans import spans_of_files
from meterseal.cli.main import main
from meterseal.collector.database import Database
from meterseal.collector.ingest import sort_in, split_sequence
from meterseal.collector.receipt import load_or_create
from meterseal.collector.records import Upload
from meterseal.collector.store import Store
from meterseal.resources import profiles_dir
from meterseal.trust import parse_trust
from meterseal.verify import Opener
from support.fast_station import READINGS, FastStation, hour_of_readings, trust_of
from support.meanwhile import at_row
from support.postgres import running_postgres

COUNT = 8
ENERGY, RISE = [4, 72, 2], 1 << 17


class HourlyStation(FastStation):
    """Seals one hour after the other: time and register go on."""

    def seal(self, **changes):
        shift_ms = self.number * 3_600_000
        payload = cbor2.loads(cbor2.dumps(hour_of_readings()))
        for anchor in payload.get(8, ()):
            anchor[1] += shift_ms
            anchor[2] += shift_ms
        for group in payload[13]:
            group[4][0] += shift_ms // 100
            for column in group[6]:
                if column[:3] == ENERGY:
                    column[4] += RISE * self.number
        profile = (profiles_dir() / f"{payload[12][0][0]}.json").read_bytes()
        payload[12][0][1] = hashlib.sha256(profile).digest()[:16]
        moved = {f"k{key}": payload[key] for key in (8, 12, 13) if key in payload}
        moved |= {"k5": payload[5] + shift_ms, "k11": 0}
        return super().seal(**(moved | changes))


class World:
    """Two stations, what they sealed, and the database that has it."""

    def __init__(self, folder, url):
        self.folder, self.url = folder, url
        self.stations = [HourlyStation(), HourlyStation()]
        self.trust = folder / "trust.json"
        self.trust.write_bytes(trust_of(self.stations))
        self.opener = Opener(parse_trust(self.trust.read_bytes()))
        database = Database(url)
        database.migrate()
        self.store = Store(database)
        self.signer = load_or_create(folder / "receipt.key")
        for _ in range(COUNT):
            for station in self.stations:
                self.send(station.seal())

    def send(self, *batches):
        """Upload; the answer as its sender keeps it."""
        upload = Upload([], [])
        pieces = list(split_sequence(b"".join(batches)))
        sort_in(zip(pieces, self.opener.open_all(pieces), strict=True), upload)
        heads = self.store.keep([upload])[0]
        acks = [
            {
                "device": head.device.hex(),
                "chain": head.chain.hex(),
                "number": head.number,
                "hash": head.hash.hex(),
            }
            for head in heads
        ]
        return {"acks": acks, "receipt": self.signer.sign(heads, 1_790_000_000_000).hex()}

    def tamper(self, sql, **values):
        """What an administrator types."""
        url = self.url.replace("postgresql:", "postgresql+psycopg:", 1)
        engine = sqlalchemy.create_engine(url)
        with engine.begin() as connection:
            result = connection.execute(sqlalchemy.text(sql), values)
            assert result.rowcount, sql
        engine.dispose()

    def chain(self, index):
        """Id of a station's chain in the tables."""
        with Database(self.url).read() as connection:
            query = sqlalchemy.text("SELECT id FROM chains WHERE device = :device")
            return connection.execute(query, {"device": self.stations[index].kid}).scalar_one()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    with running_postgres(tmp_path_factory.mktemp("postgres") / "data") as url:
        yield url


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, f"sqlite:///{tmp_path}/collector.sqlite")


def audit(world, capsys, *more):
    """(exit code, error codes of both devices) of `meterseal audit --json`."""
    arguments = ["audit", "--database", world.url, "--trust", str(world.trust), "--json"]
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--jobs", "1", *map(str, more)])
    found = json.loads(capsys.readouterr().out)
    codes = {
        one["device"]: {f["code"] for f in one["findings"] if f["severity"] == "error"}
        for one in found["devices"]
    }
    return left.value.code, [codes.get(station.kid.hex()) for station in world.stations], found


def expect(world, capsys, first, second=frozenset(), *more):
    code, found, _ = audit(world, capsys, *more)
    assert code == (1 if first or second else 0)
    assert found == [set(first), set(second)]


def test_untouched(world, capsys, tmp_path):
    code, found, everything = audit(world, capsys, "--html", tmp_path / "audit.html")
    assert (code, found) == (0, [set(), set()])
    for one in everything["devices"]:
        assert one["verified"] == COUNT and one["readings"] == COUNT * READINGS
        assert "".join(one["coverage"].values()).count("p") in (COUNT, COUNT + 1)
        assert one["energy_import_mwh"] > 0
    page = (tmp_path / "audit.html").read_text()
    assert "verified" in page and page.count('class="p"') > COUNT


def test_a_batch_in_the_middle_is_deleted(world, capsys):
    world.tamper(
        "DELETE FROM batches WHERE chain_id = :chain AND number = 4", chain=world.chain(0)
    )
    expect(world, capsys, {"chain-gap", "table-differs"})
    _, _, found = audit(world, capsys)
    assert any("m" in "".join(one["coverage"].values()) for one in found["devices"])


def test_the_front_is_deleted(world, capsys):
    chain = world.chain(0)
    world.tamper("DELETE FROM batches WHERE chain_id = :c AND number <= 5", c=chain)
    world.tamper("UPDATE batches SET linked = 0 WHERE chain_id = :c", c=chain)
    expect(world, capsys, {"chain-start", "table-differs"})


def delete_tail(world, first):
    """Batches from `first` on are gone, and the tables agree that they never were."""
    chain = world.chain(0)
    world.tamper(
        "UPDATE chains SET number = :n, highest = :n, hash = "
        "(SELECT hash FROM batches WHERE chain_id = :c AND number = :n) WHERE id = :c",
        n=first - 1,
        c=chain,
    )
    world.tamper("DELETE FROM batches WHERE chain_id = :c AND number >= :n", c=chain, n=first)


def test_the_tail_is_deleted_but_the_tables_still_say_it(world, capsys):
    world.tamper("DELETE FROM batches WHERE chain_id = :c AND number >= 7", c=world.chain(0))
    expect(world, capsys, {"table-differs"})


def test_the_tail_is_deleted_and_the_station_goes_on(world, capsys):
    delete_tail(world, 7)
    world.send(world.stations[0].seal())
    expect(world, capsys, {"chain-gap"})


def test_the_tail_is_deleted_everywhere_but_somebody_kept_a_head(world, capsys, tmp_path):
    _, _, before = audit(world, capsys)
    (tmp_path / "before.json").write_text(json.dumps(before))
    delete_tail(world, 7)
    expect(world, capsys, set())  # nothing inside says so: SECURITY.md, "The tail"
    expect(world, capsys, {"head-missing"}, set(), "--heads", tmp_path / "before.json")


def public_key(world):
    path = world.folder / "receipt.pub.pem"
    private = serialization.load_pem_private_key((world.folder / "receipt.key").read_bytes(), None)
    path.write_bytes(
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return path


def test_acknowledged_and_thrown_away(world, capsys, tmp_path):
    """The station keeps the receipt; the collector signed what it cannot show."""
    answer = world.send(world.stations[0].seal())
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    delete_tail(world, COUNT + 1)
    more = ("--heads", tmp_path / "answer.json", "--collector-key", public_key(world))
    expect(world, capsys, {"head-missing"}, set(), *more)


def test_a_receipt_in_another_stations_batch_gives_a_deleted_tail_away(world, capsys):
    """Both stations upload through one gateway, so that each holds a receipt over both."""
    first, second = world.stations
    answer = world.send(first.seal() + second.seal())
    receipt = bytes.fromhex(answer["receipt"])
    world.send(second.seal(k19=receipt))
    expect(world, capsys, set(), set(), "--collector-key", public_key(world))
    delete_tail(world, COUNT + 1)
    expect(world, capsys, {"head-missing"}, set(), "--collector-key", public_key(world))


def test_a_device_is_deleted_altogether(world, capsys, tmp_path):
    _, _, before = audit(world, capsys)
    (tmp_path / "before.json").write_text(json.dumps(before))
    chain = world.chain(0)
    world.tamper("DELETE FROM batches WHERE chain_id = :c", c=chain)
    world.tamper("DELETE FROM chains WHERE id = :c", c=chain)
    expect(world, capsys, {"no-batches"})
    expect(
        world, capsys, {"head-missing", "no-batches"}, set(), "--heads", tmp_path / "before.json"
    )


def test_one_content_of_a_fork_is_deleted(world, capsys):
    """Both contents came; the tables still know it, the bytes of one are gone."""
    first = world.stations[0]
    twin = first.fork()
    world.send(first.seal())
    world.send(twin.seal(k4=7))
    assert "chain-fork" in audit(world, capsys)[1][0]
    world.tamper(
        "DELETE FROM batches WHERE chain_id = :c AND hash = :h", c=world.chain(0), h=twin.head
    )
    expect(world, capsys, {"table-differs"})
    world.tamper("DELETE FROM equivocations WHERE chain_id = :c", c=world.chain(0))
    expect(world, capsys, {"table-differs"})


@pytest.mark.parametrize("batches", [40, 1100])
def test_an_old_head_tells_a_chain_that_was_sealed_anew(tmp_path, capsys, batches):
    """Whoever holds the key writes the past again; somebody kept one head of it."""
    station = HourlyStation()
    station.seals(20)
    head = {"device": station.kid.hex(), "chain": station.chain.hex(), "number": 20}
    heads = tmp_path / "heads.json"
    heads.write_text(json.dumps({"acks": [head | {"hash": station.head.hex()}]}))
    liar = HourlyStation(station.key, station.chain)
    archive, trust = tmp_path / "all.cborseq", tmp_path / "trust.json"
    archive.write_bytes(b"".join(liar.seal(k4=2) for _ in range(batches)))
    trust.write_bytes(trust_of([station]))
    with pytest.raises(SystemExit) as left:
        main(["audit", str(archive), "--trust", str(trust), "--heads", str(heads), "--jobs", "1"])
    assert left.value.code == 1 and "head-differs" in capsys.readouterr().err


def test_a_receipt_in_another_stations_batch_gives_a_chain_sealed_anew_away(world, capsys):
    """What a receipt says of other stations is compared by hash, not by number alone."""
    first, second = world.stations
    answer = world.send(first.seal() + second.seal())
    world.send(second.seal(k19=bytes.fromhex(answer["receipt"])))
    liar = HourlyStation(first.key, first.chain)
    lies = [liar.seal(k4=2) for _ in range(COUNT + 1)]
    world.tamper("DELETE FROM batches WHERE chain_id = :c", c=world.chain(0))
    world.tamper("DELETE FROM chains WHERE device = :d", d=first.kid)
    world.send(b"".join(lies))
    expect(world, capsys, {"head-differs"}, set(), "--collector-key", public_key(world))


def test_two_devices_are_swapped(world, capsys):
    one, other = (station.kid for station in world.stations)
    chains = world.chain(0), world.chain(1)
    for chain, kid in ((chains[0], bytes(8)), (chains[1], one), (chains[0], other)):
        world.tamper("UPDATE chains SET device = :kid WHERE id = :c", kid=kid, c=chain)
    expect(world, capsys, {"table-differs"}, {"table-differs"})


def test_bytes_of_two_devices_are_swapped(world, capsys):
    values = {"a": world.chain(0), "b": world.chain(1)}
    swap = (
        "UPDATE batches SET chain_id = -1 WHERE chain_id = :a AND number = 5",
        "UPDATE batches SET chain_id = :a WHERE chain_id = :b AND number = 5",
        "UPDATE batches SET chain_id = :b WHERE chain_id = -1",
    )
    for sql in swap:
        used = {name: value for name, value in values.items() if f":{name}" in sql}
        world.tamper(sql, **used)
    code, found, _ = audit(world, capsys)
    assert code == 1 and all({"table-differs", "chain-gap"} <= codes for codes in found)


def insert(world, number, raw):
    world.tamper(
        "INSERT INTO batches (chain_id, number, hash, previous, linked, raw, received_unix_ms)"
        " VALUES (:c, :n, :h, NULL, 1, :raw, 0)",
        c=world.chain(0),
        n=number,
        h=hashlib.sha256(raw).digest(),
        raw=raw,
    )


def test_an_old_batch_is_replayed_as_a_new_one(world, capsys):
    raw = next(world.store.raw_batches(world.stations[0].kid))
    insert(world, COUNT + 1, raw)
    expect(world, capsys, {"table-differs"})


def test_an_invented_batch_is_inserted(world, capsys):
    stranger = HourlyStation(chain=world.stations[0].chain)
    stranger.number, stranger.head = COUNT, world.stations[0].head
    insert(world, COUNT + 1, stranger.seal())
    code, found, _ = audit(world, capsys)
    assert code == 1 and "key-unknown" in found[0]


def test_a_register_inside_the_bytes_is_changed(world, capsys):
    raw = list(world.store.raw_batches(world.stations[0].kid))[2]
    changed = raw[:-200] + bytes([raw[-200] ^ 1]) + raw[-199:]
    world.tamper(
        "UPDATE batches SET raw = :raw WHERE chain_id = :c AND number = 3",
        raw=changed,
        c=world.chain(0),
    )
    code, found, _ = audit(world, capsys)
    assert code == 1 and found[0] & {"signature-invalid", "cose-structure"}


@pytest.mark.parametrize(
    "column", ["number = number + 100", "hash = previous", "previous = hash", "linked = 0"]
)
def test_the_tables_are_changed_but_not_the_bytes(world, capsys, column):
    world.tamper(
        f"UPDATE batches SET {column} WHERE chain_id = :c AND number = {COUNT}", c=world.chain(0)
    )
    expect(world, capsys, {"table-differs"})


def test_the_head_in_the_tables_is_raised(world, capsys):
    """A lie that would make a station free what the collector does not have."""
    world.tamper("UPDATE chains SET number = 99, highest = 99 WHERE id = :c", c=world.chain(0))
    expect(world, capsys, {"table-differs"})


def test_batches_cut_off_from_their_chain(world, capsys):
    world.tamper("UPDATE batches SET chain_id = 4711 WHERE chain_id = :c", c=world.chain(0))
    code, found, everything = audit(world, capsys)
    assert code == 1 and found[0] == {"table-differs", "no-batches"}
    assert any(not one["device"] for one in everything["devices"])


def test_on_postgresql(postgres, tmp_path, capsys, monkeypatch):
    from support.postgres import new_database

    world = World(tmp_path, new_database(postgres))
    first = min(world.stations, key=lambda one: one.kid)
    left = at_row(monkeypatch, 3, lambda: world.send(first.seal()))  # uploaded meanwhile
    expect(world, capsys, set())
    assert not left
    world.tamper("DELETE FROM batches WHERE chain_id = :c AND number = 4", c=world.chain(1))
    expect(world, capsys, set(), {"chain-gap", "table-differs"})


def test_files_in_any_order_that_overlap(tmp_path, capsys):
    """Exports of months, written twice, named part1 to part12: one whole chain all the same."""
    station = HourlyStation()
    batches, trust = station.seals(1_200), tmp_path / "trust.json"
    trust.write_bytes(trust_of([station]))
    folder = tmp_path / "archive"
    folder.mkdir()
    for part in range(12):
        (folder / f"part{part + 1}.cborseq").write_bytes(b"".join(batches[part * 100 :][:150]))
    with pytest.raises(SystemExit) as verified:
        main(["verify", str(folder), "--trust", str(trust)])
    (folder / "again.cborseq").write_bytes(b"".join(batches))
    (folder / "mixed.cborseq").write_bytes(b"".join([*batches[700:720], b"junk", *batches[:9]]))
    with pytest.raises(SystemExit) as audited:
        main(["audit", str(folder), "--trust", str(trust), "--json", "--jobs", "1"])
    out = capsys.readouterr().out
    found = json.loads(out[out.index("{") :])
    whole = next(one for one in found["devices"] if one["device"])
    assert (verified.value.code, audited.value.code) == (0, 1)  # the junk is refused
    assert whole["good"] and (whole["verified"], whole["repeated"]) == (1_200, 0)


def test_more_exports_than_files_may_be_open(tmp_path):
    """Every one of them overlaps with all others; junk stands in some."""
    station = HourlyStation()
    batches = b"".join(station.seals(4))
    for part in range(60):
        (tmp_path / f"{part}.cborseq").write_bytes(batches + b"junk" * (part % 2))
    context = Context(trust_of([station]))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 30, limits[1]))
    try:
        junk, whole = run(context, jobs_of_files([tmp_path]), workers=1).devices
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert whole.good and (whole.verified, whole.repeated) == (4, 0)
    assert junk.refused == 30 and not junk.device


def test_a_span_is_read_in_blocks(tmp_path, monkeypatch):
    """Where a block ends inside a batch, the next one begins with it."""
    batches = HourlyStation().seals(9)
    (tmp_path / "a.cborseq").write_bytes(b"".join(batches))
    [found] = spans_of_files([tmp_path]).values()
    for length in range(len(batches[-1]), len(batches[-1]) * 3, 101):
        monkeypatch.setattr(spans, "_BLOCK_LEN", length)
        assert list(spans.batches_of(found)) == batches


def test_files_processes_and_dask_say_the_same(world, capsys, tmp_path):
    """A file, the database in two processes, and two Dask workers: one result."""
    export = tmp_path / "export.cborseq"
    export.write_bytes(b"".join(world.store.raw_batches()))
    ways = (
        [str(export), "--jobs", "1"],
        ["--database", world.url, "--jobs", "2"],
        [str(export), "--dask", "local:2"],
    )
    results = []
    for way in ways:
        with pytest.raises(SystemExit) as left:
            main(["audit", *way, "--trust", str(world.trust), "--json"])
        results.append((left.value.code, json.loads(capsys.readouterr().out)))
    assert results[0][0] == 0 and results[0] == results[1] == results[2]
