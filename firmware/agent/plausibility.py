"""Can this energy register be true? Zero, backward, rollover and jumps beyond rated power cannot.

Such a value is kept and flagged, never hidden, and is never a baseline: one zero reading must not
book the whole lifetime total when the meter comes back. Integer milliwatt-hours only. A pure
judgement: what to read again, and when, is for the caller.
"""

from agent.constant import const

ZERO, BACKWARD, ROLLOVER, JUMP = "zero", "backward", "rollover", "jump"
RATED_POWER_W = 100000
SETTLED_AFTER = 10  # flagged readings in a row that agree with each other
_SLACK_MS = const(2000)  # between the meter's latching of a value and our request for it
_SLACK_PERCENT = const(110)


class Baseline:
    """The last total that was believed, and the run of flagged ones since."""

    def __init__(self, rated_power_w=RATED_POWER_W):
        self.rated_power_w = rated_power_w
        self._believed = None  # (total_mwh, mono_ms)
        self._doubted = None  # the newest flagged one
        self._agreeing = 0

    def reset(self):
        """Another meter: nothing is known."""
        self._believed = self._doubted = None
        self._agreeing = 0

    def judge(self, total_mwh, mono_ms, step_mwh, span_mwh=0):
        """None if the total can be true, else why not. Changes nothing.

        `step_mwh`: resolution of the register; `span_mwh`: where it rolls over, 0 if unknown.
        """
        if self._believed is None:
            return ZERO if total_mwh == 0 else None
        return self._against(self._believed, total_mwh, mono_ms, step_mwh, span_mwh)

    def believe(self, total_mwh, mono_ms):
        """The new baseline: a total that was judged plausible."""
        self._believed = (total_mwh, mono_ms)
        self._doubted = None
        self._agreeing = 0

    def doubt(self, total_mwh, mono_ms, step_mwh):
        """Note a flagged total; True once so many in a row agree that the register itself has
        changed.

        Then the next plausible one counts from here: the caller must state the break.
        A zero where there was energy never becomes a baseline.
        """
        follows = self._doubted is not None and not self._against(
            self._doubted, total_mwh, mono_ms, step_mwh, 0
        )
        self._agreeing = self._agreeing + 1 if follows else 1
        self._doubted = (total_mwh, mono_ms)
        if total_mwh == 0 and self._believed is not None:
            return False
        if self._agreeing < SETTLED_AFTER:
            return False
        self.believe(total_mwh, mono_ms)
        return True

    def _against(self, before, total_mwh, mono_ms, step_mwh, span_mwh):
        previous_mwh, previous_ms = before
        most_mwh = self._most_mwh(mono_ms - previous_ms) + 2 * step_mwh
        rise_mwh = total_mwh - previous_mwh
        if rise_mwh > most_mwh:
            return JUMP
        if rise_mwh >= 0:
            return None
        for span in (span_mwh, _next_power_of_ten(previous_mwh)):
            if span and 0 <= rise_mwh + span <= most_mwh:
                return ROLLOVER
        return ZERO if total_mwh == 0 else BACKWARD

    def _most_mwh(self, elapsed_ms):
        """W * ms / 3600 are milliwatt-hours."""
        return self.rated_power_w * (elapsed_ms + _SLACK_MS) * _SLACK_PERCENT // 360000


def _next_power_of_ten(value):
    """Smallest power of ten above `value`: where a decimal counter rolls over."""
    power = 1
    while power <= value:
        power *= 10
    return power
