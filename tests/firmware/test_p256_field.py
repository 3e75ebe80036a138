"""Inverse and point sums against the textbook formulas, every case of the group law included."""

import random
import unittest

from agent.p256_field import B, G, N, P, add_points, double_point, inverse, pair_sums


def textbook_sum(left, right):
    """Sum of two points (x, y) or None, by the affine formulas of SEC 1, 2.2.1."""
    if left is None or right is None:
        return right if left is None else left
    (x1, y1), (x2, y2) = left, right
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    if x1 == x2:
        slope = (3 * x1 * x1 - 3) * pow(2 * y1, P - 2, P)
    else:
        slope = (y2 - y1) * pow(x2 - x1, P - 2, P)
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P


def affine(total):
    """(x, y) of a sum of points, after a check of its third and fourth coordinate."""
    if total is None:
        return None
    x, y, zz, zzz = total
    assert (zz * zz * zz - zzz * zzz) % P == 0
    return x * pow(zz, P - 2, P) % P, y * pow(zzz, P - 2, P) % P


def minus(point):
    return point[0], -point[1]


def multiples(count):
    """G, 2*G, ... as (x, y)."""
    points = [G]
    while len(points) < count:
        points.append(textbook_sum(points[-1], G))
    return points


class InverseTest(unittest.TestCase):
    def check(self, value, modulus):
        found = inverse(value, modulus)
        self.assertTrue(0 < found < modulus)
        self.assertEqual(found * value % modulus, 1)

    def test_edges(self):
        for modulus in (N, P):
            for i in range(256):
                self.check(1 << i if i < 255 else modulus >> 1, modulus)
                self.check(modulus - 1 - i, modulus)
                self.check(i + 1, modulus)

    def test_zero_has_none(self):
        self.assertEqual(inverse(0, N), 0)

    def test_random(self):
        random.seed(1)
        value = random.getrandbits(30)
        for _ in range(300):
            value = (value * value + 7) % P
            self.check(value % N, N)
            self.check(value, P)

    def test_quotients_of_every_size(self):
        # modulus // value runs from 1 to 2^250, so that a round meets very large quotients
        for bits in range(1, 251, 7):
            for offset in (-1, 0, 1):
                self.check((N >> bits) + offset, N)


class PointSumTest(unittest.TestCase):
    def setUp(self):
        self.points = multiples(9)

    def test_the_generator_is_on_the_curve(self):
        x, y = G
        self.assertEqual((y * y - x * x * x + 3 * x - B) % P, 0)

    def test_doubling(self):
        total = add_points(None, [G])
        expected = G
        for _ in range(20):
            total = double_point(total)
            expected = textbook_sum(expected, expected)
            self.assertEqual(affine(total), expected)

    def test_infinity(self):
        self.assertIsNone(double_point(None))
        self.assertIsNone(add_points(None, []))
        self.assertEqual(affine(add_points(None, self.points[:1])), G)

    def test_sums_of_several(self):
        expected = None
        for count in range(1, 9):
            expected = textbook_sum(expected, self.points[count])
            found = add_points(None, self.points[1 : count + 1])
            self.assertEqual(affine(found), expected)

    def test_the_same_point_is_doubled(self):
        three = double_point(add_points(None, [G]))
        self.assertEqual(affine(add_points(three, [self.points[1]])), self.points[3])
        self.assertEqual(affine(add_points(three, [self.points[1], G])), self.points[4])

    def test_the_negative_gives_infinity_and_the_sum_goes_on(self):
        two = double_point(add_points(None, [G]))
        self.assertIsNone(add_points(two, [minus(self.points[1])]))
        found = add_points(two, [minus(self.points[1]), self.points[6]])
        self.assertEqual(affine(found), self.points[6])

    def test_negative_y(self):
        five = add_points(None, [self.points[7], minus(self.points[2])])
        self.assertEqual(affine(five), self.points[4])


class PairSumsTest(unittest.TestCase):
    def test_pairs(self):
        points = multiples(8)
        points[3] = minus(points[3])
        expected = [textbook_sum(points[i], points[i + 1]) for i in range(6, -1, -2)]
        self.assertEqual(pair_sums(points), expected)
        self.assertEqual(points, [])

    def test_a_pair_with_one_x_gives_no_point_of_the_curve(self):
        x, y = pair_sums([G, G])[0]
        self.assertNotEqual((y * y - x * x * x + 3 * x - B) % P, 0)


if __name__ == "__main__":
    unittest.main()
