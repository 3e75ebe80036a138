"""Packed integers: hand-made cases, the reference rule against brute force, an own decoder."""

import unittest

from agent import cbor, columns


def decode(encoded, count, bits):
    """Decode as WIRE_FORMAT.md section 4.3 reads, checking what a decoder checks."""
    first, base, width, packed, patches = encoded
    modulus = 1 << bits
    if not (0 <= first < modulus and -modulus // 2 <= base < modulus // 2):
        raise ValueError("column-range")
    if len(packed) != ((count - 1) * width + 7) // 8:
        raise ValueError("column-length")
    stream = int.from_bytes(packed, "big")
    padding = len(packed) * 8 - (count - 1) * width
    if stream & ((1 << padding) - 1):
        raise ValueError("column-padding")
    stream >>= padding
    residuals = []
    for _ in range(count - 1):
        residuals.insert(0, stream & ((1 << width) - 1))
        stream >>= width
    last = 0
    for i in range(0, len(patches), 2):
        index, residual = patches[i], patches[i + 1]
        if index <= last or residuals[index - 1] or not 1 << width <= residual < modulus:
            raise ValueError("column-patch")
        residuals[index - 1] = residual
        last = index
    values = [first]
    for residual in residuals:
        values.append((values[-1] + base + residual) % modulus)
    return values


def brute_force(values, bits):
    """(cost, encoding) by the words of section 4.3, every candidate written out in full."""
    modulus = 1 << bits
    differences = []
    for i in range(1, len(values)):
        d = (values[i] - values[i - 1]) % modulus
        differences.append(d - modulus if d >= modulus // 2 else d)
    ordered = sorted(differences)
    k = len(ordered)
    best = None
    for e in range(min(8, k) + 1):
        for s in range(e + 1):
            window = ordered[s : s + k - e]
            base = window[0] if window else 0
            span = window[-1] - window[0] if window else 0
            width = 0
            while span >> width:
                width += 1
            patches = []
            for i in range(k):
                residual = (differences[i] - base) % modulus
                if residual >= 1 << width:
                    patches += [i + 1, residual]
            cost = (k * width + 7) // 8 + sum(len(cbor.encode(p)) for p in patches)
            if best is None or cost < best[0]:
                best = (cost, base, width, patches)
    return best


class Numbers:
    """Reproducible pseudo-random numbers, the same on both interpreters."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        value = 0
        for _ in range(3):
            self.state = (self.state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
            value = (value << 32) | (self.state >> 32)
        return value % limit


class HandMadeTest(unittest.TestCase):
    def test_one_value(self):
        self.assertEqual(columns.encode_integers([7], 16), [7, 0, 0, b"", []])

    def test_constant_steps_take_no_bits(self):
        self.assertEqual(
            columns.encode_integers([100 + 600 * i for i in range(60)], 64),
            [100, 600, 0, b"", []],
        )

    def test_small_noise_is_packed_most_significant_bit_first(self):
        # differences 1 2 3 4 1 2 3 4 -> residuals 0 1 2 3 0 1 2 3 in two bits each
        values = [0, 1, 3, 6, 10, 11, 13, 16, 20]
        self.assertEqual(columns.encode_integers(values, 16), [0, 1, 2, b"\x1b\x1b", []])

    def test_last_byte_is_filled_with_zeros(self):
        values = [0, 1, 1, 2, 2, 3]  # residuals 1 0 1 0 1
        self.assertEqual(columns.encode_integers(values, 16), [0, 0, 1, b"\xa8", []])

    def test_an_outlier_becomes_a_patch(self):
        values = [0] + [i + (5000 if i >= 20 else 0) for i in range(1, 60)]
        self.assertEqual(columns.encode_integers(values, 32), [0, 1, 0, b"", [20, 5000]])

    def test_an_outlier_below_becomes_a_patch_modulo(self):
        values = [(1000 + i - (900 if i >= 30 else 0)) % 65536 for i in range(60)]
        self.assertEqual(columns.encode_integers(values, 16), [1000, 1, 0, b"", [30, 65536 - 900]])

    def test_the_counter_wraps(self):
        values = [(0xFFFFFFFE + 3 * i) % (1 << 32) for i in range(10)]
        self.assertEqual(columns.encode_integers(values, 32), [0xFFFFFFFE, 3, 0, b"", []])

    def test_extremes_of_64_bits(self):
        top = (1 << 64) - 1
        for values in ([0, top, 0, top], [top, 1 << 63, 0, (1 << 63) - 1], [0, 1 << 63, 0]):
            encoded = columns.encode_integers(values, 64)
            self.assertEqual(decode(encoded, len(values), 64), values)

    def test_half_the_modulus_is_a_negative_difference(self):
        self.assertEqual(columns.encode_integers([0, 0x8000], 16), [0, -0x8000, 0, b"", []])

    def test_a_tie_takes_the_fewest_patches(self):
        # k = 1: the window of one difference costs nothing, as would a patch of nothing
        self.assertEqual(columns.encode_integers([5, 5], 16), [5, 0, 0, b"", []])


class RuleTest(unittest.TestCase):
    def check(self, values, bits):
        encoded = columns.encode_integers(values, bits)
        self.assertEqual(decode(encoded, len(values), bits), values)
        if len(values) > 1:
            cost, base, width, patches = brute_force(values, bits)
            self.assertEqual((encoded[1], encoded[2], encoded[4]), (base, width, patches))
            paid = len(encoded[3]) + sum(len(cbor.encode(p)) for p in encoded[4])
            self.assertEqual(paid, cost)

    def test_noise_of_every_width(self):
        numbers = Numbers(1)
        for bits in (16, 32, 48, 64):
            for spread in range(0, bits + 1, 3):
                values = [numbers.below(1 << spread) for _ in range(2 + numbers.below(30))]
                values[0] %= 1 << bits
                self.check([v % (1 << bits) for v in values], bits)

    def test_counters_with_outliers(self):
        numbers = Numbers(2)
        for case in range(60):
            bits = (16, 32, 48, 64)[case % 4]
            value = numbers.below(1 << bits)
            values = []
            for _ in range(1 + numbers.below(40)):
                values.append(value)
                step = numbers.below(1 << (1 + case % 9))
                if numbers.below(8) == 0:
                    step = numbers.below(1 << bits)
                value = (value + step) % (1 << bits)
            self.check(values, bits)

    def test_lengths_around_the_number_of_patches(self):
        numbers = Numbers(3)
        for length in range(1, 24):
            for spread in (1, 4, 20):
                self.check([numbers.below(1 << spread) for _ in range(length)], 32)

    def test_a_full_batch(self):
        numbers = Numbers(4)
        value = 0
        values = []
        for _ in range(1024):
            values.append(value)
            value = (value + numbers.below(1000) + (numbers.below(300) == 0) * 70000) % (1 << 32)
        encoded = columns.encode_integers(values, 32)
        self.assertEqual(decode(encoded, 1024, 32), values)


class PermutationTest(unittest.TestCase):
    def test_orders(self):
        words = b"\x01\x02\x03\x04\x05\x06\x07\x08"
        for order, expected in (
            (0, 0x0102030405060708),
            (1, 0x0708050603040102),
            (2, 0x0201040306050807),
            (3, 0x0807060504030201),
        ):
            with self.subTest(order=order):
                self.assertEqual(columns.register_value(words, order), expected)
                again = expected.to_bytes(8, "big")
                self.assertEqual(columns.register_value(again, order), 0x0102030405060708)

    def test_one_word(self):
        self.assertEqual(columns.register_value(b"\x01\x02", 1), 0x0102)
        self.assertEqual(columns.register_value(b"\x01\x02", 2), 0x0201)

    def test_three_words(self):
        self.assertEqual(columns.register_value(b"\x01\x02\x03\x04\x05\x06", 1), 0x050603040102)


class RefusalTest(unittest.TestCase):
    def test_values_outside(self):
        for values, bits in (([-1], 16), ([65536], 16), ([0, 1 << 32], 32)):
            with self.subTest(values=values):
                self.assertRaises(ValueError, columns.encode_integers, values, bits)

    def test_number_of_values(self):
        self.assertRaises(ValueError, columns.encode_integers, [], 16)
        self.assertRaises(ValueError, columns.encode_integers, [0] * 1025, 16)

    def test_bits_needed(self):
        for value, bits in ((0, 0), (1, 1), (255, 8), (256, 9), ((1 << 64) - 1, 64)):
            self.assertEqual(columns.bits_needed(value), bits)


if __name__ == "__main__":
    unittest.main()
