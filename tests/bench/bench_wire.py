"""Bytes on the wire for each reading: whole batches of the frozen corpus over their readings.

Envelope, signature, anchor, health and meter table included; sealed by the firmware's own code.
`..._with_receipt`: what an ESP32 sends at a collector that signs receipts: its two more health
keys in every batch, and a receipt in one batch of RECEIPT_EVERY, averaged over a day.
Exact counts: the same on every machine. `python tests/bench/bench_wire.py` also shows the shares.
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
CORPUS = ROOT / "tests" / "corpus"
sys.path[:0] = [str(ROOT / "firmware"), str(CORPUS)]

from agent.foreign import is_receipt  # noqa: E402
from sealing import extras, receipt, sealed, shares  # noqa: E402

RECEIPT_EVERY = 24  # see agent.uplink.receipts

# figure -> corpus; the harder meter stands for "energy only"
NAMES = {
    "wire_bytes_per_reading_energy": "energy_sdm120",
    "wire_bytes_per_reading_energy_int": "energy_em340",
    "wire_bytes_per_reading_4q_int": "4q_int_em340",
    "wire_bytes_per_reading_4q_float": "4q_float_sdm120",
}


def corpus(name: str) -> dict[str, Any]:
    """A corpus by its name."""
    node: dict[str, Any] = json.loads((CORPUS / f"{name}.json").read_text(encoding="utf-8"))
    return node


def bytes_per_reading(node: dict[str, Any]) -> float:
    """Length of the sealed batch over the number of its readings."""
    return round(len(sealed(node)) / len(node["readings"]), 3)


def with_receipt(node: dict[str, Any]) -> float:
    """The same of a day's batches, of which one has a receipt."""
    assert is_receipt(receipt())
    plain, one = (len(sealed(node, extras(has))) for has in (False, True))
    day = plain * (RECEIPT_EVERY - 1) + one
    return round(day / (RECEIPT_EVERY * len(node["readings"])), 3)


def figures() -> dict[str, float]:
    """Bytes per reading of each corpus."""
    found = {figure: bytes_per_reading(corpus(name)) for figure, name in NAMES.items()}
    return found | {
        f"{figure}_with_receipt": with_receipt(corpus(NAMES[figure])) for figure in NAMES
    }


if __name__ == "__main__":
    for figure, value in figures().items():
        name = NAMES[figure.removesuffix("_with_receipt")]
        print(f"{figure:48} {value:7.3f}  {shares(corpus(name))}")
