"""An archive with charging sessions of the whole application, and what is needed to verify it."""

import asyncio
import json
from pathlib import Path

from agent import log
from fakes.sample_profiles import INTEGER
from fakes.whole_board import ENERGY, WholeBoard
from meterseal import trust_write

from support.sealed import private_key

WHO = ("04A2B3C4D5", "DE-ABC-C12345678-9", "+855|12345678")
AT = "2026-01-31T08:00:00Z"


class SessionFiles:
    """`batches` as they left the board; files below `path`."""

    def __init__(self, path: Path, sessions: int = 3) -> None:
        self.path = path
        self.held: dict = {}
        settings = [{"trigger": "contact", "contact_pin": 4}]
        self.board = WholeBoard(sessions=settings, fiscal_interval_s=120)
        self.app = self.board.power_on()
        self.app.uplink._connection.chains = self.held
        log.configure(log.OFF)
        asyncio.run(self._run(sessions))
        log.configure(log.INFO)
        (chain,) = self.held.values()
        self.batches = [bytes(chain[number]) for number in sorted(chain)]
        self._write()

    async def _run(self, sessions: int) -> None:
        station = asyncio.create_task(self.app.run())
        await self._seconds(30)
        for number in range(sessions):
            self.app.sessions.command(1, "start", WHO[number % len(WHO)])
            self.board.contactor_closed = True
            await self._seconds(60)
            self.board.contactor_closed = False
            await self._seconds(30)
        await self._seconds(150)
        station.cancel()
        for task in self.app.supervisor.tasks:
            if task.handle:
                task.handle.cancel()
        for _ in range(5):
            await asyncio.sleep(0)

    async def _seconds(self, seconds: int) -> None:
        """Simulated time; the register counts while the contactor is closed."""
        end_us = self.board.timing.now_us + seconds * 1_000_000
        while self.board.timing.now_us < end_us:
            if self.board.contactor_closed and self.board.timing.now_us // 1_000_000 % 6 == 0:
                self.board.meter.registers[(4, ENERGY)] += 1  # 0.1 kWh: 60 kW
            await self.board.timing.sleep_ms(1000)

    def _write(self) -> None:
        operator, second = private_key(1001), private_key(1002)
        entries: list = []
        public = self.app.signer.public_65
        enrolled = trust_write.enrol(entries, public, "bench", "sim", AT)
        trust_write.countersign(entries, enrolled["n"], second, AT)
        self.trust = self.path / "trust.json"
        self.trust.write_bytes(trust_write.sign(entries, operator))
        self.profiles = self.path / "profiles"
        self.profiles.mkdir()
        (self.profiles / "test-meter.json").write_bytes(json.dumps(INTEGER).encode())
        self.archive = self.write("archive.cborseq", self.batches)

    def write(self, name: str, batches: list) -> Path:
        """An archive of these batches."""
        (self.path / name).write_bytes(b"".join(batches))
        return self.path / name
