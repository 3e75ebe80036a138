"""From the configuration to clients and readers: what the configuration says wins over the
profile.
"""

import json
import unittest

from agent.errors import ConfigError, MeterError
from agent.modbus.client import RtuClient, RtuOverTcpClient, TcpClient
from agent.reading import MAX_CONTEXT_LEN, Context, Meter
from agent.station_meters import energy_registers, make_readers
from agent.station_profiles import load_profiles
from fakes.fake_uart import FakeUart
from fakes.sample_profiles import INTEGER, SIGNED_64, register, sample
from fakes.virtual_time import VirtualClock, VirtualTiming

METER = {
    "profile": "test-meter",
    "unit_id": 1,
    "bus": 0,
    "baud": 0,
    "parity": "bus",
    "stop_bits": 0,
    "rated_power_w": 100000,
}
BUS = {
    "kind": "rtu",
    "baud": 0,
    "parity": "profile",
    "stop_bits": 0,
    "host": "192.0.2.1",
    "port": 502,
    "timeout_ms": 0,
    "retries": 2,
}


def with_changes(base, changes):
    changed = dict(base)
    changed.update(changes)
    return changed


class Stations(unittest.TestCase):
    def readers(self, meters, buses):
        config = {
            "meters": [with_changes(METER, changes) for changes in meters],
            "buses": [with_changes(BUS, changes) for changes in buses],
        }
        timing = VirtualTiming()
        self.opened = []

        def open_uart(bus):
            self.opened.append(bus)
            return FakeUart(timing), None

        profiles = {"test-meter": sample(INTEGER), "other": sample(SIGNED_64)}
        return make_readers(config, profiles, VirtualClock(timing), open_uart, timing)

    def line(self, reader):
        return reader.client.unit(reader.unit).line.key()

    def test_the_profile_says_what_the_configuration_leaves_open(self):
        (reader,) = self.readers([{}], [{}])
        self.assertEqual(self.line(reader), (9600, "N", 1))
        self.assertEqual(reader.client.unit(1).limits.first_byte_ms, 300)

    def test_meter_wins_over_bus_and_bus_over_profile(self):
        meters = [{"unit_id": 1}, {"unit_id": 2, "baud": 2400, "parity": "O", "stop_bits": 1}]
        bus = {"baud": 19200, "parity": "E", "stop_bits": 2, "timeout_ms": 700, "retries": 0}
        first, second = self.readers(meters, [bus])
        self.assertEqual(self.line(first), (19200, "E", 2))
        self.assertEqual(self.line(second), (2400, "O", 1))
        self.assertEqual(second.client.unit(2).limits[0], 700)
        self.assertEqual(second.client.unit(2).limits.retries, 0)

    def test_one_client_for_each_bus(self):
        meters = [{"unit_id": unit, "bus": bus} for unit, bus in ((1, 0), (2, 0), (3, 1), (4, 2))]
        readers = self.readers(meters, [{}, {"kind": "tcp"}, {"kind": "rtu_over_tcp"}])
        kinds = [type(reader.client) for reader in readers]
        self.assertEqual(kinds, [RtuClient, RtuClient, TcpClient, RtuOverTcpClient])
        self.assertTrue(readers[0].client is readers[1].client)
        self.assertEqual(len(self.opened), 1)

    def test_rated_power(self):
        (reader,) = self.readers([{"rated_power_w": 7000}], [{}])
        self.assertEqual(reader.rated_power_w, 7000)

    def test_two_meters_that_cannot_be_told_apart_are_refused(self):
        with self.assertRaises(MeterError) as caught:
            self.readers([{}, {}], [{}])
        self.assertEqual(caught.exception.code, "meter-alike")
        by_serial = {"profile": "other"}
        self.assertEqual(len(self.readers([by_serial, by_serial], [{}])), 2)

    def test_energy_registers(self):
        registers = energy_registers({"a": sample(INTEGER), "b": sample(INTEGER, ("power_w",))})
        self.assertEqual(registers, {"a": ((4, 0x34),)})

    def test_a_missing_profile(self):
        def read_file(name):
            raise OSError(2)

        config = {"meters": [METER], "quantities": ["power_w"]}
        with self.assertRaises(ConfigError) as caught:
            load_profiles(config, read_file)
        self.assertEqual(caught.exception.code, "profile-missing")

    def configured(self, count, quantities, serial_registers):
        """A station of so many meters, each with a serial number of so many registers."""
        serial = register(0x9000, "raw", 3, count=serial_registers)
        profile = json.dumps(dict(SIGNED_64, identity={"serial": serial})).encode()
        meters = [with_changes(METER, {"unit_id": unit}) for unit in range(1, count + 1)]
        return load_profiles({"meters": meters, "quantities": quantities}, lambda name: profile)

    def test_more_meters_than_the_journal_can_describe_are_refused(self):
        quantities = ["energy_import_wh", "power_w"]
        profile = self.configured(1, quantities, 32)["test-meter"]
        meter = Meter(
            profile.id,
            profile.hash_16,
            1,
            tuple([(r.function, r.address, bytes(2 * r.count)) for r in profile.identity]),
            tuple([(r.function, r.address, bytes(2 * r.count)) for r in profile.setup]),
            profile.layout(),
        )
        most = 1
        while len(Context(1, (most + 1) * (meter,)).pack()) <= MAX_CONTEXT_LEN:
            most += 1
        self.assertTrue(10 < most < 30, most)
        self.configured(most, quantities, 32)
        with self.assertRaises(ConfigError) as caught:
            self.configured(most + 1, quantities, 32)
        self.assertEqual(caught.exception.code, "config-meters")
        self.assertTrue("the first %d" % most in caught.exception.text, caught.exception.text)
        self.configured(32, quantities, 1)


if __name__ == "__main__":
    unittest.main()
