"""The valid batches: what stations send every day. Corner cases are in vec_valid_edges."""

from vec_inputs import (
    EM340,
    IEM3155,
    SDM120,
    SDM630,
    batch,
    context,
    failed,
    first_batch,
    series,
)

ANCHOR = [3, 12_000, 1_790_000_012_000, 5, 180]


def interleaved(name, meters, first_sequence, rounds, **other):
    """Return readings of several meters in turn, one round a minute."""
    columns = [series(f"{name} {i}", m, 0, rounds, meter=i) for i, m in enumerate(meters)]
    readings = [reading for turn in zip(*columns, strict=True) for reading in turn]
    for i, reading in enumerate(readings):
        reading["sequence"] = first_sequence + i
        reading["t_100ms"] += 2 * reading["meter"]
        reading.update(other)
    return readings


def without(reading, *columns):
    """Return the reading with some columns not obtained: zero-filled, flag partial."""
    words, present = bytearray.fromhex(reading["words_hex"]), reading["present"]
    for column in columns:
        words[4 * column : 4 * column + 4] = bytes(4)
        present &= ~(1 << column)
    fault = {"status": 1, "flags": 4}
    return {**reading, **fault, "present": present, "words_hex": words.hex()}


def chains():
    """Yield (id, flags, comment, input): where a batch stands in its chain."""
    one = [context(1, SDM120)]
    yield (
        "genesis",
        ["Genesis"],
        "first batch of a first chain, three readings of an SDM120",
        first_batch(one, series("genesis", SDM120, 1, 3), key_class=0),
    )
    yield (
        "genesis-zero-readings",
        ["Genesis", "NoReadings"],
        "first batch sealed before anything was read; no meter is known",
        first_batch([], [], first_sequence=1, boot=1),
    )
    yield (
        "zero-readings",
        ["NoReadings"],
        "meter known, nothing read since the last batch",
        batch([context(3, SDM120)], []),
    )


def hours():
    """Yield an hour of each of the four meters."""
    yield (
        "sdm120-hour",
        ["Float32"],
        "the default: 60 readings, four float columns, one anchor",
        batch([context(3, SDM120)], series("hour", SDM120, 361, 60), anchors=[ANCHOR]),
    )
    yield (
        "sdm630-hour",
        ["Float32", "Setup"],
        "60 readings of a three-phase float meter with a setup register",
        batch([context(3, SDM630)], series("sdm630", SDM630, 361, 60), anchors=[ANCHOR]),
    )
    yield (
        "em340-hour",
        ["LowWordFirst", "Setup"],
        "60 readings of an integer meter that sends the low word first",
        batch([context(3, EM340)], series("em340", EM340, 361, 60), anchors=[ANCHOR]),
    )
    yield (
        "iem3155-hour",
        ["Int64"],
        "60 readings with a 64-bit energy register, function code 3",
        batch([context(3, IEM3155)], series("iem3155", IEM3155, 361, 60), anchors=[ANCHOR]),
    )


def several():
    """Yield batches of several meters."""
    two, four = (SDM120, EM340), (SDM120, SDM630, EM340, IEM3155)
    yield (
        "two-meters",
        ["SeveralMeters"],
        "two meters read in turn: every second sequence number belongs to one",
        batch([context(3, *two)], interleaved("two", two, 361, 20), anchors=[ANCHOR]),
    )
    yield (
        "four-meters",
        ["SeveralMeters", "LowWordFirst", "Int64"],
        "all four kinds of meters in one batch",
        batch([context(3, *four)], interleaved("four", four, 361, 12), anchors=[ANCHOR]),
    )


def recovered():
    """Yield batches with readings that an earlier boot left unsealed."""
    before = series("before", SDM120, 361, 7, first_t=900_000, context=0)
    later = series("after", SDM120, 368, 5, context=1)
    yield (
        "recovered-one-boot",
        ["Recovered"],
        "seven readings left unsealed by a power cut, five of the boot that seals; one meter",
        batch([context(2, SDM120), context(3, SDM120)], before + later, anchors=[ANCHOR]),
    )
    boots = [context(boot, SDM120) for boot in (2, 5, 6, 9)]
    readings = []
    for i in range(4):
        readings += series(f"boot {i}", SDM120, 361 + 2 * i, 2, first_t=350, context=i)
    yield (
        "recovered-three-boots",
        ["Recovered"],
        "a brown-out loop: two readings in each of four boots",
        batch(boots, readings, anchors=[[9, 12_000, 1_790_000_012_000, 5, 180]]),
    )
    yield (
        "meters-differ-by-boot",
        ["Recovered", "SeveralMeters", "MeterEpoch"],
        "a second meter was added before the last boot",
        batch(
            [context(2, SDM120), context(3, EM340, SDM120)],
            series("x", SDM120, 361, 4) + interleaved("y", (EM340, SDM120), 365, 3, context=1),
        ),
    )


def faults():
    """Yield batches with values that were not obtained, and with qualities."""
    hour = series("faults", SDM120, 361, 12)
    hour[3], hour[8] = without(hour[3], 1, 2), without(hour[8], 2)
    one = [context(3, SDM120)]
    yield "absent-values", ["Absent", "Quality"], "two blocks timed out", batch(one, list(hour))
    never = [without(r, 3) for r in series("never", SDM120, 361, 4)]
    yield (
        "absent-column",
        ["Absent", "Quality"],
        "one column was never obtained: it is left out",
        batch(one, never),
    )
    lonely = [without(r, 0) for r in series("lonely", SDM120, 361, 5)]
    lonely[2] = series("lonely", SDM120, 361, 5)[2]
    yield (
        "absent-but-one",
        ["Absent", "Quality"],
        "a column with a single value",
        batch(one, lonely),
    )
    mixed = series("mixed", SDM120, 361, 8)
    mixed[0] = failed(SDM120, 361, 600, 1)
    mixed[7] = failed(SDM120, 368, 4800, 130)
    yield (
        "failed-readings",
        ["Absent", "Quality"],
        "the first and the last reading failed whole: timeout, Modbus exception 2",
        batch(one, mixed),
    )
    silent = [failed(SDM120, 361 + i, 600 + 600 * i, 1, flags=1) for i in range(6)]
    yield (
        "all-failed",
        ["Absent", "Quality"],
        "the meter is silent: a group without columns",
        batch(one, silent),
    )


def cases():
    """Yield all cases of this module."""
    for part in (chains, hours, several, recovered, faults):
        yield from part()
