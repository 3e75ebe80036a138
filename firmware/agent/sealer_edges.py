"""Register values of energy beside a gap (`edge`, WIRE_FORMAT.md section 7).

Pure: takes what the meters sent and computes nothing.
"""

from agent.constant import const

_MAX_EDGES = const(8)


def edges(contexts, rows, totals):
    """`edge` of section 7: the first value in `rows` of each energy register in `totals`."""
    found = {}
    for context, reading in rows:
        meter = contexts[context].meters[reading.meter]
        for function, address, *sunspec in totals.get(meter.profile, ()):
            address += _shift(meter, *sunspec) if sunspec else 0
            key = (meter.profile, meter.unit, function, address)
            if key not in found:
                words = edge_words(meter.columns, reading, function, address)
                if words is not None:
                    found[key] = words
    return [key + (found[key],) for key in sorted(found)][:_MAX_EDGES]


def _shift(meter, at, model):
    """How far from the profile's place `at` this meter has its block: where it says its number."""
    number = bytes((model >> 8, model & 0xFF))
    for _, address, words in meter.identity:
        if words == number:
            return address - at
    return 0


def edge_words(columns, reading, function, address):
    """The words of one register value as the meter sent them, or None if it was not obtained."""
    offset = 0
    for bit in range(len(columns)):
        end = offset + 2 * columns[bit][2]
        if columns[bit][:2] == (function, address) and (reading.present >> bit) & 1:
            return reading.words[offset:end]
        offset = end
    return None
