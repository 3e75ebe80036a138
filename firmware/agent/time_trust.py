"""Which time to hold against certificates, and what a verified collector's answer proves about it.

A board that lost power starts in the year 2000, where no certificate is valid yet. The candidates
are tried in turn: the belief, the stored floor, the answer of a time server. A candidate is used
for a handshake only; it becomes a belief when the collector, verified under it, confirms it. The
floor rises only when a handshake was verified under a time that the collector then confirmed: so
neither a forged NTP packet nor a collector with a wrong clock can push a board out of reach.
Must never weaken the verification itself.
"""

from . import log
from .clock import COLLECTOR, NTP, NTP_CONFIRMED
from .constant import const
from .errors import ClockError, FwError

_AGREE_MS = const(
    300000
)  # the collector confirms the time of the handshake if it is no further away

_ABOUT_TIME = const(("tls-expired", "tls-not-yet-valid"))

BELIEF, FLOOR, NTP_CANDIDATE = "belief", "floor", "ntp"


class TimeTrust:
    """Candidates for the time of a handshake; `query_ntp()` is a coroutine or None."""

    def __init__(self, clock, query_ntp=None):
        self._clock = clock
        self._query_ntp = query_ntp
        self._turn = BELIEF
        self._offset_ms = None  # UTC minus monotonic time, under the candidate in force
        self._ntp_offset_ms = None
        self._ntp = None  # (t_unix_ms, error_ms, mono_ms) of the newest answer
        self._sure_offset_ms = None  # of this boot, that handshake and collector agreed on

    async def prepare(self):
        """Before a handshake: set the clock that TLS looks at to the next candidate."""
        if self._turn == NTP_CANDIDATE or self._clock.utc_ms() is None:
            await self._ask_ntp()
        if self._turn == BELIEF and self._clock.utc_ms() is None:
            self._turn = FLOOR
        candidate_ms = self._candidate()
        self._offset_ms = candidate_ms - self._clock.mono_ms()
        if self._turn == BELIEF:
            self._clock.restore_system()
        else:
            self._clock.set_system(candidate_ms, False)
        return self._turn

    def _candidate(self):
        if self._turn == BELIEF:
            return self._clock.utc_ms()
        now = self._clock.mono_ms()
        candidate_ms = self._clock.floor.t_unix_ms
        if self._turn == NTP_CANDIDATE and self._ntp_offset_ms is not None:
            candidate_ms = self._ntp_offset_ms + now
        if self._sure_offset_ms is None:
            return candidate_ms
        # Nothing older: it would let a certificate pass that has expired meanwhile.
        return max(candidate_ms, self._sure_offset_ms + now)

    async def _ask_ntp(self):
        if self._query_ntp is None:
            return
        try:
            t_unix_ms, error_ms = await self._query_ntp()
            now = self._clock.mono_ms()
            if not self._clock.floor.permits(t_unix_ms):
                raise ClockError("ntp-implausible", "before the floor or beyond the horizon")
            self._ntp_offset_ms = t_unix_ms - now
            self._ntp = (t_unix_ms, error_ms, now)
            self._clock.set_utc(t_unix_ms, NTP, error_ms, now)
        except (FwError, OSError) as error:
            log.warn("clock", "ntp", code=getattr(error, "code", "ntp-network"))

    def failed(self, code):
        """The handshake failed. If another time might make the certificate valid, it is the next
        candidate's turn; else this one proved nothing.
        """
        self._clock.restore_system()
        if code in _ABOUT_TIME:
            order = (BELIEF, NTP_CANDIDATE, FLOOR)
            self._turn = order[(order.index(self._turn) + 1) % 3]

    def confirmed(self, t_unix_ms, error_ms, mono_ms):
        """The verified collector said that it was `t_unix_ms` at `mono_ms`, within `error_ms`."""
        self._clock.set_utc(t_unix_ms, COLLECTOR, error_ms, mono_ms)
        self._confirm_ntp(t_unix_ms - mono_ms, error_ms)
        if abs(t_unix_ms - mono_ms - self._offset_ms) <= _AGREE_MS:
            self._sure_offset_ms = t_unix_ms - mono_ms
            self._clock.floor.raise_to(t_unix_ms)
        self._turn = BELIEF

    def _confirm_ntp(self, offset_ms, error_ms):
        """A time server's answer that agrees with the collector is the sharper of the two."""
        if self._ntp is None:
            return
        t_unix_ms, ntp_error_ms, mono_ms = self._ntp
        self._ntp = None
        if abs(t_unix_ms - mono_ms - offset_ms) <= error_ms + ntp_error_ms:
            self._clock.set_utc(t_unix_ms, NTP_CONFIRMED, ntp_error_ms, mono_ms)
