"""Stations on the real MicroPython VM with their power supply, one meter, one collector with TLS.

The power supply starts a station again whenever it ends, and plays the hardware watchdog: one that
says nothing for some seconds of processor time is killed, however many others there are. Nothing
else is simulated: the stations fetch what the collector offers, verify, install, reset into it and
judge it themselves.
"""

import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
from cryptography.hazmat.primitives.asymmetric import ec
from meterseal import trust_write
from meterseal.demo.processes import Child, meterseal
from meterseal.resources import firmware_dir, micropython_binary
from meterseal.sim import station
from meterseal.trust_keys import public_bytes
from meterseal.update.build import build_code, build_settings
from meterseal.update.rings import Plan
from meterseal.update.shelf import SIGNED, Shelf

from support.collector_process import CollectorProcess
from support.small_heap import compile_agent

PROFILE = "eastron-sdm630"
_SILENT_S = 8.0
_MOST_SILENT_S = 120.0


def _cpu_s(process: Child) -> float:
    """Seconds of the processor that a process has had."""
    try:
        times = psutil.Process(process.pid).cpu_times()
        return times.user + times.system
    except psutil.Error:
        return 0.0  # it ended


class Powered:
    """One station: its directory, and the process that runs or is started again."""

    def __init__(self, directory: Path, identity: dict[str, Any], command: list[str]) -> None:
        self.directory = directory
        self._command = command
        self.device: str = identity["device_id"]
        self.public_key = bytes.fromhex(identity["public_key"])
        self.lines: list[str] = []
        self.starts = 0
        self.process: Child | None = None
        self._heard = self._heard_cpu = 0.0

    def look(self) -> None:
        """Take in what it says; start it again if it ended or hangs."""
        if self.process is not None:
            said = self.process.drain()
            self.lines += said
            now, cpu = time.monotonic(), _cpu_s(self.process)
            if said:
                self._heard, self._heard_cpu = now, cpu
            hangs = cpu - self._heard_cpu > _SILENT_S or now - self._heard > _MOST_SILENT_S
            if self.process.running and hangs:
                self.lines.append("(watchdog)")
                self.process.kill()
            if self.process.running:
                return
            self.lines += self.process.drain()
        self.starts += 1
        self._heard, self._heard_cpu = time.monotonic(), 0.0
        self.process = Child(self.directory.name, self._command, self.directory / "log")

    def said(self, text: str) -> bool:
        """Whether its log has this."""
        return any(text in line for line in self.lines)

    def off(self) -> None:
        """No power any more."""
        if self.process is not None:
            self.process.kill()


class Fleet:
    """`count` stations that are running; `with Fleet(out, 1) as fleet`.

    `heap`: size of the VM's heap, into which the agent is then loaded compiled, as on stock
    MicroPython; "" for plenty. What is left over goes into the section `update`.
    """

    def __init__(
        self, out: Path, count: int, read_interval_s: int = 1, heap: str = "", **update: Any
    ) -> None:
        self.out = out
        self._heap = heap
        if heap:
            compile_agent(out / "mpy")
        self.owner = ec.generate_private_key(ec.SECP256R1())
        self.settings = {
            "owners": [public_bytes(self.owner).hex()],
            "board": "UNIX_SIM",
            "trial_s": 25,
            "offline_keep_s": 3600,
        } | update
        self.read_interval_s = read_interval_s
        self.meter = Child("meter", self._meter_command(), out / "meter.log")
        self.meter_port = self.meter.ready()["port"]
        self.stations = [self._lay_out(f"station-{i:02}") for i in range(count)]
        self.collector = CollectorProcess(out, self._trust())
        self.collector.start()
        for one in self.stations:
            self._connect(one)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._supply)
        self._thread.start()

    @staticmethod
    def _meter_command() -> list[str]:
        return meterseal("meter", "--profile", PROFILE, "--tcp", "--json")

    def _lay_out(self, name: str) -> Powered:
        directory = self.out / name
        station.create(directory, self._config(name, ""))
        return Powered(directory, station.enrol(directory), self._command(directory))

    def _command(self, directory: Path, *options: str) -> list[str]:
        if not self._heap:
            return station.command(directory, *options)
        path, arguments = [str(self.out / "mpy"), ".frozen"], [str(directory), *options]
        code = f"import sys; sys.path[:] = {path}; import main; sys.exit(main.main({arguments}))"
        return [str(micropython_binary()), "-X", f"heapsize={self._heap}", "-c", code]

    def _config(self, name: str, url: str) -> dict[str, Any]:
        bus = {"kind": "tcp", "host": "127.0.0.1", "port": self.meter_port}
        return {
            "station_id": name,
            "read_interval_s": self.read_interval_s,
            "seal_interval_s": 2 * self.read_interval_s,
            "meters": [{"profile": PROFILE, "unit_id": 1, "bus": 0}],
            "buses": [bus],
            "uplink": {"url": url, "retry_min_s": 1, "retry_max_s": 2, "poll_interval_s": 2},
            "clock": {"ntp_host": ""},
            "update": self.settings,
            "log_level": "debug",
        }

    def _trust(self) -> bytes:
        entries: list[trust_write.Entry] = []
        for one in self.stations:
            now = trust_write.now()
            trust_write.enrol(entries, one.public_key, one.directory.name, "sim", now)
        return trust_write.sign(entries, ec.generate_private_key(ec.SECP256R1()))

    def _connect(self, one: Powered) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

        pem = x509.load_pem_x509_certificate((self.out / "ca.pem").read_bytes())
        config = self._config(one.directory.name, self.collector.url)
        station.create(one.directory, config, pem.public_bytes(Encoding.DER))
        subprocess.run(self._command(one.directory, "--check"), check=True, capture_output=True)

    def _supply(self) -> None:
        while not self._stop.wait(0.2):
            for one in self.stations:
                one.look()

    def publish(self, name: str, number: int, plan: Plan, **changed: str) -> None:
        """Offer this firmware as version `name`, with files changed (path with _ for /: text)."""
        source, built = self.out / f"source-{name}", self.out / f"update-{name}"
        shutil.copytree(firmware_dir(), source, ignore=shutil.ignore_patterns("__pycache__"))
        version = source / "agent" / "version.py"
        text = re.sub(r'VERSION = ".*"', f'VERSION = "{name}"', version.read_text())
        version.write_text(re.sub(r"BUILD_UNIX_S = \d+", f"BUILD_UNIX_S = {number}", text))
        for path, addition in changed.items():
            file = source / (path.replace("__", "/") + ".py")
            file.write_text(file.read_text() + addition)
        manifest = build_code(source, ["UNIX_SIM"], built, compiled=bool(self._heap))
        (built / SIGNED).write_bytes(manifest.sign(self.owner))
        self._offer(built, plan)

    def publish_settings(self, number: int, plan: Plan, ca_2: bytes = b"", **changed: Any) -> None:
        """Offer the settings of the first station with members of config.json changed.

        `ca_2`: a certificate for the file ca2.der.
        """
        source, built = self.out / f"settings-{number}", self.out / f"update-{number}"
        source.mkdir()
        config = self._config(self.stations[0].directory.name, self.collector.url) | changed
        (source / "config.json").write_text(json.dumps({"schema": 1} | config))
        if ca_2:
            (source / "ca2.der").write_bytes(ca_2)
        manifest = build_settings(source, ["UNIX_SIM"], number, built)
        (built / SIGNED).write_bytes(manifest.sign(self.owner))
        self._offer(built, plan)

    def _offer(self, built: Path, plan: Plan) -> None:
        known = [one.device for one in self.stations]
        Shelf(self.collector.data / "updates").publish(built, plan, known)

    def stations_uplink(self) -> dict[str, Any]:
        """The section `uplink` of the stations."""
        found: dict[str, Any] = self._config("", self.collector.url)["uplink"]
        return found

    def get(self, path: str) -> httpx.Response:
        """GET from the collector, its certificate verified."""
        with httpx.Client(verify=self.collector.tls) as client:
            return client.get(self.collector.url + path, timeout=30).raise_for_status()

    def states(self) -> dict[str, str]:
        """Device -> state in the newest update, as the collector tells."""
        newest = self.get("/v1/updates").json()[:1]
        stations = (one for u in newest for ring in u["rings"] for one in ring["stations"])
        return {one["device"]: one["state"] for one in stations}

    def wait(self, what: str, condition: Callable[[], bool], most_s: float = 150) -> None:
        """Until it holds; whoever waits longer gets the logs."""
        end = time.monotonic() + most_s
        while not condition():
            if time.monotonic() > end:
                tails = "\n".join("\n".join(one.lines[-25:]) for one in self.stations[:2])
                raise AssertionError(f"expected {what}\n{json.dumps(self.states())}\n{tails}")
            time.sleep(0.3)

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for one in self.stations:
            one.off()
        self.collector.stop()
        self.meter.stop()
