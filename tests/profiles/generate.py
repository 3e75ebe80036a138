"""Register dumps and the integers expected from them: one file for each profile, beside this
script.

Reads `meters.csv` (facts about registers with their sources) and nothing else: no profile, no
decoder of the project. A synthetic dump is encoded by the table's type, order and divisor; what
the decoders must yield follows from the encoded words by exact fractions. Dumps that others
captured or printed come from `literal_dumps.py`.

    python tests/profiles/generate.py          write the files
    python tests/profiles/generate.py --check  exit 1 if a file would change
"""

import csv
import json
import struct
import sys
from fractions import Fraction
from pathlib import Path

from literal_dumps import LITERAL, register

HERE = Path(__file__).resolve().parent

# Name in meters.csv -> profile.
PROFILES = {
    "SDM120": "eastron-sdm120",
    "SDM220": "eastron-sdm220",
    "SDM230": "eastron-sdm230",
    "SDM630": "eastron-sdm630",
    "SDM72DM-V1": "eastron-sdm72dm",
    "SDM72DM-V2": "eastron-sdm72dm-v2",
    "CG-EM340": "carlo-gavazzi-em340",
    "CG-EM580": "carlo-gavazzi-em580",
    "CG-EM24-RS485": "carlo-gavazzi-em24",
    "CG-EM24-E1": "carlo-gavazzi-em24-e1",
    "CG-EM11x": "carlo-gavazzi-em112",
    "ABB-B23": "abb-b23",
    "ABB-B21": "abb-b21",
    "ABB-EV3": "abb-ev3",
    "iEM3155": "schneider-iem3155",
    "DTSU666-A": "chint-dtsu666-a",
    "DTSU666-B": "chint-dtsu666-b",
    "DDSU666": "chint-ddsu666",
    "PAC2200": "siemens-pac2200",
    "Janitza-19000": "janitza-umg",
    "BSM-WS36A": "bauer-bsm-ws36a",
    "SunSpec-203": "sunspec-203",
    "SunSpec-213": "sunspec-213",
    "ORNO-WE516": "orno-we516",
    "ORNO-WE514": "orno-we514",
    "ORNO-WE525": "orno-we525",
    "DS100": "bg-ds100",
    "INEPRO-WAGO-KLEFR": "inepro-pro380",
    "ADW300": "acrel-adw300",
    "DDS238-2": "hiking-dds238",
}

# Quantity in meters.csv -> (key of the profile, thousandths of the base unit: idle, charging).
# Energies of a station in its third year; above 16 777 216 Wh a float32 of Wh loses single Wh.
QUANTITIES = {
    "import": ("energy_import_wh", 12_345_678_901, 23_456_789_012),
    "import_t1": ("energy_import_t1_wh", 12_345_678_901, 23_456_789_012),
    "import_t2": ("energy_import_t2_wh", 0, 1_234_567),
    "export": ("energy_export_wh", 0, 98_765_432),
    "export_t1": ("energy_export_t1_wh", 0, 98_765_432),
    "export_t2": ("energy_export_t2_wh", 0, 7_000),
    "sum": ("energy_sum_wh", 12_345_678_901, 23_555_554_444),
    "total": ("energy_sum_wh", 12_345_678_901, 23_555_554_444),
    "import_l1": ("energy_import_l1_wh", 12_000_000_000, 13_000_123_000),
    "import_l2": ("energy_import_l2_wh", 345_000_000, 10_000_456_000),
    "import_l3": ("energy_import_l3_wh", 678_901, 456_210_012),
    "power": ("power_w", 22_500, -1_234_567),
    "p1": ("power_l1_w", 7_500, 2_345_678),
    "p2": ("power_l2_w", 7_500, -3_580_245),
    "p3": ("power_l3_w", 7_500, 0),
    "v1": ("voltage_l1_v", 230_100, 226_749),
    "v2": ("voltage_l2_v", 231_400, 229_951),
    "v3": ("voltage_l3_v", 229_800, 235_050),
    "v12": ("voltage_l12_v", 399_600, 395_497),
    "i1": ("current_l1_a", 54, 10_345),
    "i2": ("current_l2_a", 54, 15_724),
    "i3": ("current_l3_a", 55, 0),
    "pf": ("power_factor", 604, 990),
    "hz": ("frequency_hz", 50_000, 49_987),
}
UNIT_EXPONENTS = {"kWh": 3, "Wh": 0, "kW": 3, "W": 0, "V": 0, "A": 0, "Hz": 0, "": 0}
TYPE_BYTES = {
    "u16": 2,
    "s16": 2,
    "u32": 4,
    "s32": 4,
    "acc32": 4,
    "f32": 4,
    "u64": 8,
    "s64": 8,
    "f64": 8,
}
FLOATS = {"f32": (">f", 8, 23), "f64": (">d", 11, 52)}
# Scale factors that the SunSpec dumps announce, by the unit of the value.
SCALE_FACTORS = {"Wh": 1, "W": 0, "V": -1, "A": -2, "Hz": -2}
SCALE_FACTOR_NAMES = {
    "Wh": "energy_sf",
    "W": "power_sf",
    "V": "voltage_sf",
    "A": "current_sf",
    "Hz": "frequency_sf",
}
LOW_WORD_FIRST = ("CDAB", "LSW-first")
# Markers of "no value": ABB's from the table's note, int16 from the SunSpec specification.
ABB_MARKERS = {"u64": "FFFFFFFFFFFFFFFF", "s32": "7FFFFFFF", "u32": "FFFFFFFF", "u16": "FFFF"}
SUNSPEC_MARKERS = {"s16": "8000"}


def half_even(value):
    """Nearest integer of a fraction, ties to even."""
    return round(value)


def float_fraction(data, exponent_bits, fraction_bits):
    """Exact value of an IEEE 754 pattern."""
    raw = int.from_bytes(data, "big")
    fraction = raw % (1 << fraction_bits)
    exponent = (raw >> fraction_bits) % (1 << exponent_bits)
    assert exponent != (1 << exponent_bits) - 1, "no NaN in a synthetic value"
    implicit = (1 << fraction_bits) if exponent else 0
    scale = (exponent or 1) - ((1 << (exponent_bits - 1)) - 1) - fraction_bits
    sign = -1 if raw >> (exponent_bits + fraction_bits) else 1
    return sign * Fraction(fraction + implicit) * Fraction(2) ** scale


def exponent_of(row):
    """Decimal exponent from the wire number to the base unit."""
    if row["divide_by"] == "10^-SF":
        return SCALE_FACTORS[row["unit"]] + UNIT_EXPONENTS[row["unit"]]
    divisor = int(row["divide_by"])
    exponent = len(str(divisor)) - 1
    assert divisor == 10**exponent, f"divisor {divisor} is no power of ten"
    return UNIT_EXPONENTS[row["unit"]] - exponent


def encode(row, milli):
    """(bytes as on the wire, exact value in thousandths after the rounding of the encoding)."""
    kind, size = row["type"], TYPE_BYTES[row["type"]]
    factor = Fraction(10) ** (exponent_of(row) + 3)
    wire = Fraction(milli) / factor
    if kind in FLOATS:
        form, exponent_bits, fraction_bits = FLOATS[kind]
        data = struct.pack(form, float(wire))
        exact = float_fraction(data, exponent_bits, fraction_bits)
    else:
        number = half_even(wire)
        if kind[0] in "ua":
            number = abs(number)
        data = number.to_bytes(size, "big", signed=kind[0] == "s")
        exact = Fraction(number)
    return ordered(row, data), half_even(exact * factor)


def ordered(row, data):
    """Words in the order of the wire."""
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    return b"".join(words[::-1] if row["order"] in LOW_WORD_FIRST else words)


def synthetic(rows, column, name):
    """Dump of all values of a meter at one of the two states."""
    registers, expected, setup = [], {}, {}
    for row in rows:
        key, *values = QUANTITIES[row["quantity"]]
        data, milli = encode(row, values[column])
        registers.append(register(row["fc"], row["addr_dec"], data))
        expected[key] = milli
        if row["note"].startswith("SF "):
            factor = SCALE_FACTORS[row["unit"]]
            setup[int(row["note"][3:])] = (SCALE_FACTOR_NAMES[row["unit"]], factor)
    for address, (_, factor) in setup.items():
        registers.append(register(3, address, factor.to_bytes(2, "big", signed=True)))
    dump = {"name": name, "class": "synthetic", "source": "meters.csv", "registers": registers}
    dump["expected"] = expected
    if setup:
        dump["scale_factors"] = {label: factor for label, factor in setup.values()}
    return dump


def unavailable(rows):
    """Dump of a meter that says "no value" wherever there is a marker for it; None if none."""
    registers, expected = [], {}
    for row in rows:
        markers = ABB_MARKERS if "n/a" in row["note"] or row["meter"].startswith("ABB") else {}
        if row["note"].startswith("SF "):
            markers = SUNSPEC_MARKERS
        if row["type"] in FLOATS:
            markers = {"f32": "7FC00000", "f64": "FFF8000000000000"}
        if row["type"] in markers:
            data = ordered(row, bytes.fromhex(markers[row["type"]]))
            registers.append(register(row["fc"], row["addr_dec"], data))
            expected[QUANTITIES[row["quantity"]][0]] = None
    if not registers:
        return None
    source = "meters.csv, IEEE 754 NaN"
    dump = {"name": "no value", "class": "synthetic", "source": source, "registers": registers}
    dump["expected"] = expected
    factors = {SCALE_FACTOR_NAMES[r["unit"]]: 0 for r in rows if r["note"].startswith("SF ")}
    if factors:
        dump["scale_factors"] = factors
    return dump


def dump_files():
    """Path -> text of every dump file."""
    rows = {}
    with open(HERE / "meters.csv", newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            if row["quantity"] in QUANTITIES:
                rows.setdefault(PROFILES[row["meter"]], []).append(row)
    files = {}
    for profile, own in rows.items():
        dumps = list(LITERAL.get(profile, []))
        dumps += [synthetic(own, 0, "idle"), synthetic(own, 1, "charging")]
        dumps += [dump for dump in [unavailable(own)] if dump]
        tree = {"profile": profile, "unit": "thousandths of Wh, W, V, A, Hz, 1", "dumps": dumps}
        files[HERE / f"{profile}.json"] = json.dumps(tree, indent=1, ensure_ascii=False) + "\n"
    return files


def main():
    """Write the files, or compare them."""
    stale = [
        p for p, text in dump_files().items() if not p.exists() or p.read_text("utf-8") != text
    ]
    for path in stale:
        print(f"{path.name}: {'differs' if '--check' in sys.argv else 'written'}")
        if "--check" not in sys.argv:
            path.write_text(dump_files()[path], "utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
