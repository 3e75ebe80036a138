"""What the demonstration stands on: meter, collector, cable and station."""

import contextlib
import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from meterseal import pki, trust_write
from meterseal.demo.board import Board
from meterseal.demo.network import Cable
from meterseal.demo.processes import Child, meterseal
from meterseal.errors import EnvironmentProblem
from meterseal.sim import station

PROFILE = "eastron-sdm630"
READ_INTERVAL_S = 1
SEAL_INTERVAL_S = 4


@dataclass
class Stage:
    """Everything that runs during the demonstration, and where it writes."""

    out: Path
    authority: pki.Authority
    url: str = ""
    cable: Cable | None = None
    meter: Child | None = None
    collector: Child | None = None
    board: Child | Board | None = None
    identity: dict[str, Any] = field(default_factory=dict)

    @property
    def station_dir(self) -> Path:
        """The directory that stands for the board."""
        return self.out / "station"

    @property
    def trust_file(self) -> Path:
        """The signed registry export that says whose key the station's is."""
        return self.out / "trust.json"

    @property
    def operator_file(self) -> Path:
        """The operator's public key: the anchor, which must come from outside the trust file."""
        return self.out / "operator.pem"

    def start_meter(self) -> str:
        """Start the simulated meter and return its serial device."""
        link = self.out / "meter0"
        arguments = ["meter", "--profile", PROFILE, "--link", str(link), "--json"]
        self.meter = Child("meter", meterseal(*arguments), self.out / "meter.log")
        return str(self.meter.ready()["link"])

    def lay_out_station(self, device: str, **more: Any) -> None:
        """Station directory with its configuration (and `more` of it), and its key."""
        config = self._config(device) | more
        station.create(self.station_dir, config, (self.out / "ca.der").read_bytes())
        self.identity = station.enrol(self.station_dir)

    def provision_board(self, device: str, timeout_s: float) -> None:
        """A virtual board, put into service as a real one is; it runs then."""
        config = self.out / "config.json"
        config.write_text(json.dumps(self._config(device), indent=1) + "\n", encoding="utf-8")
        board = self.power_on()
        self.identity = board.provision(
            self.out / "provisioned", config, self.out / "ca.der", timeout_s
        )
        board.listen()

    def power_on(self) -> Board:
        """Power for the virtual board; what is on its flash runs."""
        self.board = board = Board(self.out / "board", self.out / "station.log")
        return board

    def _config(self, device: str) -> dict[str, Any]:
        self.cable = Cable(free_port())
        return {
            "station_id": "demo-station",
            "read_interval_s": READ_INTERVAL_S,
            "seal_interval_s": SEAL_INTERVAL_S,
            "meters": [{"profile": PROFILE, "unit_id": 1, "bus": 0}],
            "buses": [{"kind": "rtu", "device": device}],
            "uplink": {
                "url": f"https://localhost:{self.cable.port}",
                "retry_min_s": 1,
                "retry_max_s": 2,
                "poll_interval_s": 2,
            },
            "clock": {"ntp_host": ""},
            "log_level": "debug",
        }

    def write_trust(self) -> None:
        """A registry of one station, signed by throw-away keys; the device key as SPKI PEM."""
        operator, second = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        public_key = bytes.fromhex(self.identity["public_key"])
        entries: list[trust_write.Entry] = []
        trust_write.enrol(
            entries, public_key, "demo-station", self.identity["key_class"], trust_write.now()
        )
        trust_write.countersign(entries, 1, second, trust_write.now())
        self.trust_file.write_bytes(trust_write.sign(entries, operator))
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
        pem, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        (self.out / "device.pem").write_bytes(point.public_bytes(pem, form))
        self.operator_file.write_bytes(operator.public_key().public_bytes(pem, form))

    def start_collector(self, port: int = 0, more: tuple[str, ...] = ()) -> None:
        """Start the collector behind TLS: on `port`, or where the cable leads."""
        assert self.cable is not None
        port = port or self.cable.target_port
        arguments = [
            "collect",
            "--data",
            str(self.out / "collector"),
            "--port",
            str(port),
            "--json",
        ]
        arguments += [
            "--cert",
            str(self.out / "server.pem"),
            "--key",
            str(self.out / "server.key"),
        ]
        arguments += ["--trust", str(self.trust_file), *more]
        self.collector = Child("collector", meterseal(*arguments), self.out / "collector.log")
        self.url = str(self.collector.ready()["url"])

    def start_board(self) -> None:
        """Power on."""
        self.board = Child("station", station.command(self.station_dir), self.out / "station.log")

    def kill_board(self) -> None:
        """Power off, without warning."""
        assert isinstance(self.board, Child)
        self.board.kill()

    def get(self, path: str) -> httpx.Response:
        """GET from the collector, its certificate verified."""
        with httpx.Client(verify=pki.client_context(self.out / "ca.pem")) as client:
            return client.get(self.url + path).raise_for_status()

    def head_number(self) -> int:
        """Number of the newest batch up to which the collector holds the chain; 0: none yet."""
        acks = self.get(f"/v1/head?device={self.identity['device_id']}").json()["acks"]
        return int(acks[0]["number"]) if acks else 0

    def close(self) -> None:
        """End every child by its id and take the cable away."""
        for child in (self.board, self.meter, self.collector):
            if child is not None:
                child.stop()
        if self.cable is not None:
            self.cable.cut()


@contextlib.contextmanager
def open_stage(out: Path) -> Iterator[Stage]:
    """An empty output directory with certificates; whatever was started is ended at the end."""
    shutil.rmtree(out, ignore_errors=True)
    stage = Stage(out, pki.write_server_files(out, ["localhost", "127.0.0.1"]))
    try:
        yield stage
    finally:
        stage.close()


def free_port() -> int:
    """A TCP port on loopback that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_until(what: str, condition: Callable[[], bool], timeout_s: float, log: Path) -> None:
    """Ask until `condition` holds; EnvironmentProblem `demo-timeout` after `timeout_s`."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise EnvironmentProblem(
                "demo-timeout", f"expected {what} within {timeout_s:g} s", f"See {log}."
            )
        time.sleep(0.2)
