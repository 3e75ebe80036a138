"""A whole station with two connectors: contactor, controller, meters; it is killed at any time.

The firmware on the MicroPython VM reads two simulated meters over Modbus TCP. Connector 1 has a
contactor (a file), connector 2 is commanded over the console. What the station journaled is read
from its log.
"""

import os
import random
import re
import subprocess
import threading
import time
from pathlib import Path

from meterseal.demo.stage import PROFILE, Stage, wait_until
from meterseal.profiles import find
from meterseal.resources import profiles_dir
from meterseal.sim import station
from meterseal.sim.meter import SimulatedMeter
from meterseal.sim.server import MeterServer

CONTACT, COMMAND = 1, 2
USER = "04A2B3C4D5"
_JOURNALED = re.compile(rb"^debug journal reading sequence=", re.MULTILINE)
_TICK_MWH = 2_000


class Line:
    """`cars`: connector -> how many came; use within `with`."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage, self.random = stage, random.Random(seed)
        self.cars = {CONTACT: 0, COMMAND: 0}
        self.kills = 0
        self._charging: set[int] = set()
        self._over = threading.Event()
        profile = find(profiles_dir(), PROFILE)
        self.meters = {
            unit: SimulatedMeter(profile, unit_id=unit, serial=100 + unit, start_energy_wh=5000)
            for unit in (CONTACT, COMMAND)
        }
        self._server = MeterServer(list(self.meters.values()), turnaround_ms=2)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = stage.out / "station.log"

    def __enter__(self) -> "Line":
        self._server.start_tcp("127.0.0.1", 0)
        self.stage.lay_out_station(
            "",
            meters=[{"profile": PROFILE, "unit_id": unit} for unit in self.meters],
            buses=[{"kind": "tcp", "host": "127.0.0.1", "port": self._server.port}],
            quantities=["energy_import_wh", "power_w"],
            sessions=[
                {"meter": 0, "trigger": "contact", "contact_pin": 4},
                {"meter": 1, "trigger": "command"},
            ],
            fiscal_interval_s=10,
        )
        self._energy = threading.Thread(target=self._flow, daemon=True)
        self._energy.start()
        self.power_on()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        self._energy.join()
        self.kill()
        self._server.stop()

    def _flow(self) -> None:
        """Energy flows where a car charges."""
        while not self._over.wait(0.2):
            for unit in list(self._charging):
                self.meters[unit].add_energy_mwh(_TICK_MWH)

    def power_on(self) -> None:
        """Power, and the controller says what it wants, as controllers do after a restart."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                station.command(self.stage.station_dir),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=os.environ | {"METERSEAL_CONSOLE": "1"},
            )
        self._say()

    def kill(self) -> None:
        """No last words."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _say(self) -> None:
        assert self._process and self._process.stdin
        verb = f"start {COMMAND} {USER}" if COMMAND in self._charging else f"stop {COMMAND}"
        self._process.stdin.write(f"?session {verb}\n".encode())
        self._process.stdin.flush()

    def _switch(self, connector: int, on: bool) -> None:
        (self._charging.add if on else self._charging.discard)(connector)
        if connector == COMMAND:
            self._say()
            return
        contactor = self.stage.station_dir / "contactor_4"
        contactor.touch() if on else contactor.unlink()

    def wait_readings(self, count: int) -> None:
        """Until so many readings more became durable."""
        wanted = self._journaled() + count

        def there() -> bool:
            return self._journaled() >= wanted

        wait_until(f"{count} readings more", there, 120, self._log)

    def _journaled(self) -> int:
        return len(_JOURNALED.findall(self._log.read_bytes()))

    def charge(self, kills: int) -> None:
        """A car at one or both connectors; the power goes while it comes, charges or leaves."""
        both = [CONTACT, COMMAND]
        connectors = self.random.choice(([CONTACT], [COMMAND], both)) if self.kills else both
        for on in (True, False):
            for connector in connectors:
                self._switch(connector, on)
                self.cars[connector] += on
            for _ in range(kills):
                time.sleep(self.random.uniform(0.1, 3.0))
                self.kill()
                self.kills += 1
                self.power_on()
            self.wait_readings(8)

    def archive(self, path: Path) -> Path:
        """Everything that the station sealed, as the collector gives it out."""
        number = self.stage.head_number() + 2
        log = self.stage.out / "collector.log"
        wait_until("two batches more", lambda: self.stage.head_number() >= number, 120, log)
        path.write_bytes(self.stage.get("/v1/export").content)
        return path
