"""The contact of the cabinet's door: each opening and closing becomes an event.

`is_open()` reads the contact. A state counts when it was the same for a second, so that a rattling
door writes little; the first state of a boot is always told. Must never keep the loop busy.
"""

from agent.constant import const

CABINET = 8  # event kind, WIRE_FORMAT.md section 6

_LOOK_MS = const(250)
_STEADY = const(4)  # looks


class Cabinet:
    """`on_event(kind, detail)` takes what happens."""

    def __init__(self, is_open, on_event, sleep_ms):
        self._is_open = is_open
        self._on_event = on_event
        self._sleep_ms = sleep_ms
        self._told = None
        self._seen = None
        self._steady = 0

    async def run(self, check_in):
        """For ever."""
        while True:
            check_in()
            self.step()
            await self._sleep_ms(_LOOK_MS)

    def step(self):
        """Look once."""
        seen = bool(self._is_open())
        self._steady = self._steady + 1 if seen == self._seen else 1
        self._seen = seen
        if self._steady >= _STEADY and seen != self._told:
            self._told = seen
            self._on_event(CABINET, [1 if seen else 0])
