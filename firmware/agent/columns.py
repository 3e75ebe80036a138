"""Packed-integer columns: first, base, width, packed residuals, patches (WIRE_FORMAT.md 4.3).

Pure integer arithmetic modulo 2^bits, so that it is lossless for every register value, float
patterns included. The choice among encodings is the reference rule of the format: the least
(cost, e, s). It needs only the nine smallest and nine largest differences, which one sort gives.
It must never depend on dictionary order or floats.
"""

from agent import cbor
from agent.constant import const

_MAX_OUTSIDE = const(8)  # differences that a window may leave out, section 4.3
_INDEX_SPAN = (
    1024  # readings in a batch are fewer, so one integer holds a difference and its index
)


def bits_needed(value):
    """Bits of a non-negative integer: 0 for 0 (int.bit_length does not exist on MicroPython)."""
    bits = 0
    while value > 0xFF:
        value >>= 8
        bits += 8
    while value:
        value >>= 1
        bits += 1
    return bits


def register_value(words, order):
    """Unsigned integer of the words of a register value after the permutation `order` (4.2)."""
    if order == 0:
        return int.from_bytes(words, "big")
    if order == 3:
        return int.from_bytes(words, "little")
    if order == 2:
        swapped = [words[i ^ 1] for i in range(len(words))]
    else:
        swapped = [words[len(words) - 2 - (i & ~1) + (i & 1)] for i in range(len(words))]
    return int.from_bytes(bytes(swapped), "big")


def _differences(values, modulus):
    """d[1..m-1] of section 4.3: differences taken into -M/2 <= d < M/2."""
    half = modulus >> 1
    out = []
    previous = values[0]
    for i in range(1, len(values)):
        difference = (values[i] - previous) % modulus
        out.append(difference - modulus if difference >= half else difference)
        previous = values[i]
    return out


def _extremes(differences):
    """The smallest and largest (difference, index) pairs, ascending, as many as windows reach."""
    keyed = [differences[i] * _INDEX_SPAN + i + 1 for i in range(len(differences))]
    keyed.sort()
    reach = _MAX_OUTSIDE + 1
    low = [(key // _INDEX_SPAN, key % _INDEX_SPAN) for key in keyed[:reach]]
    high = [(key // _INDEX_SPAN, key % _INDEX_SPAN) for key in keyed[-reach:]]
    return low, high


def _patches_cost(outside, base, width, modulus):
    """Bytes that the patches among the pairs `outside` take."""
    limit = 1 << width
    cost = 0
    for difference, index in outside:
        residual = (difference - base) % modulus
        if residual >= limit:
            cost += cbor.head_len(index) + cbor.head_len(residual)
    return cost


def _choose(differences, modulus):
    """(base, width) of the least (cost, e, s) among all windows."""
    k = len(differences)
    low, high = _extremes(differences)
    last = len(high) - 1
    best_base = low[0][0]
    best_width = bits_needed(high[last][0] - best_base)
    best_cost = (k * best_width + 7) // 8
    for e in range(1, min(_MAX_OUTSIDE, k) + 1):
        if not best_cost:
            break
        for s in range(e + 1):
            base = low[s][0] if e < k else 0
            span = high[last - e + s][0] - base if e < k else 0
            if span >> (best_cost - 1) * 8 // k:
                continue  # the packed bits alone would cost as much
            width = bits_needed(span)
            outside = low[:s] + high[last + 1 - e + s :]
            cost = (k * width + 7) // 8 + _patches_cost(outside, base, width, modulus)
            if cost < best_cost:
                best_cost, best_base, best_width = cost, base, width
    return best_base, best_width


def _pack(differences, base, width, modulus):
    """Residuals in `width` bits each, most significant bit first, and the patches."""
    limit = 1 << width
    packed = bytearray()
    patches = []
    pending = pending_bits = 0
    for i in range(len(differences)):
        residual = (differences[i] - base) % modulus
        if residual >= limit:
            patches.append(i + 1)
            patches.append(residual)
            residual = 0
        pending = (pending << width) | residual
        pending_bits += width
        while pending_bits >= 8:
            pending_bits -= 8
            packed.append(pending >> pending_bits)
            pending &= (1 << pending_bits) - 1
    if pending_bits:
        packed.append(pending << (8 - pending_bits))
    return bytes(packed), patches


def encode_integers(values, bits):
    """[first, base, width, packed, patches] of section 4.3 for 1 to 1024 values modulo 2^bits."""
    modulus = 1 << bits
    if not 1 <= len(values) <= _INDEX_SPAN:
        raise ValueError("column: expected 1 to %d values, found %d" % (_INDEX_SPAN, len(values)))
    for value in values:
        if not 0 <= value < modulus:
            raise ValueError("column: expected values of %d bits, found %d" % (bits, value))
    if len(values) == 1:
        return [values[0], 0, 0, b"", []]
    differences = _differences(values, modulus)
    base, width = _choose(differences, modulus)
    packed, patches = _pack(differences, base, width, modulus)
    return [values[0], base, width, packed, patches]


def wire_integers(values, bits):
    """`integers` of section 4.2: empty patches are left out."""
    return _without_empty(encode_integers(values, bits))


def encode_column(function, address, count, order, values, absent):
    """`column` of section 4.2; `values` are those obtained, after `order` was applied."""
    numbers = encode_integers(values, 16 * count)
    return _without_empty([function, address, count, order] + numbers + [absent])


def _without_empty(members):
    while members[-1] == []:
        members.pop()
    return members
