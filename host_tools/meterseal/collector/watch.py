"""Follows what arrives: verifies every stored batch once more, with chain, clock and meters.

The intake acknowledges what is authentic; what a batch means beside those before it is judged
here, away from the stations' requests. One worker watches; if it dies, another takes over. Its
state is saved, so that each batch is verified once.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from meterseal.collector.alerts import Alert, alerts
from meterseal.collector.database import Database
from meterseal.collector.places import Places
from meterseal.collector.schema import BATCHES, CHAINS
from meterseal.collector.status import FILE, MAX_EVENTS, DeviceStatus, Status, parse, save
from meterseal.errors import Error
from meterseal.models import VerifiedBatch
from meterseal.trust import Trust
from meterseal.verify import Standard, Verifier
from meterseal.verify.clock import UNKNOWN_MS
from meterseal.verify.report import report_of
from meterseal.verify.state import load_file, save_file

STATE: Final = "watch.json"
_TOGETHER: Final = 500
_PAUSE_S: Final = 1.0
_SAVE_S: Final = 2.0
_SAVE_SHARE: Final = 20
"""At most a twentieth of the time goes into saving, however many stations there are."""
_HISTORY: Final = 64
EVENT_NAMES: Final = (
    *("", "boot", "clock set", "meter lost", "meter found", "meter changed"),
    *("configuration changed", "firmware changed", "cabinet", "task restarted", "reset"),
    *("flash fault", "sampling interval", "sampling stopped", "update", "certificate", "session"),
)
_HEALTH: Final = {
    0: "heap_free_bytes",
    2: "journal_fill_permille",
    4: "rssi_dbm",
    6: "bad_sectors",
    7: "batches_waiting",
}
_REPEATED: Final = frozenset(("recovered", "unanchored", "replay", "clock-stepped-forward"))
"""Findings that say nothing about the station's state."""
_LOG: Final = logging.getLogger(__name__)
Tell = Callable[[str, dict[str, Any]], None]
"""Takes a kind of news (`batch.verified`, `alert.raised`, `alert.cleared`) and its content."""


class Watch:
    """Verifies behind the intake. `trust` may change while it runs."""

    def __init__(
        self,
        database: Database,
        trust: Trust,
        places: Places,
        folder: Path,
        save_every_s: float = _SAVE_S,
    ) -> None:
        self._pause_s = save_every_s
        self._database, self._trust, self._places = database, trust, places
        self._folder = folder
        self._raised: dict[tuple[str, str, str], Alert] = {}
        self._load()

    def _load(self) -> None:
        try:
            self.status = parse((self._folder / FILE).read_bytes())
            devices = load_file(self._folder / STATE)
        except (OSError, ValueError, KeyError, TypeError, Error):
            self.status, devices = Status(), {}
        if self.status.batch_id and not devices:
            self.status = Status()
        self._verifier = Verifier(
            trust=self._trust, policy=Standard(), devices=devices, history_len=_HISTORY
        )

    async def follow(self, tell: Tell, say: Callable[[str], None]) -> None:
        """For ever."""
        due = 0.0
        while True:
            count = await asyncio.to_thread(self.step, tell)
            say(f"{len(self.status.devices)} devices, up to row {self.status.batch_id}")
            began = time.monotonic()
            if began >= due:
                await asyncio.to_thread(self.save)
                took = time.monotonic() - began
                due = time.monotonic() + max(self._pause_s, _SAVE_SHARE * took)
            if count < _TOGETHER:
                await asyncio.sleep(_PAUSE_S)

    def step(self, tell: Tell) -> int:
        """Take the next batches; how many there were."""
        rows = self._rows()
        verdicts = self._verifier.verify_each(row.raw for row in rows)
        for row, verdict in zip(rows, verdicts, strict=True):
            device = self._device(row.device)
            device.last_received_unix_ms = max(device.last_received_unix_ms, row.received_unix_ms)
            if verdict.batch is not None:
                self._take(device, verdict.batch)
                tell("batch.verified", _news(verdict.batch))
            elif verdict.refusal is not None and verdict.refusal.code != "replay":
                device.refused += 1
                device.note(verdict.refusal.code, "error", verdict.refusal.text, row.number)
            self.status.batch_id = row.id
        if rows:
            self._count({row.device for row in rows})
        self._compare(tell)
        return len(rows)

    def save(self) -> None:
        """Status and state; the status last, since it says up to where."""
        self.status.written_unix_ms = time.time_ns() // 1_000_000
        save_file(self._verifier.devices, self._folder / STATE)
        save(self.status, self._folder)

    def _rows(self) -> list[Any]:
        columns = (BATCHES.c.id, BATCHES.c.number, BATCHES.c.raw, BATCHES.c.received_unix_ms)
        query = select(*columns, CHAINS.c.device).join(CHAINS, CHAINS.c.id == BATCHES.c.chain_id)
        query = query.where(BATCHES.c.id > self.status.batch_id).order_by(BATCHES.c.id)
        with self._database.read() as connection:
            return list(connection.execute(query.limit(_TOGETHER)).all())

    def _device(self, kid: bytes) -> DeviceStatus:
        key = self._trust.keys.get(kid)
        station = key.station if key else ""
        one = self.status.devices.setdefault(kid.hex(), DeviceStatus(kid.hex(), station))
        one.station = station or one.station
        return one

    def _take(self, device: DeviceStatus, batch: VerifiedBatch) -> None:
        contents = batch.contents
        device.batches += 1
        device.readings += contents.count
        device.last_number = max(device.last_number, batch.number)
        device.clock_set = all(one.code != "clock-unset" for one in batch.findings)
        for one in batch.findings:
            if one.code not in _REPEATED:
                device.note(one.code, one.severity, one.text, batch.number)
        clock = None
        for group in batch.groups:
            clock = batch.clocks[group.boot]
            latest = int(clock.utc(group)[1][-1])
            if latest < UNKNOWN_MS:
                device.last_reading_unix_ms = max(device.last_reading_unix_ms, latest)
        health = contents.health
        device.health = {name: int(health[key]) for key, name in _HEALTH.items() if key in health}
        for event in contents.events:
            name = (
                EVENT_NAMES[event.kind] if event.kind < len(EVENT_NAMES) else f"event {event.kind}"
            )
            device.events.append([name, batch.number, _text(event.detail)])
        del device.events[:-MAX_EVENTS]

    def _count(self, kids: set[bytes]) -> None:
        """Energy and what is missing, as far as each chain has come. A gap that was filled is
        none any more.
        """
        for kid in kids & self._verifier.devices.keys():
            one, device = report_of(self._verifier, kid), self._device(kid)
            device.energy_import_mwh = sum(m.energy_import_mwh or 0 for m in one.meters)
            codes = {found.code for chain in one.chains for found in chain.findings}
            for code in ("chain-gap", "sequence-gap"):
                if code not in codes:
                    device.findings.pop(code, None)

    def _compare(self, tell: Tell) -> None:
        """Alerts that are new, and those that hold no longer."""
        now = time.time_ns() // 1_000_000
        found = alerts(self.status.devices.values(), self._places.calibration_until(), now)
        holding = {(one.kind, one.device, one.station): one for one in found}
        for key in holding.keys() - self._raised.keys():
            tell("alert.raised", holding[key]._asdict())
        for key in self._raised.keys() - holding.keys():
            tell("alert.cleared", self._raised[key]._asdict())
        self._raised = holding


def _news(batch: VerifiedBatch) -> dict[str, Any]:
    return {
        "device": batch.kid.hex(),
        "station": batch.station,
        "chain": batch.contents.chain.hex(),
        "number": batch.number,
        "hash": batch.hash.hex(),
        "readings": batch.contents.count,
        "findings": sorted({one.code for one in batch.findings}),
    }


def _text(detail: tuple[int | bytes | str, ...]) -> str:
    parts = [one.hex()[:16] if isinstance(one, bytes) else str(one) for one in detail]
    return json.dumps(" ".join(parts), ensure_ascii=False)[1:-1][:120]
