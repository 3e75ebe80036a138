"""The report as PDF, typeset by Typst, which comes as a wheel and needs no library of the system.

The template reads the same document as everything else; words and numbers are prepared here.
"""

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from meterseal.report import words
from meterseal.report.charts import CHARTS

_TEMPLATE = "report.typ"


def render_pdf(document: dict[str, Any]) -> bytes:
    """PDF of a report document; the same bytes for the same document and fonts."""
    return _render(document, "pdf")[0]


def _render(
    document: dict[str, Any], form: Literal["pdf", "png"], pixels_per_inch: int = 80
) -> list[bytes]:
    import typst

    template = resources.files("meterseal.report") / "templates" / _TEMPLATE
    with TemporaryDirectory(prefix="meterseal-report-") as name:
        folder = Path(name)
        (folder / _TEMPLATE).write_bytes(template.read_bytes())
        (folder / "report.json").write_text(json.dumps(document), encoding="utf-8")
        (folder / "words.json").write_text(json.dumps(_words(document)), encoding="utf-8")
        (folder / "charts").mkdir()
        for chart, draw in CHARTS.items():
            (folder / "charts" / f"{chart}.svg").write_text(draw(document), encoding="utf-8")
        found = typst.compile(
            str(folder / _TEMPLATE), root=name, format=form, ppi=float(pixels_per_inch)
        )
    pages = found if isinstance(found, list) else [found]
    return [bytes(page) for page in pages if page is not None]


def _words(document: dict[str, Any]) -> dict[str, Any]:
    """What the template looks up: words, and numbers as people write them."""
    registers = [
        [words.from_milliwh(one[side]) for side in ("opening_milliwh", "closing_milliwh")]
        for one in document["meters"]
    ]
    return {
        **words.WORDS,
        "cards": cards(document),
        "kwh": {text: words.kwh(text) for text in _energies(document)},
        "registers": registers,
    }


def _energies(value: Any, name: str = "") -> Iterator[str]:
    """Every text in the document that is an energy in kWh."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _energies(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _energies(item, name)
    elif isinstance(value, str) and name.endswith("kwh") and "per" not in name:
        yield value


def cards(document: dict[str, Any]) -> list[dict[str, str]]:
    """The eight figures on the first page."""
    totals, evidence = document["totals"], document["evidence"]
    signed = f"signed readings in {words.whole(evidence['counts']['batches'])} verified batches"
    pairs = (
        (f"{words.whole(totals['issued_t'])} t", "CO2e reduced in this report, rounded down"),
        (f"{words.mwh(totals['baseline_kwh'])} MWh", "proven charging of project vehicles"),
        (f"{words.mwh(totals['withheld_kwh'])} MWh", "project side only: earns nothing"),
        (words.whole(evidence["counts"]["readings"]), signed),
        (words.whole(totals["stations"]), f"stations with {words.whole(totals['meters'])} meters"),
        (words.whole(totals["vehicles"]), "project vehicles registered"),
        (f"{words.whole(totals['cumulative_t'])} t", "cumulative, all reports"),
        (f"{words.whole(totals['deficit_t'])} t", "deficit of earlier reports"),
    )
    return [{"value": value, "label": label} for value, label in pairs]
