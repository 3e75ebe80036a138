"""Two clocks: a monotonic one that never steps, and a belief about UTC that names its source.

Monotonic milliseconds of this boot are extended beyond the wrap of `ticks_ms` (2^30 ms, 12.4 days,
on 32-bit boards). UTC is known only through anchors (WIRE_FORMAT.md section 5). The only module
that knows the two epochs (1970 on a PC, 2000 on ESP32). Must never let an unauthenticated source
raise the persistent floor, and never accept a time below it or beyond the horizon.
"""

from . import log
from .constant import const
from .errors import ClockError

RTC, BATTERY_RTC, NTP, NTP_CONFIRMED, COLLECTOR, OPERATOR = 1, 2, 3, 4, 5, 6
_RANK = {0: 0, NTP: 1, RTC: 2, BATTERY_RTC: 3, OPERATOR: 5, NTP_CONFIRMED: 6, COLLECTOR: 6}

_AUTHENTICATED = (NTP_CONFIRMED, COLLECTOR, OPERATOR)

_EPOCH_2000_S = const(946684800)
_HORIZON_MS = 20 * 366 * 86400 * 1000  # a clock 20 years past the firmware's build is wrong
_DRIFT_PPM = const(100)  # crystal of a board, over its range of temperature
_STEP_MS = const(2000)  # a smaller correction is no event


def epoch_s(gmtime):
    """Unix time of the port's second 0: 0 or 946684800, told by the year of `gmtime(0)`."""
    return {1970: 0, 2000: _EPOCH_2000_S}[gmtime(0)[0]]


def port_s(t_unix_ms, gmtime):
    """Seconds of the port's own epoch, as its `gmtime` takes them."""
    return t_unix_ms // 1000 - epoch_s(gmtime)


class Clock:
    """`ticks` has ticks_ms, ticks_add; `rtc` has read() -> t_unix_ms or None, set_system, keep."""

    def __init__(self, boot, ticks, rtc, floor, on_set=None):
        self.boot = boot
        self.floor = floor
        self.on_set = on_set or (lambda source, step_ms, anchor: None)
        self._ticks = ticks
        self._mask = ticks.ticks_add(0, -1)
        self._last = ticks.ticks_ms()
        self._mono_ms = 0
        self._anchor = None
        self._rtc = rtc

    def mono_ms(self):
        """Milliseconds since the start; must be called once in 12 days (sampling does)."""
        now = self._ticks.ticks_ms()
        self._mono_ms += (now - self._last) & self._mask
        self._last = now
        return self._mono_ms

    def utc_ms(self):
        """UTC in milliseconds since 1970 as far as it is believed, or None."""
        if self._anchor is None:
            return None
        return self._anchor[2] + self.mono_ms() - self._anchor[1]

    def anchor(self):
        """(boot, mono_ms, t_unix_ms, source, error_ms) of the best belief, or None."""
        return self._anchor

    def error_ms(self):
        """Bound of the error of `utc_ms()` now, drift since the anchor included; None if unset."""
        if self._anchor is None:
            return None
        return self._anchor[4] + (self.mono_ms() - self._anchor[1]) * _DRIFT_PPM // 1000000

    def start(self):
        """Take the time from the clock that ran through the power cut, or else from the floor."""
        found = self._rtc.read()
        if found is not None and self.floor.permits(found):
            self.set_utc(found, self._rtc.source, self._rtc.error_ms)
        else:
            self.restore_system()

    def set_utc(self, t_unix_ms, source, error_ms, mono_ms=None):
        """Believe that UTC was `t_unix_ms` at `mono_ms`; False if what is held is better."""
        if not self.floor.permits(t_unix_ms):
            raise ClockError(
                "clock-implausible",
                "expected a time between the floor %d and the horizon, found %d: left as it was"
                % (self.floor.t_unix_ms, t_unix_ms),
                source=source,
            )
        now = self.mono_ms()
        at = now if mono_ms is None else mono_ms
        before = self.utc_ms()
        step_ms = 0 if before is None else t_unix_ms + now - at - before
        if not self._better(source, error_ms, step_ms):
            return False
        notable = before is None or abs(step_ms) >= _STEP_MS or source != self._anchor[3]
        self._anchor = (self.boot, at, t_unix_ms, source, error_ms)
        self.restore_system()
        if notable and source in _AUTHENTICATED:
            self._rtc.keep(t_unix_ms + now - at)
        if notable:
            self.on_set(source, step_ms, self._anchor)
        return True

    def _better(self, source, error_ms, step_ms):
        if self._anchor is None:
            return True
        held = _RANK[self._anchor[3]]
        if _RANK[source] != held:
            return _RANK[source] > held
        return error_ms <= self.error_ms() or abs(step_ms) > error_ms + self.error_ms()

    def set_system(self, t_unix_ms, genuine):
        """Set the clock that TLS looks at; only `genuine` times are believed after a reset."""
        self._rtc.set_system(t_unix_ms, genuine)

    def restore_system(self):
        """Set the clock that TLS looks at to the belief, or to the floor without one."""
        if self._anchor is None:
            self.set_system(self.floor.t_unix_ms, False)
        else:
            self.set_system(self.utc_ms(), self._anchor[3] != NTP)


class Floor:
    """The time that cannot be before now: it only rises, and only by authenticated time."""

    _NAME = "clock_floor"
    _WRITE_EVERY_MS = 6 * 3600 * 1000  # spares the flash

    def __init__(self, store, build_unix_s):
        self._store = store
        self._build_ms = build_unix_s * 1000
        blob = store.get(self._NAME)
        stored = int.from_bytes(blob, "big") if blob and len(blob) == 8 else 0
        plausible = stored <= self._build_ms + _HORIZON_MS
        self.t_unix_ms = max(stored if plausible else 0, self._build_ms)

    def permits(self, t_unix_ms):
        """True if `t_unix_ms` lies between the floor and the horizon."""
        return self.t_unix_ms <= t_unix_ms <= self._build_ms + _HORIZON_MS

    def raise_to(self, t_unix_ms):
        """Only for a time under which TLS was verified and that the verified peer confirmed."""
        if not self.permits(t_unix_ms) or t_unix_ms - self.t_unix_ms < self._WRITE_EVERY_MS:
            return
        self.t_unix_ms = t_unix_ms
        try:
            self._store.set(self._NAME, t_unix_ms.to_bytes(8, "big"))
        except OSError as error:  # an acknowledgement must not fail for it
            log.warn("clock", "floor not kept", errno=error.args[0] if error.args else 0)
