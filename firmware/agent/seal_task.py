"""Seals and looks after the flash while the bus is idle, and stretches the interval when it fills.

A signature may take 500 ms and an erase 400 ms, and both stop the event loop: neither is begun
while a meter is being asked or is about to be. A bus that is never idle for so long must not keep
readings unsealed for ever: then it is done between two polls, and the next one comes late. After a
failure of the flash the journal is mounted again. Must never wait for the network.
"""

from . import log
from .constant import const
from .errors import FwError, JournalFull, SignerError

_TICK_MS = const(100)
_SEAL_MS = const(700)
_ERASE_MS = const(500)
_TASK_RESTARTED = const(9)
_SAMPLING = const(12)  # event sampling_interval
_FILLING = const(1)
_CONFIGURED = const(2)
_PATIENCE = const(3)  # polls that begin while a batch is due, then it is sealed before the next
_MOST_IN_TURN = const(4)  # batches between two polls
_RESTORE_PERMILLE = const(150)  # below the threshold, so that the interval does not swing


class SealTask:
    """`meters`: the MeterTask; `on_sealed()` tells the uplink that there is something to send."""

    def __init__(self, sealer, journal, meters, recorder, config, sleep_ms, on_sealed):
        self._sealer = sealer
        self._journal = journal
        self._meters = meters
        self._recorder = recorder
        self._config = config
        self._sleep_ms = sleep_ms
        self._on_sealed = on_sealed
        self._told = False  # that the key does not sign
        self._passed = 0  # polls that began while a batch was due
        self._failure = None  # of sealing between two polls
        self.interval_s = config["read_interval_s"]

    async def run(self, check_in):
        """For ever, one step at a time; what the flash refuses is raised."""
        while True:
            check_in()
            self._look_after_flash()
            if not self.step():
                await self._sleep_ms(_TICK_MS)
            else:
                await self._sleep_ms(0)

    def step(self):
        """Do one thing for which there is time now; False if there was none to do."""
        half_ms = self._meters.interval_ms // 2
        idle_ms = self._meters.idle_ms()
        if self._sealer.due() and idle_ms >= min(_SEAL_MS, half_ms):
            return self._seal()
        if idle_ms >= min(_ERASE_MS, half_ms):
            return self._journal.idle()
        return False

    def between_polls(self):
        """No meter is being asked now: seal what waited too long for a longer pause."""
        if not self._sealer.due():
            self._passed = 0
            return
        self._passed += 1
        if self._passed < _PATIENCE and not self._sealer.crowded:
            return
        try:
            for _ in range(_MOST_IN_TURN):
                if not (self._sealer.due() and self._seal()):
                    break
        except (FwError, OSError, MemoryError) as error:
            self._failure = error  # is this task's, not that of the meters

    def _look_after_flash(self):
        """After a write that failed, see what the journal holds: the flash may be well again."""
        failure, self._failure = self._failure, None
        if failure:
            raise failure
        if self._sealer.ready and not self._recorder.broken:
            return
        self._recorder.broken = False
        self._sealer.recover(self._journal.mount())
        self._recorder.meters(self._meters.meters)

    def _seal(self):
        try:
            sealed = self._sealer.seal_once()
        except JournalFull as error:
            log.error("seal", "refused", code=error.code)
            return False
        except SignerError as error:
            self._not_signed(error)
            return False
        self._told = False
        self._adapt()
        if sealed is None:
            return False
        self.sealed(sealed)
        return True

    def _not_signed(self, error):
        """Told once until it signs again; what is read meanwhile waits in the journal."""
        log.error("seal", "not signed", code=error.code)
        if not self._told:
            self._told = True
            self._recorder.event(_TASK_RESTARTED, ["seal", error.code])

    def sealed(self, sealed):
        """What follows a batch (number, hash), whoever had it sealed."""
        self._recorder.resumed()
        log.info("seal", "sealed", number=sealed[0], waiting=self._journal.waiting)
        self._on_sealed()

    def _adapt(self):
        """Read less often while the journal fills with what nobody fetches; undo it later."""
        wanted_s = next_interval_s(
            self.interval_s,
            self._journal.fill_permille,
            self._config["journal"]["thin_permille"],
            self._config["read_interval_s"],
            max(self._config["max_interval_s"], self._config["read_interval_s"]),
        )
        if wanted_s == self.interval_s:
            return
        reason = _FILLING if wanted_s > self.interval_s else _CONFIGURED
        self.interval_s = wanted_s
        self._meters.set_interval_s(wanted_s)
        self._recorder.event(_SAMPLING, [wanted_s, reason])
        log.warn("seal", "interval", interval_s=wanted_s, reason=reason)


def next_interval_s(now_s, fill_permille, thin_permille, configured_s, longest_s):
    """Double from the threshold on, up to the longest; back to the configured one well below."""
    if fill_permille >= thin_permille:
        return min(2 * now_s, longest_s)
    if fill_permille < thin_permille - _RESTORE_PERMILLE:
        return configured_s
    return now_s
