"""The valid batches at the edges: word orders, wrap-around, extreme sizes and numbers."""

import vec_batch
from vec_cbor import encode
from vec_inputs import (
    IEM3155,
    SDM120,
    Noise,
    batch,
    context,
    first_batch,
    meter,
    raw_meter,
    raw_series,
    reading,
    series,
)
from vec_p256 import DEVICE

M16, M32, M48, M64 = (2 ** (16 * count) for count in (1, 2, 3, 4))


def of_rows(columns, rows, **other):
    """Return a batch whose only meter sends these integers."""
    return batch([context(3, raw_meter(columns))], raw_series(rows, columns), **other)


def orders():
    """Yield every word order at every size."""
    rows = [[(i * 0x0102_0304_0506_0708 + 0x1122_3344_5566_7788) % M64] for i in range(4)]
    for count in (1, 2, 3, 4):
        for order in range(4):
            cut = [[row[0] % 2 ** (16 * count)] for row in rows]
            yield (
                f"order-{order}-count-{count}",
                ["Order"],
                "words reversed" * (order & 1) + " bytes swapped" * (order >> 1) or "as sent",
                of_rows([(3, 0x0100, count, order)], cut),
            )


def moduli():
    """Yield values that wrap, fall and scatter."""
    noise = Noise("moduli")
    for bits, count in ((16, 1), (32, 2), (48, 3), (64, 4)):
        modulus, column = 2**bits, [(4, 0, count, 0)]
        rows = [[(modulus - 5 + 2 * i) % modulus] for i in range(6)]
        yield f"wrap-{bits}", ["Wrap"], "a counter passes its end", of_rows(column, rows)
        rows = [[modulus - 1 - 3 * i] for i in range(6)]
        yield f"falling-{bits}", ["NegativeBase"], "base -3", of_rows(column, rows)
        rows = [[noise.below(modulus)] for _ in range(20)]
        yield f"noise-{bits}", ["Noise"], "no order at all", of_rows(column, rows)
        rows = [[0], [modulus // 2], [0], [modulus // 2 - 1], [modulus - 1]]
        yield f"half-{bits}", ["NegativeBase"], "steps of half the modulus", of_rows(column, rows)
    rows = [[1_000 + i + (5_000_000 if i in (4, 9) else 0)] for i in range(16)]
    yield "outliers", ["Patches"], "two jumps up and down", of_rows([(4, 0, 2, 0)], rows)


def layouts():
    """Yield columns and readings in unusual company."""
    columns = [(4, 0x10, 1, 0), (3, 0x10, 1, 0), (3, 0x10, 2, 0), (3, 0x0F, 4, 1)]
    rows = [[i, 2 * i, 3 * i, 4 * i] for i in range(5)]
    yield (
        "columns-sorted",
        ["Order"],
        "the layout of the meter is not in the order of the wire",
        of_rows(columns, rows),
    )
    for n in (1, 2):
        yield (
            f"readings-{n}",
            ["Few"],
            f"{n} reading(s)",
            batch([context(3, SDM120)], series(f"few {n}", SDM120, 361, n)),
        )
    words = bytes.fromhex("449a522045068000436680004114cccd")
    statuses = [0, 1, 2, 3, 4, 128, 129, 130, 131, 132, 134, 138, 139, 255]
    marks = [(status, flags) for status in statuses for flags in range(8)]
    rows = [
        reading(361 + i, 600 * i, words, 15, status=status, flags=flags)
        for i, (status, flags) in enumerate(marks)
    ]
    yield (
        "quality-every",
        ["Quality"],
        "every status, every flag",
        batch([context(3, SDM120)], rows),
    )


def courses():
    """Yield meters that change within a boot, and polls that come late."""
    changed = {**SDM120, "setup": [[3, 0x0016, "40a00000"]]}
    moved = {**SDM120, "identity": [[3, 0xFC00, "0131f2a8"], [4, 0x0001, "0001"]]}
    meters = (SDM120, changed, moved)
    rows = [r for i in range(3) for r in series(f"e{i}", meters[i], 361 + 4 * i, 4, context=i)]
    yield (
        "meter-epochs",
        ["MeterEpoch", "Setup"],
        "setup, then serial number of a meter change within a boot: three epochs",
        batch([context(3, m) for m in meters], rows, events=[[5, 3, 9_000, [0, 1]]]),
    )
    irregular = series("irregular", SDM120, 361, 30)
    times = Noise("times")
    for row in irregular:
        row["t_100ms"] += times.below(40) + (6_000 if row["sequence"] == 370 else 0)
    yield "time-irregular", ["Patches"], "late polls", batch([context(3, SDM120)], irregular)


def numbers():
    """Yield the greatest and the least numbers."""
    top = M64 - 1
    last = [reading(top - 1 + i, top - 1 + i, bytes(16), 15) for i in range(2)]
    yield (
        "numbers-greatest",
        ["Extremes"],
        "64 bits wherever the format allows them",
        batch(
            [context(top, {**SDM120, "unit": 255})],
            last,
            number=top,
            sealed_mono_ms=top,
            anchors=[[top, top, top, 1, top]],
            key_class=2,
        ),
    )
    zero = [reading(0, 0, bytes(16), 15)]
    yield (
        "numbers-least",
        ["Extremes", "Genesis"],
        "zero wherever the format allows it",
        first_batch(
            [context(0, {**SDM120, "unit": 0, "identity": []})],
            zero,
            sealed_mono_ms=0,
            anchors=[[0, 0, 0, 1, 0]],
            key_class=0,
            firmware="0",
            config_hash_hex="00" * 8,
            chain_hex="00" * 16,
        ),
    )


def heads():
    """Yield numbers at every change of the length of a head."""
    for value in (23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32):
        yield (
            f"number-{value}",
            ["Extremes"],
            "heads of every length",
            batch(
                [context(value, IEM3155)],
                series(f"b{value}", IEM3155, value, 3, first_t=value),
                number=value,
                sealed_mono_ms=value,
            ),
        )


def sizes():
    """Yield the longest and the most."""
    yield (
        "utf-8",
        ["Text"],
        "text of two, three and four bytes a character, counted in bytes",
        batch([context(3, {**SDM120, "profile": "ភ្នំពេញ-서울-é-🔌"})], [], firmware="0.1.0-ខ្មែរ"),
    )
    long_registers = [(3, 0, "ab" * 250), (4, 65_535, "0001")]
    longest = meter(
        "p" * 64, 255, [(4, 65_535, 1, 0)], serial=long_registers, setup=long_registers
    )
    extra = {18: ["{" + "x" * 300], 19: b"r" * 1_024, 20: b"o" * 1_024}
    extra.update({21: [[b"n" * 64, 3, 1], [b"n" * 8, 3, 1]], 22: b"t" * 32})
    yield (
        "strings-longest",
        ["Extremes"],
        "every string at its greatest length",
        batch(
            [context(3, longest)], [reading(1, 1, b"\xff\xff", 1)], firmware="f" * 32, extra=extra
        ),
    )
    least = {18: [""], 19: b"r", 20: b"o", 21: [[b"n" * 8, 0, 0]], 22: b"t" * 8}
    yield (
        "strings-shortest",
        ["Extremes"],
        "every string at its least length",
        batch([context(3, meter("p", 1, [(3, 0, 1, 0)]))], [], firmware="f", extra=least),
    )
    many = [{**SDM120, "unit": unit + 1} for unit in range(32)]
    rows = [series(f"m{i}", m, 361 + i, 1, meter=i)[0] for i, m in enumerate(many)]
    yield "meters-32", ["SeveralMeters"], "as many as allowed", batch([context(3, *many)], rows)
    yield (
        "readings-1024",
        ["Extremes"],
        "as many as allowed, session after session",
        batch([context(3, SDM120)], series("1024", SDM120, 361, 1_024)),
    )
    yield "size-65535", ["Extremes"], "the longest batch that is allowed", longest_batch()


def longest_batch():
    """Return a batch of 65,535 bytes."""
    content = batch(
        [context(3, SDM120)], series("long", SDM120, 361, 3), extra={64: b"\xa5" * 60_000}
    )
    length = len(vec_batch.seal(encode(vec_batch.payload_map(content)), DEVICE)[0])
    content["extra"] = {64: b"\xa5" * (60_000 + 65_535 - length)}
    return content


def cases():
    """Yield all cases of this module."""
    for part in (orders, moduli, layouts, courses, numbers, heads, sizes):
        yield from part()
