"""Charging sessions of what the collector holds: a table for programs and a page for people.

Every batch of the device is verified again for each request and every OCMF record held against the
sealed registers: the page shows nothing that was only stored. Who charged is a pseudonym.
"""

from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from meterseal.collector.store import Store
from meterseal.ocmf.ledger import Checked, Ledger
from meterseal.resources import profiles_dir
from meterseal.trust import Trust
from meterseal.verify import Standard, Verifier
from meterseal.verify.totals import ProfileTotals, Totals

DeviceId = Annotated[str, Query(pattern="^[0-9a-f]{16}$", description="Device id: kid in hex.")]
_TEMPLATES: Final = Path(__file__).resolve().parent / "templates"


class Sessions:
    """Sessions of the devices of a trust file, out of the store.

    `totals`: where the energy register of a meter is, from the profiles of this package if left
    out.
    """

    def __init__(self, store: Store, trust: Trust, totals: Totals | None = None) -> None:
        self._store = store
        self._trust = trust
        self._totals = totals or ProfileTotals.load(profiles_dir())

    def of(self, device: str) -> dict[str, Any]:
        """`sessions` of a device, oldest first, energies in kWh with the digits signed; `refused`:
        what was no valid record, or stands in a batch that does not verify, with its code.
        """
        verifier = Verifier(trust=self._trust, policy=Standard(), totals=self._totals)
        ledger = Ledger(self._trust.keys, self._totals)
        refused = []
        for verdict in verifier.verify_each(self._store.raw_batches(bytes.fromhex(device))):
            if verdict.batch is not None:
                ledger.take(verdict.batch)
            elif verdict.refusal is not None:
                refused.append({"code": verdict.refusal.code, "text": verdict.refusal.text})
        refused += [{"code": found.code, "text": found.text} for _, found in ledger.refused]
        sessions = [_row(one) for one in ledger.checked if one.record.is_session]
        return {"device": device, "sessions": sessions, "refused": refused}

    def devices(self) -> list[tuple[str, str]]:
        """(device id, station) of every device of the trust file, by station."""
        named = ((kid.hex(), key.station) for kid, key in self._trust.keys.items())
        return sorted(named, key=lambda one: (one[1], one[0]))


def _row(one: Checked) -> dict[str, Any]:
    record = one.record
    first, last = record.readings[0], record.readings[-1]
    energy = None if first.rv_kwh is None or last.rv_kwh is None else last.rv_kwh - first.rv_kwh
    return {
        "page": record.page,
        "station": one.station,
        "connector": record.point,
        "meter": record.meter,
        "pseudonym": record.user,
        "begin": first.time,
        "end": last.time,
        "reason": last.place,
        "begin_kwh": None if first.rv_kwh is None else str(first.rv_kwh),
        "end_kwh": None if last.rv_kwh is None else str(last.rv_kwh),
        "energy_kwh": None if energy is None else str(energy),
        "good": one.good,
        "verdict": one.verdict,
        "findings": [{"code": found.code, "text": found.text} for found in one.findings],
    }


def add_routes(app: FastAPI, sessions: Sessions) -> None:
    """`GET /v1/sessions` for programs, `GET /sessions` for people."""
    pages = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined
    )

    @app.get("/v1/sessions")
    def get_sessions(device: DeviceId) -> dict[str, Any]:
        """Verified charging sessions of a device."""
        return sessions.of(device)

    @app.get("/sessions", response_class=HTMLResponse)
    def get_page(device: DeviceId | None = None) -> str:
        """The same as a page; without a device, the devices to choose from."""
        found = None if device is None else sessions.of(device)
        return pages.get_template("sessions.html").render(
            found=found, devices=sessions.devices() if found is None else []
        )
