"""Building blocks of the inputs: meters, contexts, series of readings and a batch around them."""

import hashlib
import struct

CHAIN = "8f1d0c5aa2b34e6f9b7c1d2e3f405162"
PREVIOUS = hashlib.sha256(b"some batch before").hexdigest()
CONFIG = hashlib.sha256(b"some configuration file").digest()[:8].hex()
PROVISIONING = hashlib.sha256(b"some provisioning record").digest()


class Noise:
    """Reproducible numbers: SHA-256 of a name and a counter, on every Python alike."""

    def __init__(self, name):
        self.name = name
        self.count = 0

    def below(self, limit):
        """Return the next number from 0 to limit - 1."""
        self.count += 1
        digest = hashlib.sha256(f"{self.name} {self.count}".encode()).digest()
        return int.from_bytes(digest, "big") % limit


def meter(profile, unit, columns, serial=(), setup=()):
    """Return a meter of a context; columns are [function, address, count, order]."""
    return {
        "profile": profile,
        "profile_hash_hex": hashlib.sha256(f"profile {profile}".encode()).digest()[:16].hex(),
        "unit": unit,
        "identity": [list(registers) for registers in serial],
        "setup": [list(registers) for registers in setup],
        "columns": [list(column) for column in columns],
    }


# Addresses and orders as these meters have them; energy, power, voltage, current.
SDM120 = meter(
    "eastron-sdm120",
    1,
    [(4, 0x0048, 2, 0), (4, 0x000C, 2, 0), (4, 0x0000, 2, 0), (4, 0x0006, 2, 0)],
    serial=[(3, 0xFC00, "0131f2a7")],
)
SDM630 = meter(
    "eastron-sdm630",
    2,
    [(4, 0x0048, 2, 0), (4, 0x0034, 2, 0), (4, 0x0000, 2, 0), (4, 0x0006, 2, 0)],
    serial=[(3, 0xFC00, "00c8a4d1")],
    setup=[(3, 0x000A, "40400000")],
)
EM340 = meter(
    "carlogavazzi-em340",
    3,
    [(4, 0x0034, 2, 1), (4, 0x0028, 2, 1), (4, 0x0000, 2, 1), (4, 0x000C, 2, 1)],
    serial=[(4, 0x5000, "42413132333435363700")],
    setup=[(4, 0x1003, "000a0000"), (4, 0x1005, "00010000")],
)
IEM3155 = meter(
    "schneider-iem3155",
    4,
    [(3, 0x0C83, 4, 0), (3, 0x0BF3, 2, 0), (3, 0x0BD3, 2, 0), (3, 0x0BB7, 2, 0)],
    serial=[(3, 0x0081, "1f3a5b7c")],
)


def context(boot, *meters):
    """Return a context: the meters of one boot."""
    return {"boot": boot, "meters": list(meters)}


def f32(value):
    """Return the two words of a float as meters of order ABCD send it."""
    return struct.pack(">f", value)


def s32_low_first(value):
    """Return the two words of a 32-bit integer, low word first."""
    data = (value % 2**32).to_bytes(4, "big")
    return data[2:] + data[:2]


def s64(value):
    """Return the four words of a 64-bit integer."""
    return (value % 2**64).to_bytes(8, "big")


def charging(name, count, start_wh=1_234_567):
    """Yield (energy Wh, power mW, voltage mV, current mA) of a station with two sessions."""
    noise, energy_mwh = Noise(name), start_wh * 1000
    for i in range(count):
        busy = 10 <= i % 45 < 33
        power_mw = 2_150_000 + noise.below(90_000) if busy else 4_000 + noise.below(300)
        voltage_mv = 229_000 + noise.below(2_500) - (1_800 if busy else 0)
        energy_mwh += power_mw // 60
        yield energy_mwh // 1000, power_mw, voltage_mv, power_mw * 1000 // voltage_mv


def float_words(sample):
    """Return the words of an Eastron meter: kWh, W, V, A as floats."""
    energy_wh, power_mw, voltage_mv, current_ma = sample
    scaled = energy_wh / 1000, power_mw / 1000, voltage_mv / 1000, current_ma / 1000
    return b"".join(f32(value) for value in scaled)


def em340_words(sample):
    """Return the words of an EM340: kWh * 10, W * 10, V * 10, A * 1000, low word first."""
    energy_wh, power_mw, voltage_mv, current_ma = sample
    scaled = energy_wh // 100, power_mw // 100, voltage_mv // 100, current_ma
    return b"".join(s32_low_first(value) for value in scaled)


def iem3155_words(sample):
    """Return the words of an iEM3155: Wh as a 64-bit integer, then kW, V, A as floats."""
    energy_wh, power_mw, voltage_mv, current_ma = sample
    rest = b"".join(f32(v) for v in (power_mw / 1e6, voltage_mv / 1e3, current_ma / 1e3))
    return s64(energy_wh) + rest


WORDS = {
    "eastron-sdm120": float_words,
    "eastron-sdm630": float_words,
    "carlogavazzi-em340": em340_words,
    "schneider-iem3155": iem3155_words,
}


def reading(sequence, t_100ms, words, present, **other):
    """Return one reading; other: context, meter, status, flags."""
    base = {"context": 0, "meter": 0, "status": 0, "flags": 0}
    base.update(other)
    words_hex = words.hex()
    return {
        **base,
        "sequence": sequence,
        "t_100ms": t_100ms,
        "present": present,
        "words_hex": words_hex,
    }


def series(name, meter_read, first_sequence, count, first_t=600, step_t=600, **other):
    """Return `count` regular readings of one of the four meters."""
    samples = charging(name, count)
    return [
        reading(
            first_sequence + i,
            first_t + step_t * i,
            WORDS[meter_read["profile"]](sample),
            (1 << len(meter_read["columns"])) - 1,
            **other,
        )
        for i, sample in enumerate(samples)
    ]


def failed(meter_read, sequence, t_100ms, status, **other):
    """Return a reading of which nothing was obtained."""
    size = sum(2 * column[2] for column in meter_read["columns"])
    return reading(sequence, t_100ms, bytes(size), 0, status=status, **other)


def raw_meter(columns, **other):
    """Return a meter with arbitrary columns."""
    return meter("vector-meter", 9, columns, **other)


def raw_series(rows, columns, first_sequence=1, **other):
    """Return readings whose rows hold one integer per column: the words as they are sent."""
    readings = []
    for i, row in enumerate(rows):
        words = b"".join(
            value.to_bytes(2 * column[2], "big")
            for value, column in zip(row, columns, strict=True)
        )
        present = (1 << len(columns)) - 1
        readings.append(reading(first_sequence + i, 600 + 600 * i, words, present, **other))
    return readings


def batch(contexts, readings, **other):
    """Return an input: batch 7 of a chain, unless `other` says otherwise."""
    content = {
        "chain_hex": CHAIN,
        "number": 7,
        "previous_hex": PREVIOUS,
        "boot": contexts[-1]["boot"] if contexts else 3,
        "sealed_mono_ms": 3_660_000,
        "first_sequence": readings[0]["sequence"] if readings else 361,
        "anchors": [],
        "firmware": "0.1.0",
        "config_hash_hex": CONFIG,
        "key_class": 1,
        "contexts": contexts,
        "readings": readings,
        "events": [],
        "lost": [],
        "health": {0: 61_440, 1: 40_960},
        "genesis": None,
        "extra": {},
    }
    assert not set(other) - set(content), other
    return {**content, **other}


def first_batch(contexts, readings, **other):
    """Return an input: batch 1 of a first chain."""
    genesis = {0: 0, 1: PROVISIONING}
    return batch(
        contexts, readings, **{"number": 1, "previous_hex": None, "genesis": genesis, **other}
    )
