"""Blank board to first verified batch: in one go, interrupted at every step, without a board."""

import json
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from meterseal.collector.registry_database import open_registry
from meterseal.provision.finish import verify_first
from meterseal.resources import profiles_dir
from meterseal.sim.meter import DEFAULT_SERIAL
from meterseal.verify.sources import pieces_of_file
from meterseal.verify.totals import ProfileTotals
from support.provisioning import STEPS, Bench, bench, done_already

PLATE = {
    "meter": {"maker": "Eastron", "model": "SDM630", "serial": str(DEFAULT_SERIAL)},
    "unit_id": 1,
    "profile": "eastron-sdm630",
    "role": "main",
    "rated_w": 7400,
    "accuracy_class": "B",
    "mpe_ppm": 10_000,
}
OPERATOR = 6  # source of a time anchor, WIRE_FORMAT.md section 5


def in_service(made: Bench) -> None:
    """What must be true of a station in service, whatever happened on the way."""
    about = json.loads((made.out / "report.json").read_text())
    record = (made.out / "record.json").read_bytes()
    assert sha256(record).hexdigest() == about["provisioning_hash"]
    assert json.loads(record)["by"] == "S. Chan"
    raw = [piece.raw for piece in pieces_of_file(made.out / "first-batches.cborseq")]
    batches = verify_first(raw, about, ProfileTotals.load(profiles_dir()))
    assert batches[0].contents.genesis == {0: 0, 1: sha256(record).digest()}
    assert OPERATOR in [one.source for batch in batches for one in batch.contents.anchors]
    (entry,) = [one for one in open_registry(made.registry).entries() if one["type"] == "enrol"]
    assert entry["public_key"] == about["public_key"] and entry["key_class"] == "sim"
    assert len(bytes.fromhex(entry["nonce"])) == 32 and entry["proof"]
    assert about["batch"] >= 1 and about["registers"][0][2] >= 123_456_000
    assert entry["provisioning_hash"] == about["provisioning_hash"]
    label = (made.out / "label.svg").read_text()
    assert about["device_id"] in label and "bench-1" in label
    assert about["device_id"] in (made.out / "report.html").read_text()


def test_from_blank_to_the_first_verified_batch(tmp_path: Path) -> None:
    with bench(tmp_path) as made:
        would = made.run("--dry-run")
        assert would.returncode == 0, would.stderr
        assert "files of the agent" in json.loads(would.stdout)["would"]["agent"]
        assert not made.out.exists() and not made.registry.exists()
        done = made.run()
        assert done.returncode == 0, done.stderr
        assert done_already(done.stderr) == ["firmware"]
        in_service(made)
        first = json.loads(done.stdout)
        again = made.run()
        assert again.returncode == 0, again.stderr
        expected = [one for one in STEPS if one not in ("clock", "self-test", "report")]
        assert done_already(again.stderr) == expected
        assert json.loads(again.stdout)["public_key"] == first["public_key"]
        in_service(made)


@pytest.mark.long
def test_the_cable_is_pulled_at_every_step(tmp_path: Path) -> None:
    with bench(tmp_path) as made:
        reached = [made.kill_at("agent", 30)]
        reached += [made.kill_at(step) for step in STEPS]
        done = made.run()
        assert done.returncode == 0, done.stderr
        print(f"killed {sum(reached)} times, resumed; {done_already(done.stderr)} were done")
        assert all(reached)
        in_service(made)


@pytest.mark.parametrize(
    ("seed", "cuts"), [(1, 2), *(pytest.param(n, 9, marks=pytest.mark.long) for n in range(2, 5))]
)
def test_cable_and_power_go_at_any_moment(tmp_path: Path, seed: int, cuts: int) -> None:
    """The command dies, or the board does and its port with it, or both; then once more."""
    random = Random(seed)
    told = []
    with bench(tmp_path, blank=seed > 1) as made:
        for number in range(cuts):
            what = ("board", "cable", "both")[number % 3]
            with subprocess.Popen(made.command(), stderr=subprocess.PIPE, text=True,
                                  stdout=subprocess.DEVNULL) as running:  # fmt: skip
                assert running.stderr is not None
                for _ in range(random.randrange(1, 150 if seed > 1 else 30)):  # lines of it
                    running.stderr.readline()
                time.sleep(random.uniform(0, 0.5))
                if what != "board":
                    running.kill()
                if what != "cable":
                    made.power_cut()
                said = running.communicate(timeout=120)[1]
            assert running.returncode in (0, 1, 3, -9), said
            assert "Traceback" not in said, said
            told.append(f"{what} {running.returncode} {said[-200:]!r}")
            if what != "cable":
                made.power_on()
        done = made.run()
        print(*told, sep="\n")
        assert done.returncode == 0, done.stderr
        in_service(made)


@pytest.mark.long
def test_another_key_begins_with_nothing(tmp_path: Path) -> None:
    """A board that lost its key: what the old key proved and sealed counts for nothing."""
    with bench(tmp_path) as made:
        assert made.run().returncode == 0
        old = json.loads((made.out / "report.json").read_text())
        (tmp_path / "board" / "state" / "keystore").unlink()
        done = made.run()
        assert done.returncode == 0, done.stderr
        assert not {"key", "proof", "batch", "registry"} & set(done_already(done.stderr))
        new = json.loads((made.out / "report.json").read_text())
        assert new["device_id"] != old["device_id"] and new["batch_hash"] != old["batch_hash"]
        entries = open_registry(made.registry).entries()
        enrolled = [one["device_id"] for one in entries if one["type"] == "enrol"]
        assert enrolled == [old["device_id"], new["device_id"]]


@pytest.mark.long
def test_many_boards_offline_and_handed_in_later(tmp_path: Path) -> None:
    """Two boards and one that is not there, from a table; their facts reach the registry."""
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        folder.mkdir()
    with bench(folders[0]) as first, bench(folders[1]) as second:
        rows = [f"{first.port},kh-1,", f"{tmp_path}/none,kh-2,", f"{second.port},kh-3,"]
        rows = [row + str(folder / "config.json") for row, folder in zip(
            rows, (folders[0], folders[0], folders[1]), strict=True)]  # fmt: skip
        table = tmp_path / "stations.csv"
        meters = tmp_path / "meters.json"
        meters.write_text(json.dumps({"meters": [PLATE]}))
        rows[2] += f",{meters}"
        table.write_text("port,station,config,meters\n" + "\n".join(rows) + "\n")
        out = tmp_path / "out"
        options = "--out", str(out), "--json", "--offline"
        done = meterseal("provision", "--batch", str(table), *options)
    assert done.returncode == 1, done.stderr
    boards = json.loads(done.stdout)["boards"]
    assert [one.get("refused") for one in boards] == [None, "port-missing", None]
    facts = [str(out / name / "facts.json") for name in ("kh-1", "kh-3")]
    for _ in range(2):  # handing in twice changes nothing
        synced = meterseal("devices", "sync", *facts, "--registry", str(tmp_path / "r.sqlite"))
        assert synced.returncode == 0, synced.stderr
        entries = open_registry(tmp_path / "r.sqlite").entries()
        assert [one["station"] for one in entries] == ["kh-1", "kh-3", "kh-3"]
        assert [one["type"] for one in entries] == ["enrol", "enrol", "meter-install"]
    print("2 of 3 boards in service, the third named; facts handed in once")


def meterseal(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the technician."""
    command = [sys.executable, "-m", "meterseal", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


def test_nothing_attached_is_one_clear_sentence_and_exit_code_3(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "meterseal", "provision", str(tmp_path / "none")]
    (tmp_path / "c.json").write_text('{"station_id": "x", "meters": []}')
    command += ["--config", str(tmp_path / "c.json"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    print(done.stderr)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1 and "plug the cable in" in done.stderr


def test_make_says_it_too(tmp_path: Path) -> None:
    """`make` itself always leaves with 2; the command that it ran left with 3."""
    root = Path(__file__).resolve().parents[2]
    stamp = tmp_path / "stamp"
    stamp.touch()  # newer than what it depends on: nothing is to be set up
    command = ["make", "provision", "PORT=/dev/ttyNone", f"BIN={Path(sys.executable).parent}"]
    done = subprocess.run(
        [*command, f"STAMP={stamp}", f"RUN_STAMP={stamp}"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Error 3" in done.stderr and "port-missing" in done.stderr, done.stderr


@pytest.mark.parametrize("secret", ["wifi_password"])
def test_a_secret_in_the_configuration_is_refused(tmp_path: Path, secret: str) -> None:
    (tmp_path / "c.json").write_text(json.dumps({"station_id": "x", "meters": [], secret: "s3"}))
    command = [sys.executable, "-m", "meterseal", "provision", str(tmp_path)]
    command += ["--config", str(tmp_path / "c.json"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "secret-in-config" in done.stderr and "s3" not in done.stderr
