"""Packed integers, WIRE_FORMAT section 4.3: every candidate of the encoder is built and weighed.

Nothing here is clever. A candidate is encoded in full before its cost is known.
"""

from vec_cbor import encode_int


def signed(value, bits):
    """Return value modulo 2^bits, taken into -2^(bits-1) .. 2^(bits-1) - 1."""
    value %= 1 << bits
    return value - (1 << bits) if value >= 1 << (bits - 1) else value


def bits_needed(value):
    """Return the number of bits of the unsigned value; 0 for 0."""
    count = 0
    while value >> count:
        count += 1
    return count


def pack(residuals, width):
    """Return the residuals in `width` bits each, most significant bit first, zero-filled."""
    text = "".join(format(r, "b").zfill(width) if width else "" for r in residuals)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))


def with_base(values, bits, base, width):
    """Return the encoding [first, base, width, packed, patches] for one base and width."""
    small, patches = [], []
    for i in range(1, len(values)):
        residual = (values[i] - values[i - 1] - base) % (1 << bits)
        fits = residual < 1 << width
        small.append(residual if fits else 0)
        if not fits:
            patches += [i, residual]
    return [values[0], base, width, pack(small, width), patches]


def cost(encoding):
    """Return the bytes of the packed string's content and of the patches."""
    return len(encoding[3]) + sum(len(encode_int(number)) for number in encoding[4])


def candidates(values, bits):
    """Yield ((cost, e, s), encoding) for every window that section 4.3 names."""
    k = len(values) - 1
    ordered = sorted(signed(values[i] - values[i - 1], bits) for i in range(1, k + 1))
    for e in range(min(8, k) + 1):
        for s in range(e + 1):
            window = ordered[s : s + k - e]
            base = window[0] if window else 0
            width = bits_needed(window[-1] - window[0]) if window else 0
            encoding = with_base(values, bits, base, width)
            yield (cost(encoding), e, s), encoding


def encode_integers(values, bits):
    """Return [first, base, width, packed, patches] of at least one unsigned value."""
    return min(candidates(values, bits), key=lambda candidate: candidate[0])[1]


def decode_integers(encoding, count, bits):
    """Return the values: the check of this module on itself."""
    first, base, width, packed, patches = encoding
    text = "".join(format(byte, "08b") for byte in packed)
    patched = dict(zip(patches[::2], patches[1::2], strict=True))
    values = [first]
    for i in range(1, count):
        residual = int(text[(i - 1) * width : i * width] or "0", 2)
        values.append((values[-1] + base + patched.get(i, residual)) % (1 << bits))
    return values
