"""Transactions with 5 % faults of every kind, on both interpreters; the long run is in
tests/host/test_bus_soak.py.
"""

import unittest

from fakes.soak import Soak
from fakes.virtual_time import run

TRANSACTIONS = 1000


class Soaks(unittest.TestCase):
    def soak(self, kind, permille=50):
        soak = Soak(kind, seed=42, permille=permille)
        run(soak.run(TRANSACTIONS))
        self.assertEqual(soak.wrong, 0)
        self.assertEqual(soak.too_long, 0)
        return soak

    def test_rtu(self):
        self.assertTrue(self.soak("rtu").accepted > 900)

    def test_tcp(self):
        self.assertTrue(self.soak("tcp").accepted > 900)

    def test_rtu_over_tcp(self):
        self.assertTrue(self.soak("rtu_over_tcp").accepted > 900)

    def test_a_very_bad_line_yields_less_but_nothing_wrong(self):
        soak = self.soak("rtu", permille=500)
        self.assertTrue(0 < soak.accepted < 800)

    def test_without_faults_nothing_is_lost(self):
        soak = self.soak("rtu", permille=0)
        self.assertEqual((soak.accepted, soak.refused), (TRANSACTIONS, {}))


if __name__ == "__main__":
    unittest.main()
