"""Shows an audit: a summary for people, JSON, a page with the calendar of each station."""

import datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from meterseal.audit.device import DeviceAudit
from meterseal.audit.run import Audit
from meterseal.errors_text import remedy

HEAD: Final = (
    "device",
    "station",
    "batches",
    "refused",
    "readings",
    "kWh",
    "proven h",
    "missing h",
)
_TEMPLATES: Final = Path(__file__).resolve().parent / "templates"


def row(one: DeviceAudit) -> tuple[str, ...]:
    """Cells of a device in the summary."""
    hours = "".join(one.days.values())
    numbers = one.verified, one.refused, one.readings
    kwh = f"{one.energy_import_mwh // 1_000_000}.{one.energy_import_mwh % 1_000_000:06d}"
    counts = str(hours.count("p")), str(hours.count("m"))
    return (one.device or "(none)", one.station, *map(str, numbers), kwh, *counts)


def line(one: DeviceAudit) -> str:
    """Verdict on a device."""
    text = f"device {one.device or '(none)'} {one.station}: {one.verified} batches verified"
    if one.refused:
        text += f", {one.refused} refused"
    errors = [code for code, found in one.findings.items() if found["severity"] == "error"]
    return f"{text}: {', '.join(errors)}" if errors else text


def as_object(audit: Audit) -> dict[str, Any]:
    """Everything, for machines. `acks` makes it a file for `--heads` of the next audit."""
    return {
        "verdict": "verified" if audit.good else "failed",
        "anchored": audit.trust.anchored,
        "operator": audit.trust.operator,
        "acks": [head for one in audit.devices for head in one.heads],
        "devices": [device_object(one) for one in audit.devices],
    }


def device_object(one: DeviceAudit) -> dict[str, Any]:
    """Everything about a device, for machines."""
    return {
        "device": one.device,
        "station": one.station,
        "good": one.good,
        "verified": one.verified,
        "repeated": one.repeated,
        "refused": one.refused,
        "readings": one.readings,
        "energy_import_mwh": one.energy_import_mwh,
        "findings": [
            {"code": code, **found, "remedy": remedy(code)}
            for code, found in sorted(one.findings.items())
        ],
        "coverage": {_date(day): hours for day, hours in one.days.items()},
    }


def page(audit: Audit, title: str = "Audit", good: bool | None = None, words: str = "") -> str:
    """One HTML page that stands for itself.

    `good`: the verdict, if more was looked at than the devices; `words`: what is said about it.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("audit.html").render(
        audit=as_object(audit),
        good=audit.good if good is None else good,
        title=title,
        words=words,
        head=HEAD,
        rows=[row(one) for one in audit.devices],
    )


def _date(day: int) -> str:
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=day)).isoformat()
