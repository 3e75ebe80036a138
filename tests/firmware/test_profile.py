"""Loading profiles: what is kept, and every defect with its code."""

import json
import unittest

from agent import profile
from agent.errors import ProfileError
from agent.profile_check import dimension_of
from fakes.sample_profiles import INTEGER, SIGNED_64, description, register, sample


def copy(tree):
    return json.loads(json.dumps(tree))


def put(key, value, section=None):
    """A change of one place in a profile."""
    return lambda tree: (tree[section] if section else tree).update({key: value})


class Loading(unittest.TestCase):
    def test_columns_are_sorted_and_complete(self):
        loaded = sample(INTEGER)
        self.assertEqual([c.address for c in loaded.columns], [0, 0x0A, 0x28, 0x34])
        self.assertEqual(loaded.total, 3)
        energy = loaded.columns[3]
        self.assertEqual((energy.name, energy.kind, energy.order), ("energy_import_wh", "s32", 1))
        self.assertEqual(energy.exp10, 5)  # 0.1 kWh to mWh
        self.assertEqual(loaded.layout()[3], (4, 0x34, 2, 1))
        self.assertEqual(len(loaded.hash_16), 16)

    def test_the_hash_is_that_of_the_bytes(self):
        data = json.dumps(INTEGER).encode()
        self.assertNotEqual(profile.load(data).hash_16, profile.load(data + b"\n").hash_16)

    def test_chosen_quantities(self):
        loaded = sample(INTEGER, ("energy_import_wh", "voltage_l1_v", "voltage_l2_v"))
        self.assertEqual([c.name for c in loaded.columns], ["voltage_l1_v", "energy_import_wh"])
        self.assertEqual(loaded.total, 1)
        self.assertEqual(sample(INTEGER, ("power_w",)).total, None)

    def test_energy_means_the_total_under_any_name(self):
        tree = copy(INTEGER)
        tree["registers"]["energy_sum_wh"] = tree["registers"].pop("energy_import_wh")
        loaded = sample(tree, ("energy_import_wh",))
        self.assertEqual([c.name for c in loaded.columns], ["energy_sum_wh"])
        self.assertEqual(loaded.total, 0)

    def test_scale_factor_names_a_setup_register(self):
        energy = register(0x10, "acc32", order="ABCD", unit="Wh", sf="w_sf", total=True)
        tree = description(
            {"energy_import_wh": energy},
            setup={"b": register(0x21, "u16"), "w_sf": register(0x20, "s16")},
        )
        self.assertEqual(sample(tree).columns[0].scale_factor, 0)

    def test_markers_and_expectations(self):
        tree = copy(SIGNED_64)
        tree["registers"]["power_w"]["not_available"] = ["0x7FFFFFFF"]
        tree["identity"]["serial"]["expect"] = [5]
        loaded = sample(tree)
        self.assertEqual(loaded.columns[0].markers, (0x7FFFFFFF,))
        self.assertEqual(loaded.identity[1].expect, (5,))

    def test_listed_holds_every_register_once(self):
        self.assertEqual(
            sample(SIGNED_64, ("power_w",)).listed,
            ((3, 0x31, 4), (3, 0x81, 2), (3, 0xBF3, 2), (3, 0xC83, 4)),
        )


class Quantities(unittest.TestCase):
    def test_vocabulary(self):
        for quantity, dimension in (
            ("energy_import_wh", "energy"),
            ("energy_net_l3_wh", "energy"),
            ("energy_import_t4_wh", "energy"),
            ("power_w", "power"),
            ("power_l2_w", "power"),
            ("voltage_ll_v", "voltage"),
            ("voltage_l31_v", "voltage"),
            ("current_l3_a", "current"),
            ("frequency_hz", "frequency"),
            ("power_factor", "ratio"),
            ("power_factor_l1", "ratio"),
        ):
            self.assertEqual(dimension_of(quantity), dimension)
        for quantity in (
            "energy_wh",
            "energy_import",
            "energy_import_l4_wh",
            "power",
            "power_kw",
            "power_l4_w",
            "current_ll_a",
            "frequency_l1_hz",
            "power_factor_wh",
            "",
            "_",
            "energy__wh",
        ):
            self.assertEqual(dimension_of(quantity), None)


class Refusals(unittest.TestCase):
    def refused(self, code, change):
        tree = copy(SIGNED_64)
        change(tree)
        with self.assertRaises(ProfileError) as caught:
            sample(tree)
        self.assertEqual(caught.exception.code, code)

    def with_register(self, code, **changes):
        def change(tree):
            tree["registers"]["power_w"].update(changes)

        self.refused(code, change)

    def test_json(self):
        for data in (b"", b"{", b"\xff\xfe", b'{"a": 1', b"[" * 5000):
            with self.assertRaises(ProfileError) as caught:
                profile.load(data)
            self.assertTrue(caught.exception.code in ("profile-json", "profile-type"))
        with self.assertRaises(ProfileError):
            profile.load(b" " * 16385)

    def test_not_an_object(self):
        for data in (b"[]", b"1", b'"x"', b"null"):
            with self.assertRaises(ProfileError) as caught:
                profile.load(data)
            self.assertEqual(caught.exception.code, "profile-type")
        for section in ("registers", "identity", "setup", "resettable", "bus"):
            self.refused("profile-type", put(section, []))

    def test_version(self):
        self.refused("profile-value", lambda tree: tree.update(profile=2))

    def test_keys(self):
        self.refused("profile-key-unknown", lambda tree: tree.update(colour="red"))
        self.refused("profile-key-unknown", lambda tree: tree["bus"].update(speed=1))
        self.refused("profile-key-missing", lambda tree: tree.pop("identity"))
        self.refused("profile-key-missing", lambda tree: tree["bus"].pop("max_hole"))
        self.with_register("profile-key-unknown", offset=3)
        for name in ("scale", "divide_by", "multiplier", "factor"):
            self.with_register("profile-multiplier", **{name: 10})

    def test_values(self):
        for name, value in (
            ("fn", 2),
            ("fn", True),
            ("fn", "4"),
            ("addr", "12"),
            ("addr", "0x12345"),
            ("addr", "0xfff0"),
            ("addr", 12),
            ("addr", "0x"),
            ("type", "i32"),
            ("type", ["f32"]),
            ("order", "CBAD"),
            ("exp10", 10),
            ("exp10", 1.5),
            ("not_available", ["0x1FFFFFFFF"]),
            ("not_available", 5),
            ("unit", "kwh"),
            ("unit", {}),
        ):
            self.with_register("profile-value", **{name: value})
        for name, value in (
            ("baud", 0),
            ("parity", "X"),
            ("max_registers", 126),
            ("stop_bits", 0),
        ):
            self.refused("profile-value", put(name, value, "bus"))

    def test_meaning(self):
        self.with_register("profile-dimension", unit="kWh")
        self.with_register("profile-count", count=3)
        self.with_register("profile-address", addr="0xFFFF")
        self.with_register("profile-overlap", addr="0x0C84")
        self.with_register("profile-scale-factor", sf="nowhere")
        self.with_register("profile-total-many", total=True)
        self.with_register("profile-value", total=False)
        self.refused("profile-order", lambda tree: tree["registers"]["power_w"].pop("order"))
        self.refused("profile-unit-missing", lambda tree: tree["registers"]["power_w"].pop("unit"))
        self.refused(
            "profile-total-missing",
            lambda tree: tree["registers"]["energy_import_wh"].pop("total"),
        )
        self.refused("profile-count", lambda tree: tree["identity"]["model"].pop("count"))

    def test_unknown_quantity(self):
        def rename(tree):
            tree["registers"]["power_kw"] = tree["registers"].pop("power_w")

        self.refused("profile-quantity-unknown", rename)
        with self.assertRaises(ProfileError) as caught:
            sample(SIGNED_64, ("powr_w",))
        self.assertEqual(caught.exception.code, "profile-quantity-unknown")

    def test_total_must_be_an_energy(self):
        def swap(tree):
            tree["registers"]["energy_import_wh"].pop("total")
            tree["registers"]["power_w"]["total"] = True

        self.refused("profile-total-quantity", swap)


if __name__ == "__main__":
    unittest.main()
