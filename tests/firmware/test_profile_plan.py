"""Plans: never slower than the best of all ways to split, never beyond what the meter answers, no
two alike in a row.
"""

import unittest
from collections import namedtuple

from agent.modbus.settings import Line
from agent.profile_plan import plan, read_us, spacers, unlisted
from fakes.fake_meter import Dice
from fakes.sample_profiles import INTEGER, SIGNED_64, sample

Place = namedtuple("Place", "function address count")
Bus = namedtuple("Bus", "max_registers max_hole turnaround_ms")


def partitions(items):
    """Every way to split `items` into groups."""
    if not items:
        yield []
        return
    for groups in partitions(items[1:]):
        yield [[items[0]]] + groups
        for i in range(len(groups)):
            yield groups[:i] + [[items[0]] + groups[i]] + groups[i + 1 :]


def permitted(group, listed, bus):
    """Registers of one read over a group, 0 if it may not be."""
    if len(set([place.function for place in group])) > 1:
        return 0
    first = min([place.address for place in group])
    count = max([place.address + place.count for place in group]) - first
    if len(group) > 1 and count > bus.max_registers:
        return 0
    if len(group) > 1 and unlisted(group[0].function, first, count, listed) > bus.max_hole:
        return 0
    return count


def best_us(places, listed, bus, line):
    """Least time over all partitions, contiguous or not."""
    best = None
    for groups in partitions(places):
        counts = [permitted(group, listed, bus) for group in groups]
        if 0 not in counts:
            total = sum([read_us(count, line, bus.turnaround_ms) for count in counts])
            best = total if best is None else min(best, total)
    return best


def random_places(dice):
    """A few registers with gaps of all sizes, some of another function."""
    places, address = [], dice.below(50)
    for _ in range(1 + dice.below(6)):
        count = (1, 2, 4)[dice.below(3)]
        places.append(Place(3 + dice.below(2), address, count))
        address += count + (0, 0, 3, 17, 40)[dice.below(5)]
    return sorted(places)


class Plans(unittest.TestCase):
    def test_as_fast_as_the_best_of_all_partitions(self):
        dice = Dice(5)
        for _ in range(60):
            places = random_places(dice)
            listed = tuple([tuple(place) for place in places])
            bus = Bus(
                (11, 50, 125)[dice.below(3)],
                (0, 4, 40)[dice.below(3)],
                (5, 20, 100)[dice.below(3)],
            )
            line = Line((1200, 9600, 115200)[dice.below(3)])
            reads = plan(places, listed, bus, line)
            time_us = sum([read_us(read.count, line, bus.turnaround_ms) for read in reads])
            self.assertEqual(time_us, best_us(places, listed, bus, line))

    def test_every_column_is_read_once_and_within_the_limits(self):
        dice = Dice(6)
        for _ in range(100):
            places = random_places(dice)
            listed = tuple([tuple(place) for place in places])
            bus = Bus(11 + dice.below(50), dice.below(20), 20)
            parts = []
            for read in plan(places, listed, bus, Line(9600)):
                self.assertTrue(read.count <= bus.max_registers)
                self.assertTrue(read.longer == 0 or read.count < read.longer <= bus.max_registers)
                for count in (read.count, read.longer):
                    holes = unlisted(read.function, read.address, count, listed)
                    self.assertTrue(holes <= bus.max_hole)
                for index, offset, length in read.parts:
                    place = places[index]
                    self.assertEqual(place.function, read.function)
                    self.assertEqual(read.address + offset // 2, place.address)
                    self.assertEqual(length, 2 * place.count)
                    self.assertTrue(offset + length <= 2 * read.count)
                    parts.append(index)
            self.assertEqual(sorted(parts), list(range(len(places))))

    def test_reads_that_are_alike_do_not_follow_each_other(self):
        # 6, 2, 6 and 4 registers, as the iEM3155 has them
        places = [Place(3, 0, 6), Place(3, 100, 6), Place(3, 200, 2), Place(3, 300, 4)]
        reads = plan(places, tuple([tuple(p) for p in places]), Bus(125, 0, 20), Line(19200))
        counts = [read.count for read in reads]
        for i in range(4):
            self.assertNotEqual(counts[i], counts[i - 1])

    def test_a_read_that_can_be_longer_parts_two_that_are_alike(self):
        places = [Place(4, 0, 2), Place(4, 100, 2)]
        listed = ((4, 0, 2), (4, 100, 2), (4, 102, 2))
        reads = plan(places, listed, Bus(125, 0, 20), Line(9600))
        self.assertEqual([(r.address, r.longer) for r in reads if r.longer], [(100, 4)])

    def test_alike_reads_of_two_functions_may_follow_each_other(self):
        places = [Place(3, 0, 2), Place(4, 0, 2)]
        listed = ((3, 0, 2), (3, 2, 2), (4, 0, 2), (4, 2, 2))
        reads = plan(places, listed, Bus(125, 0, 20), Line(9600))
        self.assertEqual(sorted([(r.function, r.count) for r in reads]), [(3, 2), (4, 2)])

    def test_spacers_are_short_and_of_two_shapes(self):
        bus = Bus(125, 0, 20)
        for listed, expected in (
            (((3, 0, 6), (3, 9, 2), (4, 0, 4)), ((3, 9, 2), (4, 0, 4))),
            (((3, 0, 2), (3, 9, 2), (4, 7, 2)), ((3, 0, 2), (4, 7, 2))),
            (((3, 0, 2), (3, 9, 2), (3, 11, 2)), ((3, 0, 2), (3, 9, 4))),
            (((3, 0, 2), (3, 9, 2)), ((3, 0, 2), (3, 0, 1))),
            (((3, 0, 1),), ((3, 0, 1), (3, 0, 2))),
        ):
            self.assertEqual(spacers(listed, bus), expected)

    def test_a_register_wider_than_the_limit_is_still_read(self):
        reads = plan([Place(3, 0, 20)], ((3, 0, 20),), Bus(10, 0, 20), Line(9600))
        self.assertEqual([(r.count, r.longer) for r in reads], [(20, 0)])

    def test_holes(self):
        self.assertEqual(unlisted(4, 0, 10, ((4, 0, 2), (4, 4, 2), (3, 2, 2), (4, 9, 4))), 5)

    def test_sample_profiles(self):
        loaded = sample(INTEGER)
        reads = plan(loaded.columns, loaded.listed, loaded.bus, Line(9600))
        self.assertEqual(sorted([(r.address, r.count) for r in reads]), [(0, 12), (0x28, 14)])
        loaded = sample(SIGNED_64)
        reads = plan(loaded.columns, loaded.listed, loaded.bus, Line(9600))
        self.assertEqual(sorted([(r.address, r.count) for r in reads]), [(0xBF3, 2), (0xC83, 4)])


if __name__ == "__main__":
    unittest.main()
