"""Small SVG pictures for the pages: bars by hour, stations on a map. No script, no other file."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from meterseal.collector.places import Place

WIDTH: Final = 720
_HEIGHT, _LEFT, _BOTTOM, _TOP = 150, 54, 22, 14
_COLOURS: Final = {"ok": "#2e9e4f", "silent": "#e0a800", "no batch yet": "#9aa5ae"}


def bars(hours: Mapping[int, float], unit: str, divisor: float, label: str) -> str:
    """One bar for each hour from the first to the last; empty without any."""
    if not hours:
        return ""
    first, last = min(hours), max(hours)
    top = max(max(hours.values()) / divisor, 1e-9)
    wide = (WIDTH - _LEFT) / (last - first + 1)
    high = _HEIGHT - _BOTTOM - _TOP
    parts = [_open(_HEIGHT, label), _text(_LEFT - 6, _TOP + 4, f"{top:,.2f}", "end")]
    parts.append(_text(_LEFT - 6, _TOP + 20, unit, "end"))
    for hour, value in sorted(hours.items()):
        tall = high * value / divisor / top
        x, y = _LEFT + (hour - first) * wide, _TOP + high - tall
        title = f"{_when(hour)}: {value / divisor:,.3f} {unit}"
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(wide * 0.85, 0.6):.2f}" '
            f'height="{tall:.1f}" fill="#2a6f97"><title>{escape(title)}</title></rect>'
        )
    parts.append(_text(_LEFT, _HEIGHT - 6, _when(first), "start"))
    parts.append(_text(WIDTH, _HEIGHT - 6, _when(last), "end"))
    return "".join([*parts, "</svg>"])


def map_of(stations: Sequence[tuple[str, str, str]], places: Mapping[str, Place]) -> str:
    """Stations (device, name, state) with a place, north up, as far apart as they are."""
    shown = [
        (places[name], device, name, state) for device, name, state in stations if name in places
    ]
    if not shown:
        return ""
    south, north = (f(one[0].latitude for one in shown) for f in (min, max))
    west, east = (f(one[0].longitude for one in shown) for f in (min, max))
    degrees = max(north - south, east - west, 0.01)
    side = WIDTH - 120
    height = int(side * (north - south) / degrees) + 60
    parts = [_open(height, "Map of the stations")]
    for place, device, name, state in shown:
        x = 40 + side * (place.longitude - west) / degrees
        y = height - 30 - side * (place.latitude - south) / degrees
        colour = _COLOURS.get(state, "#c62839")
        parts.append(
            f'<a href="/stations/{escape(device)}"><circle cx="{x:.1f}" cy="{y:.1f}" r="7" '
            f'fill="{colour}"><title>{escape(name)}: {escape(state)}</title></circle></a>'
        )
        if len(shown) <= 30:
            parts.append(_text(x + 10, y + 4, name, "start"))
    return "".join([*parts, "</svg>"])


def _open(height: int, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}" '
        'style="width:100%;height:auto" font-family="system-ui, sans-serif" font-size="12">'
    )


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#444">{escape(words)}</text>'
    )


def _when(hour: int) -> str:
    return datetime.fromtimestamp(hour * 3600, UTC).strftime("%Y-%m-%d %H:00")
