"""Power cuts at flash operations of four scenarios, a small set; all of them are a long host test.

After every cut: the journal mounts, every sealed batch is there unaltered, every journaled reading
is there once, no number ever has two contents, and the station goes on (see support.journal_cuts).
"""

import unittest

from support.journal_cuts import Cuts
from support.journal_world import SCENARIOS, run


class PowerCutTest(unittest.TestCase):
    def check(self, scenario, every, second):
        cuts = Cuts(every, second, scenario.seed)
        world = run(scenario, cuts.watch)
        self.assertTrue(min(world.flash.count.erases_of) >= 2)  # both rings were filled twice
        self.assertTrue(cuts.cuts > 25)
        self.assertTrue(cuts.second_cuts > 20)
        print(scenario.name, cuts.cuts, "cuts and", cuts.second_cuts, "second cuts")

    def test_acknowledged(self):
        self.check(SCENARIOS[0], 251, 13)

    def test_never_acknowledged(self):
        self.check(SCENARIOS[1], 253, 13)

    def test_long_batches(self):
        self.check(SCENARIOS[2], 257, 13)

    def test_outages(self):
        self.check(SCENARIOS[3], 301, 13)
