"""What must not pass for "in service", and what a refusal leaves behind: a station that runs."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from meterseal import pki
from meterseal.collector.registry_database import open_registry
from meterseal.onsite import inspect
from meterseal.onsite.cable import open_cable
from support.provisioning import PROFILE, Bench, bench, done_already


def refused(made: Bench, *options: str) -> str:
    """What a refused order says."""
    done = made.run("--wait-s", "3", *options)
    print(done.stderr)
    assert done.returncode == 1, done.stderr
    return done.stderr


def runs(made: Bench) -> int:
    """Sequence number that the running station has reached."""
    return int(inspect.state(open_cable(str(made.port)))["next_sequence"])


def plate(**more: Any) -> dict[str, Any]:
    """The meter of the bench, as a technician writes it down."""
    meter = {"maker": "Eastron", "model": "SDM630", "serial": "12345678"}
    entry = {"meter": meter, "unit_id": 1, "profile": PROFILE, "role": "main"}
    return entry | {"rated_w": 7400, "accuracy_class": "B", "mpe_ppm": 10_000} | more


def test_a_station_that_cannot_upload_is_not_in_service(tmp_path: Path) -> None:
    """No address, a closed port, a CA file that is none: each by its name; then offline."""
    pki.write_server_files(tmp_path, ["localhost", "127.0.0.1"])
    with bench(tmp_path, blank=False) as made:
        made.more = []
        assert "uplink-missing" in refused(made)
        made.connect("https://127.0.0.1:9", tmp_path / "ca.der")
        text = refused(made)
        assert "network: connect-failed" in text and "tls:" in text
        assert "The board said last:" in text and "uplink failed" in text
        before = runs(made)  # it was left running, and reads on
        assert not made.registry.exists() and not (made.out / "report.txt").exists()
        (tmp_path / "ca.bad").write_bytes(b"not a certificate")
        made.more = ["--ca", str(tmp_path / "ca.bad")]
        assert "ca-unreadable" in refused(made)
        made.more = ["--ca", str(tmp_path / "ca.der"), "--offline"]
        done = made.run()
        assert done.returncode == 0, done.stderr
        assert "later: network: connect-failed" in done.stderr
        assert runs(made) > before
        would = made.run("--dry-run")
        assert would.returncode == 0, would.stderr
        assert runs(made) > before


@pytest.mark.long
def test_a_foreign_authority_is_named(tmp_path: Path) -> None:
    """A server answers at the port, with a certificate of somebody else's."""
    (tmp_path / "theirs").mkdir()
    pki.write_server_files(tmp_path, ["localhost", "127.0.0.1"])
    pki.write_server_files(tmp_path / "theirs", ["localhost", "127.0.0.1"])
    import ssl
    import threading

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "theirs" / "server.pem", tmp_path / "theirs" / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as server, bench(tmp_path, blank=False) as made:

        def serve() -> None:
            while True:
                try:
                    context.wrap_socket(server.accept()[0], server_side=True).close()
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        port = server.getsockname()[1]
        made.connect(f"https://localhost:{port}", tmp_path / "ca.der")
        text = refused(made)
        assert "tls: tls-unknown-ca" in text and "network:" not in text.partition("found")[2]
        server.close()


@pytest.mark.long
def test_the_registry_is_asked_and_meters_are_compared(tmp_path: Path) -> None:
    with bench(tmp_path, blank=False) as made:
        meters = tmp_path / "meters.json"
        registry, made.more = made.registry, ["--offline", "--meters", str(meters)]

        def order(**more: Any) -> None:
            meters.write_text(json.dumps({"meters": [plate(**more)]}))

        order(unit_id=2)
        assert "meter-not-read" in refused(made)
        order(meter={"maker": "Eastron", "model": "SDM630", "serial": "TYPO-1"})
        assert "meter-serial" in refused(made)
        assert open_registry(registry).entries() == []
        identity = json.loads((made.out / "state.json").read_text())["registers"][0]
        order(meter={"maker": "Eastron", "model": "SDM630", "serial": identity[3]})
        done = made.run()
        assert done.returncode == 0, done.stderr
        assert {"batch", "key", "proof", "record"} <= set(done_already(done.stderr))
        entries = open_registry(registry).entries()
        assert [one["type"] for one in entries] == ["enrol", "meter-install"]
        assert entries[1]["register_wh"] >= 123_456
        made.registry = tmp_path / "other.sqlite"  # the state file says nothing about that one
        assert made.run().returncode == 0
        assert len(open_registry(made.registry).entries()) == 2
        assert identity[3] in (made.out / "report.txt").read_text()


@pytest.mark.long
def test_a_planted_file_is_removed_before_it_can_make_the_key(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(
        "VERSION = '0'\nBUILD_UNIX_S = 0\ndef enrol(board, entropy):\n  return {}\n"
    )
    with bench(tmp_path, blank=False) as made:
        mpremote = [sys.executable, "-m", "mpremote", "connect", str(made.port), "fs"]
        subprocess.run([*mpremote, "mkdir", ":lib"], check=True, timeout=60)
        for name in ("agent/enrol.py", "agent/version.py", "lib/binascii.py", "main.mpy"):
            command = [*mpremote, "cp", str(planted), f":{name}"]
            subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL)
        done = made.run()
        assert done.returncode == 0, done.stderr
        assert "4 removed" in done.stderr
        command = [*mpremote[:-1], "exec", "import agent.version as v; print(v.VERSION)"]
        said = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
        assert said.stdout.strip() not in ("", "0")


TABLES = {
    "a directory above": "port,station\n/dev/x,../kh-2\n",
    "an absolute path": "port,station\n/dev/x,/etc/kh\n",
    "a drive": "port,station\n/dev/x,C:kh\n",
    "twice": "port,station\n/dev/x,kh-1\n/dev/y,kh-1\n",
    "two on one port": "port,station\n/dev/x,kh-1\n/dev/x,kh-2\n",
    "no station": "port,station\n/dev/x,\n",
    "an unknown column": "port,station,color\n/dev/x,kh-1,red\n",
    "nothing": "port,station\n",
}


@pytest.mark.parametrize("what", TABLES)
def test_a_table_is_refused_before_anything_is_done(what: str, tmp_path: Path) -> None:
    table = tmp_path / "stations.csv"
    table.write_text(TABLES[what])
    command = [sys.executable, "-m", "meterseal", "provision", "--batch", str(table)]
    command += ["--out", str(tmp_path / "out"), "--config", str(tmp_path / "none.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "batch-table" in done.stderr, done.stderr
    assert not (tmp_path / "out").exists()
