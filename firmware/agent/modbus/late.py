"""Memory of answers that were given up and may still come.

An RTU reply carries no address: a late reply to one read can pass for the reply to the next if
unit, function and register count are the same (Victron varies the count for that reason). Here
each request leaves a mark before it is sent; the mark goes when its answer was taken, or after
`late_ms`. While a mark lives, no other request of the same shape may be sent. Must never forget a
living mark.
"""

_MOST = 16


class LateReplies:
    """Marks of (unit, function, count)."""

    def __init__(self, timing):
        self._timing = timing
        self._marks = []  # [shape, answers outstanding, since, hold_ms]

    def expect(self, shape, hold_ms):
        """A request of this shape is about to be sent."""
        mark = self._find(shape)
        if mark is None:
            mark = [shape, 0, 0, 0]
            self._marks.append(mark)
        mark[1] += 1
        mark[2] = self._timing.ms()
        mark[3] = hold_ms

    def arrived(self, shape):
        """An answer of this shape came, in time or late; True if one was outstanding."""
        mark = self._find(shape)
        if mark is None:
            return False
        mark[1] -= 1
        if mark[1] <= 0:
            self._marks.remove(mark)
        return True

    def blocked_ms(self, shape):
        """Milliseconds until a request of this shape can be told from late answers; 0: at once."""
        self._purge()
        mark = self._find(shape)
        if mark is not None:
            return self._left_ms(mark)
        if len(self._marks) < _MOST:
            return 0
        return min(self._left_ms(mark) for mark in self._marks)

    def _find(self, shape):
        for mark in self._marks:
            if mark[0] == shape:
                return mark
        return None

    def _left_ms(self, mark):
        gone = self._timing.since_ms(mark[2])
        return mark[3] - gone if 0 <= gone <= mark[3] else 0

    def _purge(self):
        self._marks = [mark for mark in self._marks if self._left_ms(mark) > 0]
