"""The port of the ESP32 with modules that are none: the technician's time, and the watchdog."""

import asyncio
import time
import unittest

from agent import clock
from agent.clock import OPERATOR, RTC, Clock, Floor
from agent.errors import ConfigError, StoreError
from agent.inspect import answer
from agent.ports.ds3231 import Ds3231
from fakes.board import Store, Ticks
from fakes.esp32_chip import chip, install

BUILD_S = 1790000000
NOW_MS = BUILD_S * 1000 + 30 * 86400000
UNIX_2000_S = 946684800
esp32 = install()


class Time:
    """The module `time` of an ESP32: seconds since 2000, by the clock of the chip."""

    @staticmethod
    def gmtime(t_s):
        t = time.gmtime(t_s + UNIX_2000_S - clock.epoch_s(time.gmtime))
        return tuple(t[:8])

    @staticmethod
    def time():
        d = chip.date
        from agent.ports.ds3231 import days_since_2000

        return 86400 * days_since_2000(d[0] - 2000, d[1], d[2]) + 3600 * d[4] + 60 * d[5] + d[6]


class I2c:
    """A DS3231 whose battery was just put in."""

    def __init__(self):
        self.registers = bytearray(19)
        self.registers[0x0F] = 0x80

    def readfrom_mem(self, address, register, count):
        return bytes(self.registers[register : register + count])

    def writeto_mem(self, address, register, data):
        self.registers[register : register + len(data)] = data


class Station:
    """What the question `time` needs of the application."""

    def __init__(self, rtc):
        self.told = []
        self.floor = Floor(Store(), BUILD_S)
        self.clock = Clock(1, Ticks(), rtc, self.floor, lambda *what: self.told.append(what))
        self.clock.start()

    async def send(self, value):
        self.answer = value if value[0] == "time" else self.answer

    def set_time(self, t_unix_ms):
        asyncio.run(answer(self, "time %d" % t_unix_ms, self))
        return self.answer


class TechnicianTimeTest(unittest.TestCase):
    def setUp(self):
        self.real, esp32.time = esp32.time, Time
        chip.power_cut()

    def tearDown(self):
        esp32.time = self.real

    def test_a_board_without_network_has_the_time_of_the_laptop_and_says_whose_it_is(self):
        station = Station(esp32.InternalRtc())
        self.assertIsNone(station.clock.utc_ms())
        self.assertEqual(station.set_time(NOW_MS), {0: "time", 1: NOW_MS, 2: OPERATOR})
        self.assertEqual(station.told[0][0], OPERATOR)  # an event, which is sealed
        self.assertEqual(station.floor.t_unix_ms, BUILD_S * 1000)  # nobody vouched for it

    def test_it_is_still_there_after_a_reset_as_the_time_of_the_clock(self):
        Station(esp32.InternalRtc()).set_time(NOW_MS)
        again = Station(esp32.InternalRtc())
        self.assertEqual(again.clock.utc_ms(), NOW_MS)
        self.assertEqual(again.clock.anchor()[3], RTC)

    def test_the_clock_with_the_battery_is_set_and_runs_through_a_power_cut(self):
        i2c = I2c()
        Station(esp32.InternalRtc(Ds3231(i2c))).set_time(NOW_MS)
        chip.power_cut()
        self.assertEqual(Station(esp32.InternalRtc(Ds3231(i2c))).clock.utc_ms(), NOW_MS)

    def test_what_a_collector_said_stays(self):
        station = Station(esp32.InternalRtc())
        station.clock.set_utc(NOW_MS, clock.COLLECTOR, 500)
        found = station.set_time(NOW_MS - 3600000)
        self.assertEqual(found, {0: "time", 1: NOW_MS, 2: clock.COLLECTOR})

    def test_a_time_before_the_firmware_was_built_is_refused(self):
        with self.assertRaises(Exception) as caught:
            Station(esp32.InternalRtc()).set_time(UNIX_2000_S * 1000)
        self.assertEqual(caught.exception.code, "clock-implausible")


class StoreTest(unittest.TestCase):
    """Only what is not there is missing; what cannot be read is there, perhaps."""

    def setUp(self):
        install()
        self.store = esp32.NvsStore()
        self.addCleanup(setattr, chip, "nvs_error", 0)

    def test_blobs_of_every_length(self):
        self.assertIsNone(self.store.get("none"))
        for length in (0, 256, 257, 6144):
            self.store.set("blob", bytes(length))
            self.assertEqual(self.store.get("blob"), bytes(length))

    def test_an_error_is_not_nothing(self):
        self.store.set("keystore", b"key")
        self.store.set("large", bytes(6145))
        for error in (5, -0x1101, -0x1105):
            chip.nvs_error = error
            with self.assertRaises(StoreError) as caught:
                self.store.get("keystore")
            self.assertEqual(caught.exception.code, "store-unreadable")
        chip.nvs_error = 0
        with self.assertRaises(StoreError):
            self.store.get("large")
        self.assertEqual(self.store.get("keystore"), b"key")

    def test_a_board_without_the_partition_says_what_to_do(self):
        with self.assertRaises(ConfigError) as caught:
            esp32.Board("/").equip({"clock": {"rtc": "internal"}, "secure_element": "none"})
        self.assertEqual(caught.exception.code, "journal-partition")


class WatchdogTest(unittest.TestCase):
    def setUp(self):
        chip.power_cut()
        install()
        self.board = esp32.Board("/")

    def test_who_breaks_in_has_an_hour_even_behind_a_soft_reset(self):
        self.board.guard()
        self.board.attended()
        chip.soft_reset()
        self.assertEqual((chip.watchdog_ms, chip.timers), (3600000, 0))

    def test_none_is_started_where_none_runs(self):
        self.board.attended()
        self.assertIsNone(chip.watchdog_ms)


if __name__ == "__main__":
    unittest.main()
