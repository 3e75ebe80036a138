"""The table of stations: as stored and as the watch judged it; searched, filtered, paged."""

import time
from typing import Any, Final, NamedTuple

from sqlalchemy import Float, cast, func, select

from meterseal.collector.alerts import SILENT_MS, alerts
from meterseal.collector.database import Database
from meterseal.collector.places import Places
from meterseal.collector.schema import BATCHES, CHAINS
from meterseal.collector.status import DeviceStatus, StatusFile
from meterseal.trust import Trust

PAGE_LEN: Final = 100
STATES: Final = ("ok", "fork", "gap", "error", "clock", "silent", "no batch yet")


class Line(NamedTuple):
    """A station in the table. `lag_s`: since its last batch; None if there is none."""

    device: str
    station: str
    batches: int
    head: int
    lag_s: int | None
    state: str
    energy_kwh: str
    clock: str
    errors: tuple[str, ...]


class Fleet:
    """Lines of all devices of the trust file."""

    def __init__(
        self, database: Database, trust: Trust, status: StatusFile, places: Places
    ) -> None:
        self._database, self._trust = database, trust
        self._status, self.places = status, places

    def lines(self, words: str = "", state: str = "") -> list[Line]:
        """By station; those whose station or device has the words in it, and of a state."""
        chains, times = self._stored()
        status = self._status.now().devices
        keys = sorted(self._trust.keys.items(), key=lambda one: (one[1].station, one[0]))
        found = [
            _line(kid, key.station, chains.get(kid), times.get(kid), status.get(kid.hex()))
            for kid, key in keys
            if words.lower() in f"{key.station} {kid.hex()}".lower()
        ]
        return [one for one in found if not state or one.state == state]

    def alerts(self) -> list[Any]:
        """What has to be told now."""
        now = time.time_ns() // 1_000_000
        devices = self._status.now().devices.values()
        return alerts(devices, self.places.calibration_until(), now)

    def _stored(self) -> tuple[dict[bytes, Any], dict[bytes, int]]:
        """Chains summed up by device, and when the newest batch of each came.

        The sum is one of floats, exact up to 2**53: a number is up to 2**63 - 1, as a station says
        it, and a sum of integers fails for all devices if it goes beyond that for one.
        """
        query = select(
            CHAINS.c.device,
            func.sum(cast(CHAINS.c.highest, Float)),
            func.max(CHAINS.c.number),
            func.max(CHAINS.c.waiting),
            func.max(CHAINS.c.forked),
        ).group_by(CHAINS.c.device)
        newest = select(CHAINS.c.device, func.max(BATCHES.c.received_unix_ms)).where(
            BATCHES.c.chain_id == CHAINS.c.id, BATCHES.c.number == CHAINS.c.highest
        )
        with self._database.read() as connection:
            chains = {row[0]: row for row in connection.execute(query)}
            found = connection.execute(newest.group_by(CHAINS.c.device))
            return chains, {row[0]: row[1] for row in found}


def _line(
    kid: bytes, station: str, chain: Any, newest_unix_ms: int | None, status: DeviceStatus | None
) -> Line:
    lag_s = None if newest_unix_ms is None else int(time.time() - newest_unix_ms / 1000)
    if chain is None:
        return Line(kid.hex(), station, 0, 0, lag_s, "no batch yet", "", "", ())
    _, batches, head, waiting, forked = chain
    errors: tuple[str, ...] = ()
    energy = clock = ""
    if status is not None:
        found = sorted(status.findings.items())
        errors = tuple(code for code, one in found if one["severity"] == "error")
        energy = f"{status.energy_import_mwh / 1e6:,.1f}"
        clock = "set" if status.clock_set else "not known"
    state = _state(bool(forked), bool(waiting), errors, clock, lag_s)
    return Line(kid.hex(), station, int(batches), head, lag_s, state, energy, clock, errors)


def _state(
    forked: bool, waiting: bool, errors: tuple[str, ...], clock: str, lag_s: int | None
) -> str:
    """The worst that is known."""
    if forked or waiting:
        return "fork" if forked else "gap"
    if errors:
        return "error"
    if clock == "not known":
        return "clock"
    return "silent" if lag_s is not None and lag_s * 1000 > SILENT_MS else "ok"
