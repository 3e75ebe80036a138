"""What the technician takes away: the report as text, JSON and HTML, and a label with QR code."""

import html
import json
from typing import Any, Final

from meterseal.provision.order import Order
from meterseal.trust_keys import thumbprint

_LEFT_OUT: Final = ("facts", "proof", "nonce")


def label_text(station: str, kept: dict[str, Any]) -> str:
    """What the QR code says."""
    print_of_key = thumbprint(bytes.fromhex(kept["public_key"])).hex()
    return f"meterseal:1;{station};{kept['device_id']};{print_of_key}"


def lines(order: Order, kept: dict[str, Any]) -> list[tuple[str, str]]:
    """(what, value) of the report."""
    found = [("station", order.station), ("device", kept["device_id"])]
    found += [("thumbprint", thumbprint(bytes.fromhex(kept["public_key"])).hex())]
    found += [("key class", kept["key_class"]), ("firmware", kept["firmware"])]
    found += [("board", order.board or kept["unique_id"])]
    found += [
        (name, f"{'ok' if good else 'not yet'}: {text}") for name, good, text in kept["checks"]
    ]
    for unit, profile, energy_mwh in kept["registers"]:
        energy = "no total" if energy_mwh is None else f"{energy_mwh / 1e6:.3f} kWh"
        found.append((f"meter {unit}", f"{profile}, {energy}"))
    found += [("first batch", f"{kept['batch']}, {kept['batch_hash']}")]
    return [*found, ("registry", kept["registered"]), ("by", order.by or "not named")]


def write_report(order: Order, kept: dict[str, Any]) -> list[str]:
    """Write the files; their names."""
    import segno

    found = lines(order, kept)
    width = max(len(name) for name, _ in found)
    about = {"station": order.station, "by": order.by}
    about |= {name: value for name, value in kept.items() if name not in _LEFT_OUT}
    code = segno.make(label_text(order.station, kept), error="m", micro=False)
    texts = {
        "report.txt": "".join(f"{name:<{width}}  {value}\n" for name, value in found),
        "report.json": json.dumps(about, indent=1, ensure_ascii=False) + "\n",
        "report.html": _page(order.station, found, code.svg_inline(scale=4)),
    }
    for name, text in texts.items():
        (order.out / name).write_text(text, encoding="utf-8")
    code.save(str(order.out / "label.svg"), scale=4, title=f"{order.station} {kept['device_id']}")
    return [*texts, "label.svg"]


def _page(station: str, found: list[tuple[str, str]], code: str) -> str:
    title = html.escape(f"{station}: put into service")
    rows = "\n".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in found
    )
    style = "body{font:16px sans-serif;margin:2em}th{text-align:left;padding-right:1em}"
    style += "td{overflow-wrap:anywhere}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{style}</style></head><body><h1>{title}</h1>\n<table>\n{rows}\n</table>\n"
        f"<p>{code}</p></body></html>\n"
    )
