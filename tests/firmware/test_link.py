"""The way to the network is made by its own task, after the pause of a brown-out loop."""

import asyncio
import unittest

from agent.ports.link import Lan, Link


class Enough(Exception):
    """Ends a task that runs for ever."""


class Driver:
    """network.LAN, as far as it is used; fails so often first."""

    def __init__(self, failures=0):
        self.failures = failures
        self.is_active = False

    def active(self, on=None):
        if on is None:
            return self.is_active
        if self.failures:
            self.failures -= 1
            raise OSError(-1, "esp_eth_driver_install failed")
        self.is_active = on


class LinkTest(unittest.TestCase):
    def setUp(self):
        self.slept_ms = 0
        self.most_ms = 10000
        self.made = []
        self.checked_in = 0

    async def sleep_ms(self, ms):
        self.slept_ms += ms
        if self.slept_ms > self.most_ms:
            raise Enough

    def make(self):
        self.made.append(self.slept_ms)
        if len(self.made) == 1:
            raise OSError(-1, "no driver")
        self.driver = Driver(failures=1)
        return Lan(self.driver, self.sleep_ms)

    def check_in(self):
        self.checked_in += 1

    def run_link(self, link, error):
        with self.assertRaises(error):
            asyncio.run(link.run(self.check_in))

    def test_a_driver_that_cannot_be_made_ends_only_its_task(self):
        link = Link(self.make, self.sleep_ms)
        self.assertIsNone(link.rssi_dbm())
        self.run_link(link, OSError)  # the supervisor starts it again
        self.run_link(link, OSError)  # made, but not switched on
        self.run_link(link, Enough)
        self.assertEqual((len(self.made), self.driver.is_active), (2, True))
        self.assertIsNone(link.rssi_dbm())

    def test_nothing_is_touched_before_the_pause_is_over(self):
        link = Link(self.make, self.sleep_ms)
        link.pause_s = 4
        self.run_link(link, OSError)
        self.assertEqual(self.made, [4000])
        self.assertEqual(self.checked_in, 8)
        self.run_link(link, OSError)
        self.assertEqual(self.made, [4000, 4000])

    def test_one_that_was_switched_off_is_switched_on_again(self):
        driver = Driver()
        lan = Lan(driver, self.sleep_ms)
        self.run_link(lan, Enough)
        driver.is_active = False
        self.slept_ms = 0
        self.run_link(lan, Enough)
        self.assertTrue(driver.is_active)


if __name__ == "__main__":
    unittest.main()
