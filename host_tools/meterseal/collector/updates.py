"""Staged roll-out of updates: what each station is offered, what it made of it, a page of both.

How a station fared is read from the events that it sealed (WIRE_FORMAT section 6, kind 14; see
update_history). What anybody may ask for counts for nothing.
"""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from meterseal.boards import board_names
from meterseal.collector.app import refusals
from meterseal.collector.database import Database
from meterseal.collector.errors import CollectorError
from meterseal.collector.update_history import EVENT_CERTIFICATE, EVENT_UPDATE, History, Seen
from meterseal.errors import UpdateError
from meterseal.trust import Trust
from meterseal.update.rings import (
    BAD,
    DAMAGED,
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
Board = Annotated[str, Query(pattern="^[A-Za-z0-9_.-]{0,64}$", description="Its board.")]
_STEPS: Final = {
    "installed": TRYING,
    "kept": KEPT,
    "owners": KEPT,
    "went back": WENT_BACK,
    "damaged": DAMAGED,
}
_CERTIFICATES: Final = {0: "uplink.ca_file", 1: "uplink.ca_file_next"}
_CERTIFICATE_S: Final = 2 * 86400
_FRESH_S: Final = 2.0
_TEMPLATES: Final = Path(__file__).resolve().parent / "templates"


class Rollouts:
    """The updates on the shelf of a collector and how far each has come."""

    def __init__(self, root: Path, database: Database, trust: Trust) -> None:
        self._shelf = Shelf(root)
        self._trust = trust
        self._history = History(database, trust)
        self._known: dict[Path, tuple[float, Progress]] = {}
        self.piece = self._shelf.piece

    def offer(self, device: str, board: str, numbers: list[int]) -> bytes:
        """The signed manifest that this station should have next; empty for none.

        Whoever asks proves nothing: what is said here is no evidence for or against an update.
        """
        if bytes.fromhex(device) not in self._trust.keys:
            return b""
        self._shelf.tell_board(device, board)
        for one in self._shelf.updates():
            if one.manifest.number <= numbers[one.manifest.kind] or one.paused:
                continue
            if one.manifest.boards and board not in one.manifest.boards:
                continue
            found = self.progress(one)
            if not found.paused and any(
                device in ring for ring in found.rings[: found.open_rings]
            ):
                one.offer_to(device)
                return one.signed
        return b""

    def progress(self, one: Published, fresh_s: float = _FRESH_S) -> Progress:
        """How far an update has come; pauses it if too many stations failed."""
        when, known = self._known.get(one.directory, (-fresh_s, None))
        if known is not None and time.monotonic() - when < fresh_s:
            return known
        rings = members(one.plan.rings, self._devices(one), one.manifest.number)
        found = progress(one.plan, rings, self.states(one), one.excused)
        if found.paused:
            one.pause(found.paused)
        self._known[one.directory] = time.monotonic(), found
        return found

    def _devices(self, one: Published) -> list[str]:
        """Those for whose board it was made, or whose board nobody knows yet."""
        told, named = self._shelf.boards(), {*board_names(), *one.manifest.boards}
        devices = []
        for kid, key in self._trust.keys.items():
            known = key.board if key.board in named else ""
            board = known or told.get(kid.hex(), "")
            if not board or not one.manifest.boards or board in one.manifest.boards:
                devices.append(kid.hex())
        return sorted(devices)

    def states(self, one: Published) -> dict[str, str]:
        """State of every station that was offered an update."""
        return {device: self._state(one, device, at_s) for device, at_s in one.offered().items()}

    def _state(self, one: Published, device: str, offered_s: int) -> str:
        seen = self._history.events(device, offered_s * 1000, EVENT_UPDATE)
        what = f"{one.manifest.kind.name.lower()} {one.manifest.number} "
        state, at_unix_ms = state_after(seen, what, offered_s * 1000)
        late = time.time() - at_unix_ms / 1000 > one.plan.patience_s
        return SILENT if state == TRYING and late else state

    def resume(self, kind: str, number: int) -> Published:
        """Let a paused update go on; the stations that failed count no more.

        Raises UpdateError `update-not-paused`.
        """
        for one in self._shelf.updates():
            is_it = (one.manifest.kind.name.lower(), one.manifest.number) == (kind, number)
            if is_it and one.paused:
                states = self.states(one)
                one.resume([device for device in states if states[device] in BAD])
                self._known.clear()
                return one
        raise UpdateError(
            "update-not-paused",
            f"expected a paused update {kind} {number}, found none",
            "See `meterseal update status`.",
        )

    def certificates(self) -> list[dict[str, Any]]:
        """Authorities of stations that end soon, as their stations sealed it in the last days."""
        since = int((time.time() - _CERTIFICATE_S) * 1000)
        found = []
        for kid, key in self._trust.keys.items():
            newest = {
                int(seen.detail[0]): int(seen.detail[1])
                for seen in self._history.events(kid.hex(), since, EVENT_CERTIFICATE)
                if seen.received_unix_ms >= since and len(seen.detail) == 2
            }
            for slot, end_s in sorted(newest.items()):
                name = _CERTIFICATES.get(slot, str(slot))
                day = datetime.fromtimestamp(end_s, UTC).date().isoformat()
                line = {"station": key.station, "device": kid.hex()}
                found.append(line | {"certificate": name, "ends": day})
        return found

    def table(self) -> list[dict[str, Any]]:
        """Every update with its rings and stations, the newest first."""
        return [self._row(one) for one in self._shelf.updates()]

    def _row(self, one: Published) -> dict[str, Any]:
        found, states = self.progress(one, 0), self.states(one)
        stations = {kid.hex(): key.station for kid, key in self._trust.keys.items()}
        rings = [
            {
                "name": name,
                "open": index < found.open_rings and not one.paused,
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
            "paused": one.paused,
            "rings": rings,
        }


def state_after(seen: Iterable[Seen], what: str, offered_unix_ms: int) -> tuple[str, int]:
    """(state, since when) of an update in what a station sealed; `what`: kind and number of it."""
    state, at_unix_ms = OFFERED, offered_unix_ms
    for one in seen:
        step, about = (str(item) for item in (*one.detail, "", "")[:2])
        # Nothing of the manifest was believed: it is about what was offered and not yet heard of.
        unnamed = not about and state == OFFERED and one.received_unix_ms >= offered_unix_ms
        if step.startswith("refused ") and (unnamed or about.startswith(what)):
            state, at_unix_ms = REFUSED, one.received_unix_ms
        elif about.startswith(what) and step in _STEPS:
            state, at_unix_ms = _STEPS[step], one.received_unix_ms
    return state, at_unix_ms


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
    def get_update(device: DeviceId, numbers: Numbers, board: Board = "") -> Response:
        """The signed manifest of the next update of a station; empty: there is none."""
        offer = rollouts.offer(device, board, [int(number) for number in numbers.split(",")])
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
        updates, certificates = rollouts.table(), rollouts.certificates()
        page = pages.get_template("updates.html")
        return page.render(updates=updates, certificates=certificates)
