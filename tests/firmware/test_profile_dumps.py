"""Every profile decodes its register dumps to the expected integers with the device's code."""

import json
import os
import unittest
from binascii import unhexlify

from agent import decode, profile

_HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
PROFILES = _HERE + "/../../firmware/profiles/"
DUMPS = _HERE + "/../profiles/"


def names():
    """Ids of all profiles."""
    return sorted(name[:-5] for name in os.listdir(PROFILES) if name.endswith(".json"))


def load(name):
    """The device's profile, with all quantities."""
    with open(PROFILES + name + ".json", "rb") as file:
        return profile.load(file.read())


def memory_of(dump):
    """(function, address) -> two bytes."""
    memory = {}
    for run in dump["registers"]:
        first = int(run["addr"], 16)
        for offset, word in enumerate(run["words"]):
            memory[(run["fn"], first + offset)] = unhexlify(word)
    return memory


def decoded(device_profile, dump):
    """Quantity -> thousandths, of the columns that the dump expects."""
    memory = memory_of(dump)
    factors = dump.get("scale_factors", {})
    values = {}
    for column in device_profile.columns:
        if column.name not in dump["expected"]:
            continue
        raw = b"".join(
            [memory[(column.function, column.address + n)] for n in range(column.count)]
        )
        exp10 = column.exp10
        if column.scale_factor >= 0:
            exp10 += factors[device_profile.setup[column.scale_factor].name]
        values[column.name] = decode.milli(raw, column.kind, column.order, exp10, column.markers)
    return values


class TestProfileDumps(unittest.TestCase):
    def test_there_are_thirty_profiles_and_each_has_dumps(self):
        self.assertTrue(len(names()) >= 30)
        dumps = [name[:-5] for name in os.listdir(DUMPS) if name.endswith(".json")]
        self.assertEqual(sorted(dumps), names())

    def test_every_dump_decodes_to_its_expected_integers(self):
        count = 0
        for name in names():
            device_profile = load(name)
            with open(DUMPS + name + ".json") as file:
                tree = json.load(file)
            for dump in tree["dumps"]:
                self.assertEqual(
                    decoded(device_profile, dump), dump["expected"], name + ": " + dump["name"]
                )
                count += len(dump["expected"])
        self.assertTrue(count > 900)

    def test_every_quantity_of_every_profile_is_in_a_dump(self):
        for name in names():
            with open(DUMPS + name + ".json") as file:
                expected = [dump["expected"] for dump in json.load(file)["dumps"]]
            for column in load(name).columns:
                covered = [values for values in expected if values.get(column.name) is not None]
                self.assertTrue(covered, name + ": " + column.name)

    def test_scale_factors_in_the_dumps_are_what_their_registers_hold(self):
        for name in names():
            with open(DUMPS + name + ".json") as file:
                dumps = json.load(file)["dumps"]
            setup = load(name).setup
            for dump in dumps:
                memory = memory_of(dump)
                for register in setup:
                    raw = memory.get((register.function, register.address))
                    if raw is not None:
                        self.assertEqual(
                            decode.scale_factor(raw), dump["scale_factors"][register.name], name
                        )


if __name__ == "__main__":
    unittest.main()
