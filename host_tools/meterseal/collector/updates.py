"""Staged roll-out of updates: what each station is offered, what it made of it, a page of both.

How a station fared is read from the events that it sealed (WIRE_FORMAT section 6, kind 14), whose
signatures are verified here again: nobody can make a roll-out go on, or look as if it had failed,
without the keys of stations.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import select

from meterseal.collector.app import refusals
from meterseal.collector.database import Database
from meterseal.collector.errors import CollectorError
from meterseal.collector.schema import BATCHES, CHAINS
from meterseal.errors import VerificationError
from meterseal.models import Event
from meterseal.trust import Trust
from meterseal.update.rings import (
    KEPT,
    OFFERED,
    REFUSED,
    SILENT,
    TRYING,
    WENT_BACK,
    Progress,
    members,
    progress,
)
from meterseal.update.shelf import Published, Shelf
from meterseal.verify import signature_opener

DeviceId = Annotated[str, Query(pattern="^[0-9a-f]{16}$", description="Device id: kid in hex.")]
Numbers = Annotated[
    str,
    Query(
        pattern=r"^[0-9]{1,10}(,[0-9]{1,10}){3}$",
        description="Numbers that the station has or tried: code, settings, image, owners.",
    ),
]
Sha256 = Annotated[str, Query(pattern="^[0-9a-f]{64}$")]
Offset = Annotated[int, Query(ge=0, le=1 << 26)]
Length = Annotated[int, Query(ge=1, le=65536)]
EVENT_UPDATE: Final = 14
_STEPS: Final = {"installed": TRYING, "kept": KEPT, "went back": WENT_BACK, "owners": KEPT}
_FINAL: Final = (KEPT, WENT_BACK, REFUSED)
_FRESH_S: Final = 2.0
_TEMPLATES: Final = Path(__file__).resolve().parent / "templates"


class Rollouts:
    """The updates on the shelf of a collector and how far each has come."""

    def __init__(self, root: Path, database: Database, trust: Trust) -> None:
        self._shelf = Shelf(root)
        self._database = database
        self._trust = trust
        self._open = signature_opener(trust)
        self._final: dict[tuple[int, str], str] = {}
        self._known: dict[Path, tuple[float, Progress]] = {}
        self.piece = self._shelf.piece

    def offer(self, device: str, numbers: list[int]) -> bytes:
        """The signed manifest that this station should have next; empty for none."""
        for one in self._shelf.updates():
            if one.manifest.number <= numbers[one.manifest.kind] or one.stopped:
                continue
            found = self.progress(one)
            if not found.stopped and any(
                device in ring for ring in found.rings[: found.open_rings]
            ):
                one.offer_to(device)
                return one.signed
        return b""

    def progress(self, one: Published, fresh_s: float = _FRESH_S) -> Progress:
        """How far an update has come; stops it for good if too many stations failed."""
        when, known = self._known.get(one.directory, (-fresh_s, None))
        if known is not None and time.monotonic() - when < fresh_s:
            return known
        rings = members(one.plan.rings, self._devices(), one.manifest.number)
        found = progress(one.plan, rings, self.states(one))
        if found.stopped:
            one.stop(found.stopped)
        self._known[one.directory] = time.monotonic(), found
        return found

    def _devices(self) -> list[str]:
        return sorted(kid.hex() for kid in self._trust.keys)

    def states(self, one: Published) -> dict[str, str]:
        """State of every station that was offered an update."""
        return {device: self._state(one, device, at_s) for device, at_s in one.offered().items()}

    def _state(self, one: Published, device: str, offered_s: int) -> str:
        key = one.manifest.number, device
        if key not in self._final:
            state = OFFERED
            for event in self._events(device, offered_s * 1000):
                state = _state_after(event, one.manifest.version) or state
            if state not in _FINAL:
                late = time.time() - offered_s > one.plan.patience_s
                return SILENT if late else state
            self._final[key] = state
        return self._final[key]

    def _events(self, device: str, since_unix_ms: int) -> Iterator[Event]:
        """What a station sealed about updates in batches that came since then."""
        query = (
            select(BATCHES.c.raw)
            .join(CHAINS)
            .where(CHAINS.c.device == bytes.fromhex(device))
            .where(BATCHES.c.received_unix_ms >= since_unix_ms)
            .order_by(BATCHES.c.id)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            try:
                events = self._open(row.raw).contents.events
            except VerificationError:
                continue  # of a device that is trusted no more
            yield from (event for event in events if event.kind == EVENT_UPDATE)

    def table(self) -> list[dict[str, Any]]:
        """Every update with its rings and stations, the newest first."""
        return [self._row(one) for one in self._shelf.updates()]

    def _row(self, one: Published) -> dict[str, Any]:
        found, states = self.progress(one, 0), self.states(one)
        stations = {kid.hex(): key.station for kid, key in self._trust.keys.items()}
        rings = [
            {
                "name": name,
                "open": index < found.open_rings and not one.stopped,
                "stations": [
                    {"device": d, "station": stations[d], "state": states.get(d, "waiting")}
                    for d in ring
                ],
            }
            for index, (name, ring) in enumerate(zip(one.plan.rings, found.rings, strict=True))
        ]
        manifest = one.manifest
        return {
            "kind": manifest.kind.name.lower(),
            "number": manifest.number,
            "version": manifest.version,
            "boards": list(manifest.boards),
            "stopped": one.stopped,
            "rings": rings,
        }


def _state_after(event: Event, version: str) -> str | None:
    """What an event says of an update; None if it is about another one."""
    step, what = (str(item) for item in (*event.detail, "", "")[:2])
    if step.startswith("refused "):  # without a version: nothing of the manifest was believed
        return REFUSED if what in ("", version) else None
    return _STEPS.get(step) if what == version else None


def add_update_routes(app: FastAPI, rollouts: Rollouts) -> None:
    """`/v1/update` and `/v1/update/file` for stations, `/v1/updates` and `/updates` for people."""
    pages = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined
    )

    @app.get(
        "/v1/update",
        response_class=Response,
        responses={200: {"content": {"application/cose": {}}}},
    )
    def get_update(device: DeviceId, numbers: Numbers) -> Response:
        """The signed manifest of the next update of a station; empty: there is none."""
        offer = rollouts.offer(device, [int(number) for number in numbers.split(",")])
        return Response(offer, media_type="application/cose")

    @app.get(
        "/v1/update/file",
        response_class=Response,
        responses={200: {"content": {"application/octet-stream": {}}}, **refusals(404)},
    )
    def get_file(sha256: Sha256, offset: Offset, length: Length) -> Response:
        """A piece of a file of an update, by the file's hash."""
        piece = rollouts.piece(sha256, offset, length)
        if piece is None:
            raise CollectorError(404, "update-file", "there is no such file", "Publish it again.")
        return Response(piece, media_type="application/octet-stream")

    @app.get("/v1/updates")
    def get_updates() -> list[dict[str, Any]]:
        """Every update, its rings, and what each station made of it."""
        return rollouts.table()

    @app.get("/updates", response_class=HTMLResponse)
    def get_page() -> str:
        """The same as a page."""
        return pages.get_template("updates.html").render(updates=rollouts.table())
