"""How long a read may take at most, whatever the line does.

For who sets limits, and for tests; the station itself never loads this. Must hold for every fault.
"""

from .settings import frame_ms


def longest_attempt_ms(line, lim, count):
    """Upper bound for one request and its answer, whatever the line does."""
    wire = frame_ms(line, 8) + 2 * frame_ms(line, 5 + 2 * count)
    return lim.busy_ms + wire + lim.first_byte_ms + 2 * lim.gap_ms


def longest_read_ms(line, lim, count, longer=0):
    """Upper bound for `read` with all its retries; what else blocks the loop comes on top.

    With `longer`, the meter may refuse that first, and is then asked for `count`. A spacer may
    come before it and fail (see base.Client.add_unit).
    """
    attempts = lim.retries + 3
    each = longest_attempt_ms(line, lim, max(count, longer)) + lim.pause_ms + lim.min_interval_ms
    once = lim.first_byte_ms + lim.late_ms + attempts * each
    return 2 * once if longer else once
