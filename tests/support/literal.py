"""WIRE_FORMAT 4.2 and 4.3 read literally: one value after the other, bit strings, no shortcut."""

from typing import Any

import cbor2


def values(bits: int, m: int, series: list[Any]) -> list[int]:
    """The m integers modulo 2^bits of `first, base, width, packed`, patches if any."""
    first, base, width, packed = series[:4]
    patches = series[4] if len(series) > 4 else []
    stream = "".join(f"{byte:08b}" for byte in packed)
    residuals = {i: int(stream[(i - 1) * width : i * width] or "0", 2) for i in range(1, m)}
    residuals |= dict(zip(patches[::2], patches[1::2], strict=True))
    found = [first]
    for i in range(1, m):
        found.append((found[-1] + base + residuals[i]) % 2**bits)
    return found


def readings(payload: bytes) -> dict[int, Any]:
    """Sequence -> boot, time, unit, status, flags, value by register; of a valid payload."""
    content = cbor2.loads(payload)
    found: dict[int, Any] = {}
    for meter, boot, n, sequence, time, quality, columns in content[13]:
        marks = {index: (status, flags) for index, status, flags in quality}
        times = values(64, n, time)
        rows: list[dict[tuple[int, ...], int]] = [{} for _ in range(n)]
        for column in columns:
            absent = column[9] if len(column) > 9 else []
            present = [row for row in range(n) if row not in absent]
            numbers = values(16 * column[2], len(present), column[4:9])
            for row, number in zip(present, numbers, strict=True):
                rows[row][tuple(column[:4])] = number
        numbers = values(64, n, sequence) if sequence else range(content[6], content[6] + n)
        for row, one in enumerate(numbers):
            unit = content[12][meter][2]
            found[one] = (boot, times[row], unit, *marks.get(row, (0, 0)), rows[row])
    return found
