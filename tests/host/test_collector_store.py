"""What the collector keeps, acknowledges, asks for again and never believes."""

import itertools
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from meterseal.collector.database import Database
from meterseal.collector.errors import CollectorError
from meterseal.collector.ingest import MAX_STORED
from meterseal.collector.quarantine import ROW_COST, Quotas
from meterseal.collector.records import Upload
from meterseal.collector.store import Store
from meterseal.errors import EnvironmentProblem
from support.collector_bench import Bench
from support.fast_station import FastStation
from support.postgres import new_database, running_postgres


@pytest.fixture
def station():
    return FastStation()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    with running_postgres(tmp_path_factory.mktemp("postgres") / "data") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request, tmp_path):
    """URL of a database of its own, empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/c.sqlite"
    return new_database(request.getfixturevalue("postgres"))


@pytest.fixture
def bench(database_url, station):
    bench = Bench(database_url, [station])
    yield bench
    bench.database.engine.dispose()


def place(heads):
    """(number, missing) of the only head."""
    [head] = heads
    return head.number, head.missing


def test_batches_in_order_move_the_head(bench, station):
    for number, raw in enumerate(station.seals(3), 1):
        assert place(bench.send(raw)) == (number, None)
    [head] = bench.store.heads(station.kid)
    assert (head.number, head.hash, head.chain) == (3, station.head, station.chain)


def test_bytes_are_kept_verbatim_and_in_order(bench, station):
    batches = station.seals(5)
    bench.send(*batches[3:])
    bench.send(*batches[:3])
    assert list(bench.store.raw_batches()) == batches
    assert list(bench.store.raw_batches(station.kid)) == batches
    assert list(bench.store.raw_batches(bytes(8))) == []


def test_export_goes_on_over_pages(bench, station, monkeypatch):
    monkeypatch.setattr("meterseal.collector.store.PAGE", 3)
    batches = station.seals(10)
    bench.send(*batches)
    assert list(bench.store.raw_batches()) == batches


def test_sending_twice_is_harmless(bench, station):
    batches = station.seals(4)
    bench.send(*batches)
    assert place(bench.send(*batches)) == (4, None)
    assert place(bench.send(batches[1])) == (4, None)
    assert place(bench.send(batches[3], batches[3])) == (4, None)
    assert list(bench.store.raw_batches()) == batches
    assert bench.rows("SELECT forked FROM chains") == [(0,)]


def test_the_same_batch_in_two_uploads_of_one_transaction_is_kept_once(bench, station):
    [first] = station.seals(1)
    heads = bench.store.keep([bench.upload(first), bench.upload(first)])
    assert [place(one) for one in heads] == [(1, None), (1, None)]
    assert list(bench.store.raw_batches()) == [first]


def test_behind_a_gap_nothing_is_acknowledged_until_it_is_closed(bench, station):
    b = station.seals(6)
    assert place(bench.send(b[0], b[1], b[2])) == (3, None)
    assert place(bench.send(b[4])) == (3, 4)
    assert place(bench.send(b[5])) == (3, 4)
    assert place(bench.store.heads(station.kid)) == (3, 4)
    assert place(bench.send(b[3])) == (6, None)


def test_without_the_first_batch_nothing_is_acknowledged(bench, station):
    b = station.seals(3)
    assert place(bench.send(b[1], b[2])) == (0, 1)
    assert place(bench.send(b[0])) == (3, None)


@pytest.mark.parametrize("seed", range(10))
def test_any_order_with_repetitions_ends_with_everything(bench, station, seed):
    rng = random.Random(seed)
    batches = station.seals(9)
    order = batches + rng.choices(batches, k=6)
    rng.shuffle(order)
    while order:
        count = rng.randint(1, 4)
        heads = bench.send(*order[:count])
        order = order[count:]
    assert place(heads) == (9, None)
    assert list(bench.store.raw_batches()) == batches


def test_a_stated_loss_closes_the_gap(bench, station):
    bench.send(*station.seals(3))
    lost = station.skip(2)
    assert place(bench.send(station.seal(k15=[lost]))) == (6, None)


def test_a_loss_stated_later_closes_the_gap_then(bench, station):
    bench.send(*station.seals(2))
    lost = station.skip(3)
    assert place(bench.send(*station.seals(2))) == (2, 3)
    assert place(bench.send(station.seal(k15=[lost]))) == (8, None)


def test_two_losses_side_by_side(bench, station):
    bench.send(station.seal())
    losses = [station.skip(2), station.skip(1)]
    assert place(bench.send(station.seal(k15=losses))) == (5, None)


def test_a_chain_that_begins_with_a_loss(bench, station):
    lost = station.skip(2)
    assert place(bench.send(station.seal(k15=[lost]))) == (3, None)


def test_a_loss_does_not_cover_the_gap_behind_it(bench, station):
    bench.send(*station.seals(2))
    lost = station.skip(2)
    withheld = station.seal()
    assert place(bench.send(station.seal(k15=[lost]))) == (2, 5)
    assert place(bench.send(withheld)) == (6, None)


def test_batches_that_were_stated_as_lost_but_came_are_used(bench, station):
    first, second, third = station.seals(3)
    bench.send(first, second, third)
    lost = [0, 2, 3, 1, station.head, 61, 180, [], []]
    assert place(bench.send(station.seal(k15=[lost]))) == (4, None)


def test_a_loss_with_another_hash_closes_nothing(bench, station):
    bench.send(*station.seals(2))
    lost = station.skip(2)
    lost[4] = bytes(32)
    assert place(bench.send(station.seal(k15=[lost]))) == (2, 4)


def test_equivocation_keeps_both_and_acknowledges_each_sender_its_own(bench, station):
    bench.send(*station.seals(2))
    twin = station.fork()
    mine, other = station.seal(), twin.seal(k9="other")
    [head] = bench.send(mine)
    assert (head.number, head.hash) == (3, station.head)
    [head] = bench.send(other)
    assert (head.number, head.hash) == (3, twin.head)
    assert {mine, other} == set(list(bench.store.raw_batches())[-2:])
    assert bench.rows("SELECT number, hash FROM equivocations") == [(3, twin.head)]
    [head] = bench.send(station.seal())
    assert (head.number, head.hash) == (4, station.head)
    [head] = bench.send(twin.seal())
    assert (head.number, head.hash) == (4, twin.head)


def test_a_fork_further_back_is_asked_for_step_by_step(bench, station):
    bench.send(*station.seals(2))
    twin = station.fork()
    bench.send(*station.seals(3))
    own = [twin.seal(k9="other") for _ in range(4)]
    sent = own[-1]
    for _ in range(10):
        [head] = bench.send(sent)
        if head.missing is None:
            break
        sent = b"".join(own[head.missing - 3 :])
    assert (head.number, head.hash, head.missing) == (6, twin.head, None)


def test_another_chain_of_the_same_key_stands_for_itself(bench, station):
    bench.send(*station.seals(3))
    restarted = FastStation(station.key)
    assert place(bench.send(restarted.seal())) == (1, None)
    assert sorted(head.number for head in bench.store.heads(station.kid)) == [1, 3]


def test_what_does_not_verify_is_quarantined_and_claims_no_number(bench, station):
    first = station.seal()
    altered = first[:-1] + bytes([first[-1] ^ 1])
    assert bench.send(altered) == []
    assert place(bench.send(first)) == (1, None)
    assert bench.rows("SELECT code, raw FROM quarantine") == [("signature-invalid", altered)]
    bench.send(altered)
    assert len(bench.rows("SELECT id FROM quarantine")) == 1


def test_an_unknown_device_is_quarantined(bench):
    stranger = FastStation().seal()
    assert bench.send(stranger) == []
    assert bench.rows("SELECT code, raw FROM quarantine") == [("key-unknown", stranger)]


def test_a_bad_batch_does_not_block_those_behind_it(bench, station):
    first, second, third = station.seals(3)
    altered = second[:200] + bytes([second[200] ^ 1]) + second[201:]
    assert place(bench.send(first, altered, third)) == (1, 2)
    assert place(bench.send(second)) == (3, None)


def test_garbage_behind_batches_is_one_piece_of_quarantine(bench, station):
    first = station.seal()
    assert place(bench.send(first, b"garbage" * 9)) == (1, None)
    assert bench.rows("SELECT raw FROM quarantine") == [(b"garbage" * 9,)]


def test_every_truncation_is_quarantined(bench, station):
    first = station.seal()
    for length in range(1, len(first), 37):
        upload = bench.upload(first[:length])
        assert not upload.kept and len(upload.refused) == 1


def test_a_number_that_no_database_holds_is_refused(bench, station):
    empty = {"k6": 1, "k7": 0, "k13": []}
    station.number, station.head = MAX_STORED, bytes(32)
    upload = bench.upload(station.seal(**empty))
    assert [item.code for item in upload.refused] == ["field-range"]
    station.number = MAX_STORED - 1
    assert place(bench.send(station.seal(**empty))) == (0, 1)


def test_uploads_of_one_transaction_get_their_own_answers(bench, tmp_path):
    stations = [FastStation() for _ in range(30)]
    bench = Bench(f"sqlite:///{tmp_path}/many.sqlite", stations)
    uploads = [bench.upload(*one.seals(index % 3 + 1)) for index, one in enumerate(stations)]
    heads = bench.store.keep(uploads)
    for index, (one, found) in enumerate(zip(stations, heads, strict=True)):
        assert [(h.device, h.number, h.hash) for h in found] == [
            (one.kid, index % 3 + 1, one.head)
        ]


def test_commits_are_synchronous(bench):
    with bench.database.write() as connection:
        if bench.database.is_sqlite:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        else:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


def test_a_failed_transaction_leaves_nothing(bench, station):
    upload = bench.upload(*station.seals(2))
    broken = Upload([upload.kept[0], upload.kept[1]._replace(raw=None)], [])
    with pytest.raises(CollectorError) as caught:
        bench.store.keep([broken])
    assert caught.value.code == "collector-store"
    assert list(bench.store.raw_batches()) == []
    assert place(bench.store.keep([upload])[0]) == (2, None)


def filled(database_url, revision, station):
    """A database of an earlier release with something in every table of the first one."""
    database = Database(database_url)
    database.migrate(revision)
    hashes, batches = [], []
    for _ in range(3):
        batches.append(station.seal())
        hashes.append(station.head)
    garbage = b"garbage"
    altered = batches[0][:-1] + bytes([batches[0][-1] ^ 1])
    stranger = FastStation().seal()
    rows = {
        "chains": [(1, station.kid, station.chain, 3, hashes[2], 3, 0, 0)],
        "batches": [
            (n + 1, 1, n + 1, hashes[n], hashes[n - 1] if n else None, 1, batches[n], 7)
            for n in range(3)
        ],
        "lost_ranges": [(1, 1, 9, 10, bytes(32))],
        "equivocations": [(1, 1, 3, hashes[2], 7)],
        "quarantine": [
            (1, bytes(32), "cose-tag", garbage, 7),
            (2, b"1" * 32, "signature-invalid", altered, 7),
            (3, b"2" * 32, "key-unknown", stranger, 7),
            (4, b"3" * 32, "field-range", batches[2], 7),
        ],
    }
    mark = "?" if database.is_sqlite else "%s"
    with database.write() as connection:
        for table, values in rows.items():
            for row in values:
                marks = ", ".join([mark] * len(row))
                connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({marks})", row)
    database.engine.dispose()
    return batches, [garbage, altered, stranger, batches[2]]


@pytest.mark.parametrize("revision", ["0001", "0002", "0003"])
def test_every_schema_becomes_the_present_one(database_url, station, revision):
    batches, quarantined = filled(database_url, revision, station)
    bench = Bench(database_url, [station])
    assert list(bench.store.raw_batches()) == batches
    [head] = bench.store.heads(station.kid)
    assert (head.number, head.hash) == (3, station.head)
    rows = bench.rows("SELECT raw, device, standing, length FROM quarantine ORDER BY id")
    kid = station.kid
    devices = [b"", kid, quarantined[2][12:20], kid]
    assert [row[0] for row in rows] == quarantined
    assert [row[1] for row in rows] == devices and [row[2] for row in rows] == [0, 1, 0, 2]
    used = dict(bench.rows("SELECT scope, bytes FROM quarantine_use"))
    assert used[b"total"] == sum(len(raw) + 256 for raw in quarantined)
    assert used[kid] == sum(len(raw) + 256 for raw in (quarantined[1], quarantined[3]))
    with bench.database.write() as connection:  # as a server numbers rows that it made itself
        if not bench.database.is_sqlite:
            for table in ("batches", "chains", "quarantine"):
                connection.exec_driver_sql(f"SELECT setval('{table}_id_seq', 9)")
    assert place(bench.send(station.seal(), b"more")) == (4, None)
    assert len(bench.rows("SELECT id FROM quarantine")) == 5
    bench.database.migrate()
    bench.database.engine.dispose()


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////does/not/exist/c.sqlite", "no://x"])
def test_a_database_that_cannot_be_used_is_named(url):
    with pytest.raises(EnvironmentProblem) as caught:
        Database(url).migrate()
    assert caught.value.code == "collector-database"


def test_migrations_and_tables_agree(bench):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from meterseal.collector.schema import METADATA

    def compared(_item, _name, kind, *_):
        return kind != "foreign_key_constraint"  # on purpose on SQLite alone (schema.py)

    with bench.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": compared})
        assert compare_metadata(context, METADATA) == []


def test_writers_in_several_stores_take_turns(bench, database_url, station):
    """Two stores on one file, as two workers have them, alternately and with a gap between."""
    database = Database(database_url)
    other = Store(database)
    stores = itertools.cycle([bench.store, other])
    for number, raw in enumerate(station.seals(6), 1):
        assert place(next(stores).keep([bench.upload(raw)])[0]) == (number, None)
    database.engine.dispose()


def test_many_writers_at_once_lose_nothing_and_store_nothing_twice(bench, database_url):
    """Threads with stores of their own send the same chains in all orders, with repetitions."""
    stations = [FastStation() for _ in range(4)]
    bench = Bench(database_url, stations)
    batches = [station.seals(12) for station in stations]
    uploads = [bench.upload(raw) for chain in batches for raw in chain]

    def writer(seed):
        mine = uploads * 2
        random.Random(seed).shuffle(mine)
        database = Database(database_url)
        for upload in mine:
            Store(database).keep([upload])
        database.engine.dispose()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(writer, range(3)))
    for station, chain in zip(stations, batches, strict=True):
        assert place(bench.store.heads(station.kid)) == (12, None)
        assert list(bench.store.raw_batches(station.kid)) == chain
    bench.database.engine.dispose()


QUOTAS = Quotas(of_device=8000, total=20_000)


def quarantined(bench):
    """Bytes in quarantine, by id; the counters agree with the rows."""
    rows = bench.rows("SELECT device, raw FROM quarantine ORDER BY id")
    used = dict(bench.rows("SELECT scope, bytes FROM quarantine_use"))
    assert used.pop(b"total") == sum(len(raw) + ROW_COST for _, raw in rows)
    for device in {row[0] for row in rows}:
        mine = sum(len(raw) + ROW_COST for one, raw in rows if one == device)
        assert used.pop(device) == mine
    assert not used
    return [raw for _, raw in rows]


def test_garbage_without_a_name_has_one_quota(database_url, station):
    bench = Bench(database_url, [station], QUOTAS)
    for number in range(100):
        bench.send(b"%03d" % number * 40)
    assert quarantined(bench) == [b"%03d" % number * 40 for number in range(79, 100)]
    bench.database.engine.dispose()


def test_the_oldest_of_unknown_devices_makes_room_and_known_ones_stay(database_url, station):
    bench = Bench(database_url, [station], QUOTAS)
    signed = station.seal(k13=[])  # of a known device, and not as it should be
    first = station.seal()
    claimed = first[:-1] + bytes([first[-1] ^ 1])
    for raw in (signed, claimed):
        bench.send(raw)
    strangers = [FastStation().seal() for _ in range(40)]
    for raw in strangers:
        bench.send(raw)
    kept = quarantined(bench)
    assert kept[:2] == [signed, claimed] and kept[2:] == strangers[-len(kept[2:]) :]
    assert len(kept) > 10 and sum(len(raw) + ROW_COST for raw in kept) <= QUOTAS.total
    # One upload may bring more than there is room for.
    bench.send(*(FastStation().seal() for _ in range(50)))
    assert quarantined(bench)[:2] == [signed, claimed]
    bench.database.engine.dispose()


def test_a_device_out_of_order_fills_its_own_quota_alone(database_url, station):
    other = FastStation()
    bench = Bench(database_url, [station, other], QUOTAS)
    waiting = [FastStation().seal() for _ in range(3)]
    bench.send(*waiting)
    signed = [station.seal(k13=[]) for _ in range(60)]
    for raw in signed:
        bench.send(raw)
    kept = quarantined(bench)
    assert kept[:3] == waiting  # it displaces nobody
    mine = kept[3:]
    assert mine and mine == signed[: len(mine)]  # of evidence the first is kept
    assert place(bench.send(other.seal())) == (1, None)
    bench.database.engine.dispose()
