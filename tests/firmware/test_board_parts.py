"""Parts of a board's port that need no board: real-time clock, wireless network, file copies."""

import asyncio
import unittest

import _boot
from agent.files import BackedFiles, blob_name
from agent.ports.ds3231 import Ds3231, date_of, days_since_2000
from agent.ports.wifi import CONNECTING, UP, Wifi
from fakes.board import Store

UNIX_2000_MS = 946684800000
DAY_MS = 86400000


class Chip:
    """Registers of a DS3231 on a bus that may fail."""

    def __init__(self):
        self.registers = bytearray(19)
        self.absent = False

    def readfrom_mem(self, address, register, count):
        if self.absent or address != 0x68:
            raise OSError(19)
        return bytes(self.registers[register : register + count])

    def writeto_mem(self, address, register, data):
        if self.absent or address != 0x68:
            raise OSError(19)
        self.registers[register : register + len(data)] = data


class Ds3231Test(unittest.TestCase):
    def setUp(self):
        self.chip = Chip()
        self.clock = Ds3231(self.chip)

    def test_gives_back_every_day_of_its_century(self):
        for day in range(0, 36525, 13):
            t_unix_ms = UNIX_2000_MS + day * DAY_MS + (23 * 3600 + 59 * 60 + 58) * 1000
            self.clock.write(t_unix_ms)
            self.assertEqual(self.clock.read(), t_unix_ms)

    def test_registers_are_those_of_the_data_sheet(self):
        self.clock.write(1795489384000)  # 2026-11-24T03:03:04Z, Tuesday: day 3
        self.assertEqual(bytes(self.chip.registers[:7]), b"\x04\x03\x03\x03\x24\x11\x26")

    def test_a_stopped_oscillator_has_no_time_until_it_is_set(self):
        self.chip.registers[0x0F] = 0x80
        self.assertEqual(self.clock.read(), None)
        self.clock.write(UNIX_2000_MS)
        self.assertEqual(self.clock.read(), UNIX_2000_MS)

    def test_no_chip_no_time(self):
        self.chip.absent = True
        self.assertEqual(self.clock.read(), None)

    def test_dates(self):
        self.assertEqual(days_since_2000(0, 3, 1), 60)
        self.assertEqual(date_of(59), (0, 2, 29))
        self.assertEqual(date_of(366), (1, 1, 1))


class Wlan:
    """An access point that answers the n-th attempt; connecting twice is an internal error."""

    PM_NONE = 0

    def __init__(self, answers_at):
        self.answers_at = answers_at
        self.attempts = 0
        self.cycles = 0
        self.connecting = False
        self.connected = False
        self.on = False

    def active(self, on=None):
        if on is not None:
            self.cycles += on is False
            self.on = on
        return self.on

    def config(self, **settings):
        self.settings = settings

    def isconnected(self):
        return self.connected

    def status(self, what):
        return -61

    def disconnect(self):
        self.connecting = self.connected = False

    def connect(self, ssid, password):
        if self.connecting or not self.on:
            raise OSError("Wifi Internal Error")
        self.attempts += 1
        self.connecting = True
        self.connected = self.attempts >= self.answers_at


class Enough(Exception):
    """Ends a task that never ends by itself."""


class WifiTest(unittest.TestCase):
    def run_until(self, wifi, condition, most_ms):
        self.elapsed_ms = 0

        async def sleep_ms(ms):
            self.elapsed_ms += ms
            if condition() or self.elapsed_ms > most_ms:
                raise Enough

        wifi._sleep_ms = sleep_ms
        try:
            asyncio.run(wifi.run(lambda: None))
        except Enough:
            pass

    def make(self, answers_at, pause_s=0):
        self.wlan = Wlan(answers_at)
        return Wifi(self.wlan, "station", "secret", "board", None, pause_s)

    def test_connects_without_power_saving(self):
        wifi = self.make(1)
        self.run_until(wifi, lambda: wifi.state == UP, 60000)
        self.assertEqual((wifi.state, wifi.rssi_dbm()), (UP, -61))
        self.assertEqual(self.wlan.settings, {"pm": 0, "reconnects": 0})

    def test_goes_on_until_the_access_point_answers_and_switches_the_radio_off_and_on(self):
        wifi = self.make(8)
        self.run_until(wifi, lambda: wifi.state == UP, 3600000)
        self.assertEqual((wifi.state, wifi.failures), (UP, 0))
        self.assertEqual((self.wlan.attempts, self.wlan.cycles), (8, 2))

    def test_comes_back_after_the_network_went(self):
        wifi = self.make(1)
        self.run_until(wifi, lambda: wifi.state == UP, 60000)
        self.wlan.connected = False
        self.run_until(wifi, lambda: wifi.state == CONNECTING, 60000)
        self.run_until(wifi, lambda: wifi.state == UP, 60000)
        self.assertEqual((wifi.state, self.wlan.attempts), (UP, 2))

    def test_leaves_the_radio_off_in_a_brown_out_loop(self):
        wifi = self.make(1, pause_s=40)
        self.run_until(wifi, lambda: self.wlan.on, 60000)
        self.assertTrue(self.elapsed_ms >= 40000)


class FilesTest(unittest.TestCase):
    def setUp(self):
        self.disk = {"config.json": b"{}"}
        self.store = Store()
        self.files = BackedFiles(self.read_disk, self.store)

    def read_disk(self, name):
        if name not in self.disk:
            raise OSError(2)
        return self.disk[name]

    def test_a_lost_file_comes_from_its_copy(self):
        self.assertEqual(self.files.read("config.json"), b"{}")
        self.files.passed()
        self.disk.clear()
        self.assertEqual(self.files.read("config.json"), b"{}")

    def test_a_changed_file_changes_its_copy(self):
        self.files.read("config.json")
        self.disk["config.json"] = b"{1}"
        self.assertEqual(self.files.read("config.json"), b"{1}")
        self.assertIsNone(self.store.get(blob_name("config.json")))  # nobody checked it
        self.files.passed()
        self.assertEqual(self.store.get(blob_name("config.json")), b"{1}")

    def test_a_damaged_file_leaves_its_copy_alone_and_gives_way_to_it(self):
        self.files.read("config.json")
        self.files.passed()
        self.disk["config.json"] = b"{\x80"
        files = BackedFiles(self.read_disk, self.store)  # the next boot
        self.assertEqual(files.read("config.json"), b"{\x80")
        self.assertTrue(files.fall_back())
        self.assertEqual(files.read("config.json"), b"{}")
        files.passed()
        self.assertEqual(self.store.get(blob_name("config.json")), b"{}")
        self.assertFalse(files.fall_back())

    def test_without_copies_there_is_nothing_to_fall_back_on(self):
        self.files.read("config.json")
        self.assertFalse(self.files.fall_back())

    def test_a_file_that_never_was_is_missing(self):
        with self.assertRaises(OSError):
            self.files.read("ca.der")

    def test_names_fit_the_store(self):
        self.assertTrue(len(blob_name("profiles/carlo-gavazzi-em24-rs485.json")) <= 15)


class Vfs:
    """File systems that mount only after they were made anew, or never."""

    def __init__(self, mounts_at):
        self.mounts_at = mounts_at
        self.calls = []
        self.VfsLfs2 = self

    def mount(self, device, place):
        self.calls.append("mount")
        if self.calls.count("mount") < self.mounts_at:
            raise OSError(84)

    def mkfs(self, device):
        self.calls.append("mkfs")


class BootTest(unittest.TestCase):
    def mount(self, mounts_at):
        real, _boot.vfs = _boot.vfs, Vfs(mounts_at)
        try:
            return _boot.mount("device"), _boot.vfs.calls
        finally:
            _boot.vfs = real

    def test_a_good_file_system_is_left_alone(self):
        self.assertEqual(self.mount(1), (True, ["mount"]))

    def test_a_corrupt_one_is_made_anew_once(self):
        self.assertEqual(self.mount(2), (True, ["mount", "mkfs", "mount"]))

    def test_none_at_all_never_stops_the_board(self):
        self.assertEqual(self.mount(9), (False, ["mount", "mkfs", "mount"]))


if __name__ == "__main__":
    unittest.main()
