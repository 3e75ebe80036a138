"""Memory of answers that may still come, late or a second time.

An RTU reply carries no address: the late reply to one read can pass for the reply to the next if
unit, function and register count (the shape) are the same; Victron varies the count for that
reason. Each request leaves a mark here before it is sent. While an answer is outstanding no other
read of the same shape may be sent; once it was answered, none of the same shape from another
address, as a gateway may deliver twice. Marks go after their time. Must never forget a mark whose
answer is outstanding.
"""

from agent.constant import const

_MOST = const(16)


class _Mark:
    def __init__(self, shape, address):
        self.shape = shape
        self.address = address
        self.outstanding = 0
        self.since_ms = 0
        self.hold_ms = 0


class LateReplies:
    """Shapes are (unit, function, count)."""

    def __init__(self, timing):
        self._timing = timing
        self._marks = []

    def expect(self, shape, address, hold_ms):
        """A request is about to be sent."""
        mark = self._find(shape, address)
        if mark is None:
            mark = _Mark(shape, address)
            self._marks.append(mark)
        mark.outstanding += 1
        self._hold(mark, hold_ms)

    def answered(self, shape, address, hold_ms):
        """Its answer was taken; a copy may follow."""
        mark = self._find(shape, address)
        mark.outstanding -= 1
        if mark.outstanding <= 0:
            self._hold(mark, hold_ms)

    def arrived(self, shape):
        """An answer of this shape came that nobody waits for now; True if one could still come."""
        found = [mark for mark in self._marks if mark.shape == shape]
        for mark in found:
            if mark.outstanding > 0:
                mark.outstanding -= 1
                break
        return bool(found)

    def blocked_ms(self, shape, address):
        """Milliseconds until such a read can be told from answers to others; 0: at once."""
        self._purge()
        waits = [
            self._left_ms(mark)
            for mark in self._marks
            if mark.shape == shape and (mark.outstanding > 0 or mark.address != address)
        ]
        if len(self._marks) >= _MOST:
            waits.append(min([self._left_ms(mark) for mark in self._marks]))
        return max(waits) if waits else 0

    def _hold(self, mark, hold_ms):
        mark.since_ms = self._timing.ms()
        mark.hold_ms = hold_ms

    def _find(self, shape, address):
        for mark in self._marks:
            if mark.shape == shape and mark.address == address:
                return mark
        return None

    def _left_ms(self, mark):
        gone_ms = self._timing.since_ms(mark.since_ms)
        return mark.hold_ms - gone_ms if 0 <= gone_ms <= mark.hold_ms else 0

    def _purge(self):
        kept = [mark for mark in self._marks if self._left_ms(mark) > 0]
        while len(kept) >= _MOST:
            settled = [mark for mark in kept if mark.outstanding <= 0]
            if not settled:
                break
            kept.remove(settled[0])
        self._marks = kept
