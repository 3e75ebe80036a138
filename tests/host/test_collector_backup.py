"""Online backup, and what becomes of a collector that was restored from an older one."""

import json
import sqlite3
import threading

import httpx
import pytest
from meterseal.cli.main import main
from meterseal.collector.backup import backup, restore
from meterseal.collector.forgotten import stated_number
from meterseal.collector.receipt import ReceiptSigner
from meterseal.collector.records import Head
from meterseal.errors import ConfigurationError, EnvironmentProblem
from support.collector_bench import Bench
from support.collector_process import CollectorProcess
from support.fast_station import FastStation, trust_of


def post(collector, body):
    answer = httpx.post(
        f"{collector.url}/v1/batches", content=body, verify=collector.tls, timeout=60
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def head_of(collector, station):
    path = f"{collector.url}/v1/head?device={station.kid.hex()}"
    return httpx.get(path, verify=collector.tls, timeout=60).json()["acks"][0]["number"]


def test_an_older_backup_is_noticed_and_healed(tmp_path):
    """What the backup has not, the station still holds and sends again."""
    station = FastStation()
    trust = trust_of([station])
    (tmp_path / "old").mkdir()
    with CollectorProcess(tmp_path / "old", trust, 2) as collector:
        post(collector, b"".join(station.seals(5)))
        backup(collector.data, "", tmp_path / "backup")
        later = station.seals(5)
        answer = post(collector, b"".join(later))
        assert answer["acks"][0]["number"] == 10
    (tmp_path / "new").mkdir()
    restore(tmp_path / "backup", tmp_path / "new" / "data")
    with CollectorProcess(tmp_path / "new", trust) as collector:
        assert head_of(collector, station) == 5
        newest = station.seal(k19=bytes.fromhex(answer["receipt"]))
        asked = post(collector, newest)
        assert asked["acks"][0]["number"] == 5 and asked["resend"][0]["number"] == 6
        log = (tmp_path / "new" / "collector.log").read_text()
        assert log.count("was an older backup restored") == 1 and station.kid.hex() in log
        healed = post(collector, b"".join([*later, newest]))
        assert healed["acks"][0]["number"] == 11 and "resend" not in healed


def test_a_backup_under_load_is_whole(tmp_path):
    stations = [FastStation() for _ in range(4)]
    with CollectorProcess(tmp_path, trust_of(stations), 2) as collector:
        acknowledged = dict.fromkeys(range(4), 0)
        stop = threading.Event()

        def load(index):
            while not stop.is_set():
                answer = post(collector, stations[index].seal())
                acknowledged[index] = answer["acks"][0]["number"]

        threads = [threading.Thread(target=load, args=(index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        for number in range(3):
            before = dict(acknowledged)
            made = backup(collector.data, "", tmp_path / f"backup-{number}")
            assert "collector.sqlite" in made["files"] and "receipt.key" in made["files"]
            with sqlite3.connect(tmp_path / f"backup-{number}/collector.sqlite") as copy:
                heads = dict(copy.execute("SELECT device, number FROM chains").fetchall())
                count = copy.execute("SELECT COUNT(*) FROM batches").fetchone()[0]
            assert sum(heads.values()) == count
            for index, station in enumerate(stations):
                assert heads.get(station.kid, 0) >= before[index]
        stop.set()
        for thread in threads:
            thread.join()


def test_everything_that_is_needed_comes_back(tmp_path):
    with CollectorProcess(tmp_path, trust_of([FastStation()])) as collector:
        (collector.data / "updates" / "files").mkdir(parents=True)
        (collector.data / "updates" / "files" / "ab").write_bytes(b"an update")
        (collector.data / "tokens.json").write_text('{"tokens": []}')
        backup(collector.data, "", tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "again")
    for name in ("receipt.key", "receipt.pem", "tokens.json", "updates/files/ab"):
        assert (tmp_path / "again" / name).read_bytes() == (collector.data / name).read_bytes()
    assert (tmp_path / "again" / "receipt.key").stat().st_mode & 0o077 == 0
    (tmp_path / "backup" / "updates" / "files" / "ab").write_bytes(b"another")
    with pytest.raises(ConfigurationError) as refused:
        restore(tmp_path / "backup", tmp_path / "third")
    assert refused.value.code == "backup-altered" and not (tmp_path / "third").exists()


def test_nothing_is_ever_overwritten(tmp_path):
    with CollectorProcess(tmp_path, trust_of([FastStation()])) as collector:
        (tmp_path / "there").mkdir()
        for action, code in (
            (lambda: backup(collector.data, "", tmp_path / "there"), "backup-target"),
            (lambda: backup(tmp_path / "there", "", tmp_path / "b"), "backup-source"),
            (lambda: restore(tmp_path / "there", tmp_path / "c"), "backup-source"),
        ):
            with pytest.raises(EnvironmentProblem) as refused:
                action()
            assert refused.value.code == code
        backup(collector.data, "", tmp_path / "backup")
        with pytest.raises(EnvironmentProblem) as refused:
            restore(tmp_path / "backup", collector.data)
        assert refused.value.code == "backup-target"


def test_the_command_line_says_what_postgres_needs(tmp_path, capsys):
    with CollectorProcess(tmp_path, trust_of([FastStation()])) as collector:
        pass

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["collect", *map(str, arguments)])
        assert ended.value.code == 0
        return capsys.readouterr()

    made = run("backup", tmp_path / "b", "--data", collector.data, "--json")
    assert json.loads(made.out)["database"] == "sqlite"
    run("restore", tmp_path / "b", "--data", tmp_path / "again")
    url = "postgresql://nobody@nowhere/x"
    made = run("backup", tmp_path / "p", "--data", collector.data, "--database", url)
    assert "pg_dump" in made.err and not (tmp_path / "p" / "collector.sqlite").exists()
    assert "pg_restore" in run("restore", tmp_path / "p", "--data", tmp_path / "third").err


class TestReceiptsThatProveNothing:
    """Only what this collector signed about this chain counts, and only beyond its head."""

    @pytest.fixture
    def world(self, tmp_path, signer):
        station = FastStation()
        bench = Bench(f"sqlite:///{tmp_path}/c.sqlite", [station], None, signer.public_65)
        bench.send(*station.seals(3))
        noticed = []
        bench.store.witness.alert = noticed.append
        return bench, station, noticed

    @pytest.fixture
    def signer(self):
        from cryptography.hazmat.primitives.asymmetric import ec

        return ReceiptSigner(ec.generate_private_key(ec.SECP256R1()))

    @pytest.fixture
    def other(self):
        from cryptography.hazmat.primitives.asymmetric import ec

        return ReceiptSigner(ec.generate_private_key(ec.SECP256R1()))

    def receipt(self, signer, station, number, chain=None):
        return signer.sign([Head(station.kid, chain or station.chain, number, bytes(32), None)], 1)

    def test_once_for_each_chain(self, world, signer):
        bench, station, noticed = world
        station.seals(6)
        for _ in range(3):
            bench.send(station.seal(k19=self.receipt(signer, station, 9)))
        assert [(one.stated, one.held) for one in noticed] == [(9, 3)]
        assert bench.store.witness.count == 1

    def test_of_others(self, world, signer, other):
        bench, station, noticed = world
        station.seals(6)
        for receipt in (
            self.receipt(other, station, 9),  # another collector's
            self.receipt(signer, station, 3),  # nothing beyond
            self.receipt(signer, station, 9, bytes(16)),  # another chain
            self.receipt(signer, FastStation(), 9),
            self.receipt(signer, station, 9)[:-1] + b"x",
            b"\x84\x48" + station.kid + b"\x50" + station.chain + b"\x1b" + b"\xff" * 8,
            b"\x84\x48" + station.kid + b"\x50" + station.chain,
            b"garbage",
        ):
            bench.send(station.seal(k19=receipt))
        assert not noticed and bench.store.witness.count == 0

    @pytest.mark.parametrize("number", [1, 23, 24, 255, 256, 65536, (1 << 63) - 1])
    def test_numbers_of_every_length(self, signer, number):
        station = FastStation()
        receipt = self.receipt(signer, station, number)
        assert stated_number(receipt, station.kid, station.chain) == number
