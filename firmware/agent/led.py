"""The light: one blink every five seconds says that all is well, more of them what is not.

| blinks | meaning                                          |
|--------|--------------------------------------------------|
| 1      | all is well                                      |
| 2      | batches wait and the collector does not answer   |
| 3      | a meter does not answer                          |
| 4      | the journal is nearly full or refuses            |
| 5      | the time of day is not known                     |

The gravest is shown: 4, 3, 5, 2, 1. Off: the station does not run. Must never decide anything.
"""

from .constant import const

OK, NO_COLLECTOR, METER_LOST, JOURNAL_FULL, NO_CLOCK = 1, 2, 3, 4, 5
_ON_MS = const(120)
_OFF_MS = const(280)
_PERIOD_MS = const(5000)
_FULL_PERMILLE = const(800)
_MANY = const(3)  # batches that wait


def code(app):
    """How often to blink."""
    if app.journal.fill_permille >= _FULL_PERMILLE or app.recorder.dropped:
        return JOURNAL_FULL
    if any(watch.state == "lost" for watch in app.meters.watches):
        return METER_LOST
    if app.clock.utc_ms() is None:
        return NO_CLOCK
    if app.uplink and app.journal.waiting >= _MANY:
        return NO_COLLECTOR
    return OK


class Led:
    """`light(on)` switches it."""

    def __init__(self, light, app, sleep_ms):
        self._light = light
        self._app = app
        self._sleep_ms = sleep_ms

    async def run(self, check_in):
        """For ever."""
        while True:
            check_in()
            blinks = code(self._app)
            for _ in range(blinks):
                self._light(True)
                await self._sleep_ms(_ON_MS)
                self._light(False)
                await self._sleep_ms(_OFF_MS)
            await self._sleep_ms(_PERIOD_MS - blinks * (_ON_MS + _OFF_MS))
