"""The way to the network, made by the task that uses it: a driver that fails stops nothing else.

What a driver raises ends the task, which the supervisor starts again after a pause. Must never
touch the driver before the pause of a brown-out loop is over.
"""

from agent.constant import const

_STEP_MS = const(500)
_WATCH_MS = const(2000)


class Link:
    """`make()` gives a Wifi or a Lan; `pause_s`: leave the radio off so long first."""

    def __init__(self, make, sleep_ms):
        self._make = make
        self._sleep_ms = sleep_ms
        self._interface = None
        self.pause_s = 0

    def is_up(self):
        """Whether there is a way to the network."""
        return bool(self._interface and self._interface.is_up())

    def rssi_dbm(self):
        """Signal strength, or None where there is none."""
        return self._interface.rssi_dbm() if self._interface else None

    async def run(self, check_in):
        """For ever, or until the driver fails."""
        for _ in range(self.pause_s * 1000 // _STEP_MS):
            check_in()
            await self._sleep_ms(_STEP_MS)
        self.pause_s = 0
        if self._interface is None:
            self._interface = self._make()
        await self._interface.run(check_in)


class Lan:
    """`lan` has network.LAN's interface; the driver itself follows the cable."""

    def __init__(self, lan, sleep_ms):
        self._lan = lan
        self._sleep_ms = sleep_ms

    def is_up(self):
        """Whether the cable is in, and the station has an address."""
        return self._lan.isconnected()

    def rssi_dbm(self):
        """A cable has none."""
        return None

    async def run(self, check_in):
        """For ever; switched on again if it is off."""
        while True:
            check_in()
            if not self._lan.active():
                self._lan.active(True)
            await self._sleep_ms(_WATCH_MS)
