"""The report as one HTML file: charts inline, no script, no outside resource."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from meterseal.report import words
from meterseal.report.charts import CHARTS


def render_html(document: dict[str, Any]) -> str:
    """HTML text of a report document; everything from the document is escaped."""
    environment = Environment(
        loader=PackageLoader("meterseal.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    for name in ("whole", "kwh", "mwh", "tonnes", "from_milliwh"):
        environment.filters[name] = getattr(words, name)
    template = environment.get_template("report.html.j2")
    return template.render(
        d=document,
        r=document["report"],
        t=document["totals"],
        words=words.WORDS,
        charts={name: draw(document) for name, draw in CHARTS.items()},
    )
