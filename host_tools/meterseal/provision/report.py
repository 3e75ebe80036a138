"""What the technician takes away: the report as text, JSON and HTML."""

import html
import json
from typing import Any, Final

from meterseal.provision.label import label_code, label_svg
from meterseal.provision.order import Order
from meterseal.provision.record import firmware_kind
from meterseal.trust_keys import thumbprint

_LEFT_OUT: Final = ("proof", "nonce", "record")

Lines = list[tuple[str, str]]


def lines(order: Order, kept: dict[str, Any], about: dict[str, Any]) -> Lines:
    """(what, value) of the report."""
    found = [("station", order.station), ("device", kept["device_id"])]
    found += [("thumbprint", thumbprint(bytes.fromhex(kept["public_key"])).hex())]
    found += [("key class", kept["key_class"]), ("firmware", kept["firmware"])]
    found += [("firmware kind", firmware_kind(about))]
    found += [("board", order.board or about["machine"]), ("board id", kept["unique_id"])]
    found += [
        (name, f"{'ok' if good else 'not yet'}: {text}") for name, good, text in kept["checks"]
    ]
    for unit, profile, energy_mwh, serial in kept["registers"]:
        energy = "no total" if energy_mwh is None else f"{energy_mwh / 1e6:.3f} kWh"
        number = f"serial {serial}" if serial else "no serial number by Modbus"
        found.append((f"meter {unit}", f"{profile}, {number}, {energy}"))
    for one in order.meters:
        names = " ".join(str(text) for text in one.get("meter", {}).values())
        found.append((f"meter {one.get('unit_id')}, plate", f"{names}, {one.get('role')}"))
    found += [("first batch", f"{kept['batch']}, {kept['batch_hash']}")]
    found += [("provisioning record", kept["provisioning_hash"])]
    found += [("registry", kept["registered"])]
    return [*found, ("at", kept["enrolled_at"]), ("by", order.by or "not named")]


def write_report(order: Order, kept: dict[str, Any], about: dict[str, Any]) -> list[str]:
    """Write the files; their names."""
    found = lines(order, kept, about)
    width = max(len(name) for name, _ in found)
    values = {"station": order.station, "by": order.by, "at": kept["enrolled_at"]}
    values |= {"firmware_kind": firmware_kind(about), "meters_on_record": order.meters}
    values |= {name: value for name, value in kept.items() if name not in _LEFT_OUT}
    inline = label_code(order.station, kept).svg_inline(scale=4)
    texts = {
        "report.txt": "".join(f"{name:<{width}}  {value}\n" for name, value in found),
        "report.json": json.dumps(values, indent=1, ensure_ascii=False) + "\n",
        "report.html": _page(order.station, found, inline),
        "label.svg": label_svg(order.station, kept),
    }
    for name, text in texts.items():
        (order.out / name).write_text(text, encoding="utf-8")
    return list(texts)


def _page(station: str, found: Lines, code: str) -> str:
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
