"""A station whose uplink is an MQTT broker behind TLS: the real VM, mosquitto, the collector."""

import json
from io import BytesIO
from pathlib import Path

from meterseal import pki
from meterseal.demo.processes import Child
from meterseal.demo.stage import Stage, free_port, open_stage, wait_until
from meterseal.trust import load_trust
from meterseal.verify import Standard, Verifier
from meterseal.verify.sources import pieces

from tests.host.test_mqtt_collector import broker

UPLINK = {"retry_min_s": 1, "retry_max_s": 2, "poll_interval_s": 2}
PASSWORD = "broker's password"


def lay_out(stage: Stage, port: int) -> None:
    """A station that knows the broker, its user and its password."""
    uplink = UPLINK | {"url": f"mqtts://localhost:{port}"}
    stage.lay_out_station(stage.start_meter(), uplink=uplink, log_level="debug")
    secrets = json.dumps({"mqtt_user": "station", "mqtt_password": PASSWORD})
    (stage.station_dir / "secrets.json").write_text(secrets)
    stage.write_trust()


def said(stage: Stage, lines: list[str], words: str) -> bool:
    """Whether the station has said it; what it says is kept in `lines`."""
    assert isinstance(stage.board, Child)
    lines += stage.board.drain()
    return any(words in line for line in lines)


def test_batches_arrive_over_mqtt_and_over_a_broker_that_comes_back(tmp_path: Path) -> None:
    tls, tcp, lines = free_port(), free_port(), list[str]()
    with open_stage(tmp_path / "stage") as stage:
        out, log = stage.out.resolve(), stage.out / "station.log"
        settings = f"certfile {out}/server.pem\nkeyfile {out}/server.key\n"
        settings += f"listener {tcp} 127.0.0.1\nallow_anonymous true\n"
        lay_out(stage, tls)
        with broker("mosquitto", stage.out, tls, settings):
            stage.start_collector(more=("--mqtt", f"mqtt://127.0.0.1:{tcp}"))
            stage.start_board()
            wait_until("two batches over MQTT", lambda: stage.head_number() >= 2, 90, log)
        reached = stage.head_number()
        with broker("mosquitto", stage.out, tls, settings):
            wait_until("more after it", lambda: stage.head_number() > reached + 1, 90, log)
        wait_until("word of it", lambda: said(stage, lines, "uplink acknowledged"), 30, log)
        stage.kill_board()
        assert not [line for line in lines if PASSWORD in line]
        batches = stage.get("/v1/export").content
        verifier = Verifier(trust=load_trust(stage.trust_file), policy=Standard())
        found = [verifier.verify(piece.raw) for piece in pieces(BytesIO(batches))]
        assert [one.number for one in found] == list(range(1, len(found) + 1))


def test_a_broker_of_another_authority_gets_nothing(tmp_path: Path) -> None:
    """Certificate and name are checked before the first byte, as with HTTPS."""
    port, lines = free_port(), list[str]()
    with open_stage(tmp_path / "stage") as stage:
        other = tmp_path / "other"
        other.mkdir()
        pki.write_server_files(other, ["localhost"])
        settings = f"certfile {other}/server.pem\nkeyfile {other}/server.key\n"
        lay_out(stage, port)
        with broker("mosquitto", stage.out, port, settings):
            stage.start_board()
            log = stage.out / "station.log"
            wait_until("a refusal", lambda: said(stage, lines, "code=tls-unknown-ca"), 60, log)
        heard = (stage.out / "broker.log").read_text()
        assert "meterseal-" not in heard  # no client ever named itself
