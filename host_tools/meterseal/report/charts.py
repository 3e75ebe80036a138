"""Charts of a report as SVG text: no script, no outside resource, the same bytes every time.

Values come as decimal text from the document; a chart is a picture, so floats are fine here.
"""

from collections.abc import Sequence
from html import escape
from typing import Any, Final

GREEN, AMBER, GREY, BLUE, INK = "#12805c", "#e08e1b", "#8794a1", "#2a5d9f", "#22313f"
WIDTH: Final = 760
_NAMED: Final = 16
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 16, 30, 44


class Canvas:
    """Collects SVG elements in a box of WIDTH x height."""

    def __init__(self, height: int, label: str) -> None:
        self.height = height
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'role="img" aria-label="{escape(label)}" font-family="Helvetica, Arial, sans-serif" '
            'font-size="12">'
        ]

    def rect(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A filled box."""
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" '
            f'height="{max(height, 0):.1f}" fill="{colour}"/>'
        )

    def line(
        self, points: Sequence[tuple[float, float]], colour: str, dashed: bool = False
    ) -> None:
        """A line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>'
        )

    def dot(self, x: float, y: float, colour: str) -> None:
        """A round mark."""
        self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>')

    def text(
        self, x: float, y: float, words: str, anchor: str = "start", colour: str = INK
    ) -> None:
        """Words at a place."""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">'
            f"{escape(words)}</text>"
        )

    def done(self) -> str:
        """The whole picture."""
        return "".join([*self._parts, "</svg>"])


def thousands(value: float) -> str:
    """12,345; one decimal below 10."""
    return f"{value:,.1f}" if 0 < value < 10 else f"{value:,.0f}"


def nice_top(value: float) -> float:
    """A round number at or above a value, for the top of an axis."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** (len(str(int(value))) - 1)
    return next(
        unit * step for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if unit * step >= value
    )


def axis(canvas: Canvas, top: float, unit: str) -> None:
    """Four grid lines with numbers, and the unit above them."""
    plot = canvas.height - _TOP - _BOTTOM
    for step in range(5):
        y = canvas.height - _BOTTOM - plot * step / 4
        canvas.rect(_LEFT, y, WIDTH - _LEFT - _RIGHT, 0.6, "#d5dce3")
        canvas.text(_LEFT - 8, y + 4, thousands(top * step / 4), "end", "#55636f")
    canvas.text(_LEFT - 8, 16, unit, "end", "#55636f")


def legend(canvas: Canvas, entries: Sequence[tuple[str, str]]) -> None:
    """Colours and what they mean, in one row."""
    x = float(_LEFT)
    for colour, words in entries:
        canvas.rect(x, 8, 11, 11, colour)
        canvas.text(x + 16, 18, words)
        x += 30 + 6.6 * len(words)


def energy_by_month(document: dict[str, Any]) -> str:
    """Credited and withheld MWh in each month."""
    rows = [
        (one["month"], float(one["baseline_kwh"]) / 1000, float(one["project_kwh"]) / 1000)
        for one in document["months"]
    ]
    canvas = Canvas(270, "Energy per month")
    top = nice_top(max((project for _, _, project in rows), default=1))
    axis(canvas, top, "MWh")
    legend(canvas, [(GREEN, "credited to the baseline"), (AMBER, "project side only")])
    plot, wide = 270 - _TOP - _BOTTOM, (WIDTH - _LEFT - _RIGHT) / max(len(rows), 1)
    for i, (month, baseline, project) in enumerate(rows):
        x, floor = _LEFT + i * wide + wide * 0.16, 270 - _BOTTOM
        high, part = plot * project / top, plot * min(baseline, project) / top
        canvas.rect(x, floor - high, wide * 0.68, high - part, AMBER)
        canvas.rect(x, floor - part, wide * 0.68, part, GREEN)
        canvas.text(x + wide * 0.34, floor + 18, month, "middle")
    return canvas.done()


def coverage(document: dict[str, Any]) -> str:
    """Share of meters reporting in each month; the axis begins at 80 %."""
    canvas = Canvas(210, "Meters reporting per month")
    rows = [one for one in document["months"] if one["meters_due"]]
    plot, wide = 210 - _TOP - _BOTTOM, (WIDTH - _LEFT - _RIGHT) / max(len(rows), 1)
    for step in range(5):
        y = 210 - _BOTTOM - plot * step / 4
        canvas.rect(_LEFT, y, WIDTH - _LEFT - _RIGHT, 0.6, "#d5dce3")
        canvas.text(_LEFT - 8, y + 4, f"{80 + 5 * step} %", "end", "#55636f")
    minimum = float(document["methodology"]["options"]["minimum_coverage_percent"])
    legend(canvas, [(BLUE, "meters reporting"), (AMBER, f"minimum {minimum:.0f} %")])
    for i, one in enumerate(rows):
        share = 100 * one["meters_reporting"] / one["meters_due"]
        x, high = _LEFT + i * wide + wide * 0.16, plot * max(share - 80, 0) / 20
        canvas.rect(x, 210 - _BOTTOM - high, wide * 0.68, high, BLUE)
        canvas.text(x + wide * 0.34, 210 - _BOTTOM + 18, one["month"], "middle")
    y = 210 - _BOTTOM - plot * max(minimum - 80, 0) / 20
    canvas.line([(_LEFT, y), (WIDTH - _RIGHT, y)], AMBER, dashed=True)
    return canvas.done()


def energy_by_station(document: dict[str, Any]) -> str:
    """Every station as one bar, the largest first; the bars of few stations have names."""
    ranked = sorted(
        document["stations"], key=lambda one: (-float(one["project_kwh"]), one["station"])
    )
    values = [float(one["project_kwh"]) / 1000 for one in ranked]
    canvas = Canvas(230, "Energy per station")
    top = nice_top(values[0] if values else 1)
    axis(canvas, top, "MWh")
    plot, wide = 230 - _TOP - _BOTTOM, (WIDTH - _LEFT - _RIGHT) / max(len(values), 1)
    for i, value in enumerate(values):
        high = plot * value / top
        canvas.rect(_LEFT + i * wide, 230 - _BOTTOM - high, wide * 0.8, high, BLUE)
        if len(values) <= _NAMED:
            name = str(ranked[i]["station"])[: int(wide / 6.6)]
            canvas.text(_LEFT + (i + 0.4) * wide, 230 - _BOTTOM + 38, name, "middle", "#55636f")
    words = f"{len(values)} stations, by energy; each bar is one station"
    canvas.text((_LEFT + WIDTH - _RIGHT) / 2, 230 - _BOTTOM + 20, words, "middle")
    return canvas.done()


def targets(document: dict[str, Any]) -> str:
    """Cumulative tonnes against each target's straight line."""
    rows = document["progress"]
    if not rows:
        return Canvas(10, "No targets").done()
    last_day = document["report"]["period"]["last_day"]
    first, last = min(r["from_year"] for r in rows), max(r["until_year"] for r in rows) + 1
    now = _year(last_day)
    canvas = Canvas(280, "Cumulative reductions against the targets")
    top = nice_top(max(r["tonnes"] for r in rows))
    axis(canvas, top, "tCO2e")
    plot, across = 280 - _TOP - _BOTTOM, WIDTH - _LEFT - _RIGHT
    colours = (GREEN, BLUE, AMBER, GREY)
    for colour, row in zip(colours, rows, strict=False):
        start, end = row["from_year"], row["until_year"] + 1
        points = [
            (_LEFT + across * (x - first) / (last - first), 280 - _BOTTOM - plot * y / top)
            for x, y in ((start, 0), (end, row["tonnes"]))
        ]
        canvas.line(points, colour, dashed=True)
        x = _LEFT + across * (now - first) / (last - first)
        canvas.dot(x, 280 - _BOTTOM - plot * row["reached_t"] / top, colour)
    locked = ((_year(one["last_day"]), one["cumulative_t"]) for one in document["history"])
    reached = [(float(first), 0), *sorted(locked), (now, document["totals"]["cumulative_t"])]
    steps = [
        (_LEFT + across * (x - first) / (last - first), 280 - _BOTTOM - plot * y / top)
        for x, y in reached
    ]
    canvas.line(steps, INK)
    entries = [
        (colour, f"{row['target']}: {row['reached_t']:,} of {row['tonnes']:,} t")
        for colour, row in zip(colours, rows, strict=False)
    ]
    legend(canvas, entries)
    for year in range(first, last + 1):
        x = _LEFT + across * (year - first) / (last - first)
        canvas.text(x, 280 - _BOTTOM + 18, str(year), "middle")
    return canvas.done()


def _year(day: str) -> float:
    """A day as a decimal year; a picture needs no more than the month."""
    return int(day[:4]) + int(day[5:7]) / 12


def sensitivity(document: dict[str, Any]) -> str:
    """Change of the reductions when a parameter changes by 10 %."""
    rows = document["sensitivity"]
    canvas = Canvas(36 + 30 * max(len(rows), 1), "Sensitivity")
    legend(canvas, [(BLUE, "parameter 10 % lower"), (AMBER, "parameter 10 % higher")])
    largest = max((abs(float(r[k])) for r in rows for k in _CHANGES), default=1) or 1
    middle, half = 480.0, 200.0
    for i, row in enumerate(rows):
        y = 34 + 30 * i
        canvas.text(250, y + 15, row["parameter"].replace("_", " "), "end")
        for key, colour, shift in zip(_CHANGES, (BLUE, AMBER), (0, 10), strict=True):
            value = float(row[key])
            long = half * abs(value) / largest
            canvas.rect(middle - long if value < 0 else middle, y + shift, long, 9, colour)
        values = f"{float(row['change_minus_t']):+,.0f} / {float(row['change_plus_t']):+,.0f} t"
        canvas.text(WIDTH - 4, y + 15, values, "end")
    canvas.rect(middle - 0.4, 28, 0.8, 30 * len(rows), INK)
    return canvas.done()


_CHANGES: Final = ("change_minus_t", "change_plus_t")

CHARTS: Final = {
    "energy_by_month": energy_by_month,
    "energy_by_station": energy_by_station,
    "coverage": coverage,
    "targets": targets,
    "sensitivity": sensitivity,
}
"""Name -> function from the report document to SVG text."""
