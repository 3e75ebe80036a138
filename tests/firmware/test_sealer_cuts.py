"""The power goes at every durable operation of a station's life: flash and state store alike.

Whatever the moment: one unbroken chain, no number used twice with other content (the harness
refuses that), every journaled reading in it once with its words, nothing stated as lost.
"""

import unittest

from fakes.nor_faults import Random as NoiseSource
from fakes.nor_flash import PowerCut
from support.sealing_station import Station, batch_hash, sequences

READINGS = 9
FRACTIONS = (0.0, 0.6, None)  # nothing of the operation is done, a part, all of it


def live(station, cuts, until):
    """Read and seal, starting again after each cut; `cuts` are (operation, fraction)."""
    cuts = list(cuts)
    while True:
        if cuts:
            station.power.cut_at, station.power.fraction = cuts.pop(0)
            station.power.cut_at += station.power.done
        else:
            station.power.cut_at = None
        try:
            station.boot()
            while station.next_sequence <= until:
                station.read(1)
                station.seal()
            station.ticks.advance(3600000)
            station.seal()
            return station
        except PowerCut:
            continue


def payloads(station, chain):
    """Payloads of a chain that left, by rising number."""
    numbers = sorted(number for found, number in station.left if found == chain)
    return [station.payload(number, chain) for number in numbers]


def words_by_sequence(found):
    """Sequence -> words of the energy column of a payload; columns here carry all in `first`."""
    out = {}
    for group in found[13]:
        numbers = sequences({6: found[6], 7: found[7], 13: [group]})
        value, base = group[6][1][4], group[6][1][5]
        for number in numbers:
            out[number] = value + base * (number - numbers[0])
    return out


class PowerCutTest(unittest.TestCase):
    def check_chain(self, station, chain, first_number=1):
        found = payloads(station, chain)
        self.assertEqual([p[2] for p in found], list(range(1, len(found) + 1)))
        for i in range(1, len(found)):
            before = station.left[(chain, found[i - 1][2])]
            self.assertEqual(found[i][3], batch_hash(before))
            self.assertNotIn(15, found[i])
        return found

    def check_readings(self, station, found, first, last):
        held = {}
        for payload in found:
            for number, value in words_by_sequence(payload).items():
                self.assertNotIn(number, held)
                held[number] = value
        self.assertEqual(sorted(held), list(range(first, last + 1)))
        for number in range(first, last + 1):
            self.assertEqual(held[number], 1000 * number)

    def check(self, station):
        chains = {chain for chain, _ in station.left}
        self.assertEqual(chains, {station.keystore.chain_16})
        found = self.check_chain(station, station.keystore.chain_16)
        self.assertEqual(found[0][17], {0: 0, 1: b"r" * 32})
        self.check_readings(station, found, 1, READINGS)

    def test_every_operation_of_a_first_chain(self):
        station = Station(max_readings=4)
        before = station.power.done
        live(station, (), READINGS)
        self.check(station)
        total = station.power.done - before
        self.assertGreater(total, 20)
        for operation in range(total):
            for fraction in FRACTIONS:
                with self.subTest(operation=operation, fraction=str(fraction)):
                    self.check(live(Station(max_readings=4), [(operation, fraction)], READINGS))

    def test_two_cuts(self):
        noise = NoiseSource(20)
        for case in range(40):
            cuts = [(noise.below(30), FRACTIONS[noise.below(3)]) for _ in range(2)]
            with self.subTest(case=case, cuts=str(cuts)):
                self.check(live(Station(max_readings=4), cuts, READINGS))

    def wiped(self, cuts):
        """A station whose flash is wiped after two batches, then lives on with cuts."""
        station = live(Station(max_readings=4), (), 8)
        old, mark = station.keystore.chain_16, station.keystore.mark
        station.flash.image[:] = b"\xff" * len(station.flash.image)
        live(station, cuts, 8 + READINGS)
        chains = {chain for chain, _ in station.left}
        self.assertEqual(chains, {old, station.keystore.chain_16})
        found = self.check_chain(station, station.keystore.chain_16)
        self.assertEqual(found[0][17], {0: 1, 2: old, 3: mark.number, 4: mark.hash_32})
        self.check_readings(station, found, 9, 8 + READINGS)
        return station

    def test_every_operation_around_a_wiped_journal(self):
        for operation in range(24):
            for fraction in FRACTIONS:
                with self.subTest(operation=operation, fraction=str(fraction)):
                    self.wiped([(operation, fraction)])


if __name__ == "__main__":
    unittest.main()
