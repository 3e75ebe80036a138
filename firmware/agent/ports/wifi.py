"""Keeps a board on the wireless network, for ever, whatever the access point does.

`wlan` has network.WLAN's interface (station mode). Known pitfalls: `connect` while connecting
fails with an internal error, so disconnect and wait a second first; the state survives a soft
reset, so the interface is switched off and on after some failures; the power-save mode adds
latency. Must never end because of the network, and never print the password.
"""

from agent import log
from agent.constant import const

_STEP_MS = const(500)
_SETTLE_MS = const(1000)
_ATTEMPT_MS = const(20000)
_CYCLE_AFTER = const(3)  # failed attempts
_WATCH_MS = const(2000)
_PAUSES_MS = const((2000, 5000, 15000, 60000))
DOWN, CONNECTING, UP = "down", "connecting", "up"


class Wifi:
    """`await run(check_in)`; `pause_s`: leave the radio off so long first (brown-out loops)."""

    def __init__(self, wlan, ssid, password, hostname, sleep_ms, pause_s=0):
        self._wlan = wlan
        self._ssid = ssid
        self._password = password
        self._hostname = hostname
        self._sleep_ms = sleep_ms
        self.pause_s = pause_s
        self.state = DOWN
        self.failures = 0

    def is_up(self):
        """Whether the station has an address."""
        return self._wlan.isconnected()

    def rssi_dbm(self):
        """Signal strength, or None while it is down."""
        try:
            return self._wlan.status("rssi") if self.is_up() else None
        except (OSError, ValueError):
            return None

    async def run(self, check_in):
        """For ever: connect, watch, connect again."""
        await self._wait(self.pause_s * 1000, check_in)
        self._switch_on()
        while True:
            if self.is_up():
                self._note(UP)
                self.failures = 0
                await self._wait(_WATCH_MS, check_in)
            else:
                await self._attempt(check_in)

    async def _attempt(self, check_in):
        self._note(CONNECTING)
        try:
            self._wlan.disconnect()
            await self._wait(_SETTLE_MS, check_in)
            self._wlan.connect(self._ssid, self._password)
            waited_ms = 0
            while waited_ms < _ATTEMPT_MS and not self.is_up():
                await self._wait(_STEP_MS, check_in)
                waited_ms += _STEP_MS
        except OSError as error:
            log.warn("wifi", "error", errno=error.args[0] if error.args else 0)
        if not self.is_up():
            await self._failed(check_in)

    async def _failed(self, check_in):
        self._note(DOWN)
        self.failures += 1
        if self.failures % _CYCLE_AFTER == 0:
            await self._cycle(check_in)
        pause_ms = _PAUSES_MS[min(self.failures, len(_PAUSES_MS)) - 1]
        await self._wait(pause_ms, check_in)

    async def _cycle(self, check_in):
        """Off and on again: a state that survived a soft reset goes with it."""
        try:
            self._wlan.active(False)
            await self._wait(_SETTLE_MS, check_in)
            self._switch_on()
        except OSError as error:
            log.warn("wifi", "cycle", errno=error.args[0] if error.args else 0)

    def _switch_on(self):
        self._wlan.active(True)
        try:
            self._wlan.config(pm=self._wlan.PM_NONE, reconnects=0)
        except (OSError, ValueError, AttributeError):
            pass  # an older driver: slower answers, reconnects of its own

    def _note(self, state):
        if state != self.state:
            self.state = state
            log.info("wifi", state, failures=self.failures)

    async def _wait(self, ms, check_in):
        while ms > 0:
            check_in()
            step_ms = min(ms, _STEP_MS)
            await self._sleep_ms(step_ms)
            ms -= step_ms
        check_in()
