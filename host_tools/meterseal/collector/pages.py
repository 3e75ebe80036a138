"""Pages for people: the fleet, one station, a drop zone that verifies a file.

Server-rendered, no build step. What a station page shows is verified again for each request, as an
audit does; the fleet's table says only what is stored, and says so.
"""

import time
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from fastapi import FastAPI, Request
from fastapi import Path as InPath
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import func, select

from meterseal.audit.device import Auditor
from meterseal.audit.show import device_object
from meterseal.audit.sources import Job
from meterseal.collector.body import read_body
from meterseal.collector.database import Database
from meterseal.collector.ingest import split_sequence
from meterseal.collector.schema import BATCHES, CHAINS
from meterseal.trust import Trust
from meterseal.verify import Standard, Verifier

DeviceId = Annotated[str, InPath(pattern="^[0-9a-f]{16}$", description="Device id: kid in hex.")]
_TEMPLATES: Final = Path(__file__).resolve().parent / "templates"
_SILENT_S: Final = 6 * 3600


class Line(NamedTuple):
    """A station in the fleet's table. `lag_s`: since its last batch; None if there is none."""

    device: str
    station: str
    batches: int
    head: int
    lag_s: int | None
    state: str


class Pages:
    """What the pages show. `url`: of the database, as an audit reads it."""

    def __init__(self, database: Database, url: str, trust: Trust) -> None:
        self._database, self._url, self._trust = database, url, trust

    def fleet(self) -> list[Line]:
        """Every device of the trust file, by station."""
        query = select(
            CHAINS.c.device,
            func.sum(CHAINS.c.highest),
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
            times = {row[0]: row[1] for row in found}
        keys = sorted(self._trust.keys.items(), key=lambda one: (one[1].station, one[0]))
        return [_line(kid, key.station, chains.get(kid), times.get(kid)) for kid, key in keys]

    def station(self, device: str) -> dict[str, Any]:
        """An audit of one device as it is now."""
        verifier = Verifier(trust=self._trust, policy=Standard())
        return device_object(Auditor(verifier, b"").audit(Job(bytes.fromhex(device), self._url)))

    def verdicts(self, body: bytes) -> dict[str, Any]:
        """What a file holds that somebody dropped: a verdict for each batch, at most 1 MiB."""
        verifier = Verifier(trust=self._trust, policy=Standard())
        found = []
        for verdict in verifier.verify_each(split_sequence(body)):
            refusal, batch = verdict.refusal, verdict.batch
            found.append(
                {
                    "verified": batch is not None,
                    "text": f"{batch.station}, batch {batch.number}" if batch else "",
                    "code": refusal.code if refusal else "",
                    "reason": f"{refusal.text} {refusal.remedy}" if refusal else "",
                }
            )
        good = bool(found) and all(one["verified"] for one in found)
        return {"verified": good, "anchored": self._trust.anchored, "batches": found}


def _line(kid: bytes, station: str, chain: Any, newest_unix_ms: int | None) -> Line:
    lag_s = None if newest_unix_ms is None else int(time.time() - newest_unix_ms / 1000)
    if chain is None:
        return Line(kid.hex(), station, 0, 0, lag_s, "no batch yet")
    _, batches, head, waiting, forked = chain
    state = "fork" if forked else "gap" if waiting else "ok"
    if state == "ok" and lag_s is not None and lag_s > _SILENT_S:
        state = "silent"
    return Line(kid.hex(), station, batches, head, lag_s, state)


def add_pages(app: FastAPI, pages: Pages) -> None:
    """`/`, `/stations/<device>`, and `/v1/verify` for the drop zone."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined
    )

    @app.get("/", response_class=HTMLResponse)
    def get_fleet() -> str:
        """The fleet and the drop zone."""
        return made.get_template("fleet.html").render(lines=pages.fleet())

    @app.get("/stations/{device}", response_class=HTMLResponse)
    def get_station(device: DeviceId) -> str:
        """One station: verdict, findings, calendar."""
        return made.get_template("station.html").render(one=pages.station(device))

    @app.post("/v1/verify", include_in_schema=False)
    async def post_verify(request: Request) -> dict[str, Any]:
        """Verdict on a file; nothing is stored."""
        body = await read_body(request.headers.raw, request.receive)
        return await run_in_threadpool(pages.verdicts, body)
