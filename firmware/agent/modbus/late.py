"""Memory of answers that may still come, late or a second time.

An RTU reply carries no address: the late reply to one read can pass for the reply to the next if
unit, function and register count (the shape) are the same; Victron varies the count for that
reason. Each request leaves a mark here before it is sent. While an answer is outstanding no other
read of the same shape may be sent, not even of the same registers: what comes may be old. Once it
was answered none may for a while, as a gateway may deliver twice. Marks go after their time. Must
never forget a mark whose answer is outstanding.
"""

from agent.constant import const

_MOST = const(16)


class _Mark:
    def __init__(self, shape):
        self.shape = shape
        self.outstanding = 0
        self.since_ms = 0
        self.hold_ms = 0


class LateReplies:
    """Shapes are (unit, function, count)."""

    def __init__(self, timing):
        self._timing = timing
        self._marks = []

    def expect(self, shape, hold_ms):
        """A request is about to be sent."""
        mark = self._find(shape)
        if mark is None:
            mark = _Mark(shape)
            self._marks.append(mark)
        mark.outstanding += 1
        self._hold(mark, hold_ms)

    def answered(self, shape, hold_ms):
        """Its answer was taken; a copy may follow."""
        mark = self._find(shape)
        if mark is not None:
            mark.outstanding -= 1
            if mark.outstanding <= 0:
                self._hold(mark, hold_ms)

    def refused(self, shape, hold_ms):
        """An exception came. It does not say what it answers: only alone it is the answer."""
        if all(m.outstanding <= (m.shape == shape) for m in self._marks if m.shape[0] == shape[0]):
            self.answered(shape, hold_ms)

    def arrived(self, shape):
        """Whether an answer of this shape that nobody waits for now may be a late one. It settles
        nothing: it may be an older one again.
        """
        return self._find(shape) is not None

    def blocked_ms(self, shape):
        """Milliseconds until the answer to such a read can be told from others; 0: at once."""
        self._purge()
        waits = [self._left_ms(mark) for mark in self._marks if mark.shape == shape]
        if len(self._marks) >= _MOST:
            waits.append(min([self._left_ms(mark) for mark in self._marks]))
        return max(waits) if waits else 0

    def _hold(self, mark, hold_ms):
        mark.since_ms = self._timing.ms()
        mark.hold_ms = hold_ms

    def _find(self, shape):
        for mark in self._marks:
            if mark.shape == shape:
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
