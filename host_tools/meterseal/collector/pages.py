"""Pages for people: the fleet, one station, a drop zone that verifies a file.

Server-rendered, no build step. A station's page verifies its newest batches again for each
request, and the whole chain as an audit does if it is short or one asks for it; the fleet's table
says what is stored and what the watch found.
"""

from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request
from fastapi import Path as InPath
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from meterseal.audit.device import Auditor
from meterseal.audit.show import device_object
from meterseal.audit.sources import Job
from meterseal.collector.body import read_body
from meterseal.collector.fleet import PAGE_LEN, STATES, Fleet
from meterseal.collector.ingest import split_sequence
from meterseal.collector.pictures import bars, map_of
from meterseal.collector.series import Reader, Series
from meterseal.collector.store import Store
from meterseal.collector.watch import EVENT_NAMES
from meterseal.profiles import build
from meterseal.resources import profiles_dir
from meterseal.trust import Trust
from meterseal.verify import Standard, Verifier

DeviceId = Annotated[str, InPath(pattern="^[0-9a-f]{16}$", description="Device id: kid in hex.")]
Words = Annotated[str, Query(max_length=64, description="Part of a station's name or device id.")]
PageNumber = Annotated[int, Query(ge=1, le=10_000)]
_TEMPLATES: Final = Path(__file__).resolve().parent / "templates"
_NEWEST: Final = 336
"""Two weeks of hours."""
_WHOLE: Final = 1_500
"""A chain of so many batches is audited for each look at its page."""


class Pages:
    """What the pages show. `url`: of the database, as an audit reads it."""

    def __init__(self, store: Store, url: str, trust: Trust, fleet: Fleet) -> None:
        self._store, self._url, self._trust = store, url, trust
        self.fleet = fleet
        found = [build(path.read_bytes()) for path in sorted(profiles_dir().glob("*.json"))]
        self._reader = Reader({one.hash_16: one for one in found}, EVENT_NAMES)

    def station(self, device: str, whole: bool) -> dict[str, Any]:
        """An audit of one device as it is now, or None for a long chain; its newest batches."""
        line = next((one for one in self.fleet.lines(device) if one.device == device), None)
        series = self.series(device)
        audited = None
        if whole or line is None or line.batches <= _WHOLE:
            verifier = Verifier(trust=self._trust, policy=Standard())
            job = Job(bytes.fromhex(device), self._url)
            audited = device_object(Auditor(verifier, b"").audit(job))
        return {"device": device, "line": line, "series": series, "audit": audited}

    def series(self, device: str) -> Series:
        """Of the newest batches."""
        verifier = Verifier(trust=self._trust, policy=Standard())
        newest = self._store.newest_batches(bytes.fromhex(device), _NEWEST)
        return self._reader.series(verifier, newest)

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


def add_pages(app: FastAPI, pages: Pages) -> None:
    """`/`, `/stations/<device>`, and `/v1/verify` for the drop zone."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined
    )

    @app.get("/", response_class=HTMLResponse)
    def get_fleet(words: Words = "", state: Words = "", page: PageNumber = 1) -> str:
        """The fleet, a map of it, and the drop zone."""
        lines = pages.fleet.lines(words, state)
        stations = [(one.device, one.station, one.state) for one in lines]
        return made.get_template("fleet.html").render(
            lines=lines[(page - 1) * PAGE_LEN : page * PAGE_LEN],
            count=len(lines),
            pages=-(-len(lines) // PAGE_LEN),
            page=page,
            words=words,
            state=state,
            states=STATES,
            alerts=pages.fleet.alerts()[:PAGE_LEN],
            picture=map_of(stations, pages.fleet.places.of_stations()),
        )

    @app.get("/stations/{device}", response_class=HTMLResponse)
    def get_station(device: DeviceId, whole: bool = False) -> str:
        """One station: energy and power over time, verdict, findings, events, calendar."""
        found = pages.station(device, whole)
        series = found["series"]
        return made.get_template("station.html").render(
            **found,
            newest=_NEWEST,
            energy=bars(series.energy_wh, "kWh", 1000, "Energy by hour"),
            power=bars(series.power_w, "kW", 1000, "Highest power by hour"),
        )

    @app.post("/v1/verify", include_in_schema=False)
    async def post_verify(request: Request) -> dict[str, Any]:
        """Verdict on a file; nothing is stored."""
        body = await read_body(request.headers.raw, request.receive)
        return await run_in_threadpool(pages.verdicts, body)
