"""Writes the frozen corpus: 60 readings of a synthetic hour as two kinds of meters send them.

    python tests/corpus/generate.py            # write *.json, *.cbor and key.json
    python tests/corpus/generate.py --check    # compare only; exit 1 names what differs

The JSON files are the corpus; the batches (*.cbor) are sealed from them by the firmware's code
with a published key. Both are frozen: a benchmark figure means the same in every version.
"""

import hashlib
import json
import struct
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "firmware"), str(HERE)]

from station_model import Noise, Second, simulate  # noqa: E402

SEED = 20261124
READINGS = 60
FIRST_SEQUENCE = 300_000  # 208 days of one reading a minute, 60 in a batch: number 5000
ENERGY_BEFORE_MJ = 3_846_217_300 * 3_600  # those days at twelve such hours a day
FIRST_MONO_MS = 1_468_800_340  # the 17th day of boot 40
_NOTE = "Synthetic: see tests/corpus/README.md. Words as the meter sends them, hexadecimal."


def float_words(value: Fraction) -> bytes:
    """Two words of the IEEE-754 single nearest to `value`, high word first."""
    return struct.pack(">f", float(value))


def integer_words(value: int) -> bytes:
    """Two words of a 32-bit integer, low word first."""
    data = value.to_bytes(4, "big")
    return data[2:] + data[:2]


def sdm120_words(second: Second, energy_mj: int) -> dict[str, bytes]:
    """Energy in kWh with the float's own resolution, power, voltage, current."""
    return {
        "energy": float_words(Fraction(energy_mj, 3_600_000_000)),
        "power": float_words(Fraction(second.power_uw, 1_000_000)),
        "voltage": float_words(Fraction(second.voltage_uv, 1_000_000)),
        "current": float_words(Fraction(second.current_ua, 1_000_000)),
    }


def em340_words(second: Second, energy_mj: int) -> dict[str, bytes]:
    """Energy in 0.1 kWh, power in 0.1 W, voltage in 0.1 V, current in 1 mA."""
    return {
        "energy": integer_words(energy_mj // 360_000_000),
        "power": integer_words(round(second.power_uw / 100_000)),
        "voltage": integer_words(round(second.voltage_uv / 100_000)),
        "current": integer_words(round(second.current_ua / 1_000)),
    }


# identity and setup: [function, address, words];
# columns: name -> [function, address, count, order]
SDM120 = {
    "profile": "eastron-sdm120",
    "identity": [[3, 0xFC00, "0131f2a7"]],
    "setup": [[3, 0xF920, "40000000"]],
    "columns": {
        "energy": [4, 0x0048, 2, 0],
        "power": [4, 0x000C, 2, 0],
        "voltage": [4, 0x0000, 2, 0],
        "current": [4, 0x0006, 2, 0],
    },
    "words": sdm120_words,
}
EM340 = {
    "profile": "carlo-gavazzi-em340",
    "identity": [[3, 0x000B, "0154"], [3, 0x5000, b"KT0340012003Y\0".hex()]],
    "setup": [[3, 0x1002, "0003"], [3, 0x1103, "0000"]],
    "columns": {
        "energy": [4, 0x0034, 2, 1],
        "power": [4, 0x0028, 2, 1],
        "voltage": [4, 0x0000, 2, 1],
        "current": [4, 0x000C, 2, 1],
    },
    "words": em340_words,
}
ALL = ("energy", "power", "voltage", "current")
CORPORA: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "energy_sdm120": (SDM120, ("energy",)),
    "energy_em340": (EM340, ("energy",)),
    "4q_float_sdm120": (SDM120, ALL),
    "4q_int_em340": (EM340, ALL),
}


def poll_times_ms() -> list[int]:
    """When the first request of each reading went out: a fixed grid and the loop's latency."""
    noise = Noise(SEED + 1)
    return [FIRST_MONO_MS + 60_000 * i + noise.between(1, 25) for i in range(READINGS)]


def corpus(model: dict[str, Any], quantities: tuple[str, ...]) -> dict[str, Any]:
    """One corpus as it stands in its file."""
    seconds = list(simulate(SEED, 60 * READINGS))
    readings = []
    for i, time_ms in enumerate(poll_times_ms()):
        second = seconds[60 * i]
        words = model["words"](second, ENERGY_BEFORE_MJ + second.energy_mj)
        joined = b"".join(words[name] for name in quantities)
        readings.append([FIRST_SEQUENCE + i, time_ms // 100, joined.hex()])
    return {
        "note": _NOTE,
        "boot": 40,
        "sealed_mono_ms": FIRST_MONO_MS + 60_000 * READINGS - 900,
        "profile": model["profile"],
        "profile_hash": hashlib.sha256(f"corpus {model['profile']}".encode()).digest()[:16].hex(),
        "unit": 1,
        "identity": model["identity"],
        "setup": model["setup"],
        "columns": [model["columns"][name] for name in quantities],
        "readings": readings,
    }


def as_text(node: dict[str, Any]) -> str:
    """JSON with one reading on a line."""
    rest = {name: value for name, value in node.items() if name != "readings"}
    head = json.dumps(rest, indent=1)[:-2]
    lines = ",\n".join(json.dumps(reading) for reading in node["readings"])
    return f'{head},\n "readings": [\n{lines}\n]}}\n'


def files() -> dict[str, bytes]:
    """Name -> content of everything in this folder that is generated."""
    from sealing import key_file, sealed

    out = {"key.json": (json.dumps(key_file(), indent=1) + "\n").encode()}
    for name, (model, quantities) in CORPORA.items():
        node = corpus(model, quantities)
        out[f"{name}.json"] = as_text(node).encode()
        out[f"{name}.cbor"] = sealed(node)
    return out


def main(arguments: list[str]) -> int:
    """Write the files, or with --check compare them."""
    differing = []
    for name, content in files().items():
        path = HERE / name
        if not path.exists() or path.read_bytes() != content:
            differing.append(name)
            if "--check" not in arguments:
                path.write_bytes(content)
    if "--check" in arguments and differing:
        print("differ from what generate.py writes:", ", ".join(differing))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
