"""The last total of each meter before this boot, out of the journal.

A register that went back, or jumped, while the board had no power shows only against what was read
before. Needed once, at the start, and forgotten then (see `forget`). Must never take a flagged
reading, nor claim to know how long ago a reading was where no clock says so.
"""

from . import cbor
from .constant import const
from .errors import ReadingError
from .journal import ANCHOR, CONTEXT, READING
from .meter_reader import IMPLAUSIBLE
from .reading import Context, unpack

_ANCHOR_HEAD = const(0x85)
_MOST = const(16)


_UNKNOWN_GAP_MS = const(30 * 86400000)  # no power for longer, and at full load: hardly


def resume(found, watch, meter, clock):
    """What was found of this very meter becomes the baseline of its watch.

    Where the time is not known it is taken to be a month.
    """
    for known, reading, t_unix_ms in found:
        total = watch.reader.total(reading, watch.setup) if known == meter else None
        if total is not None:
            gap_ms = _gap_ms(t_unix_ms, clock.utc_ms())
            watch.baseline.believe(total[0], clock.mono_ms() - gap_ms)


def _gap_ms(from_ms, until_ms):
    if from_ms is None or until_ms is None or until_ms < from_ms:
        return _UNKNOWN_GAP_MS
    return until_ms - from_ms


def last_readings(journal):
    """[(Meter, Reading, t_unix_ms or None)], the newest last, of the journal's newest sectors."""
    found, anchors, context = [], {}, None
    for kind, payload in journal.newest():
        try:
            if kind == CONTEXT:
                context = Context.unpack(payload)
            elif kind == READING and context:
                _note(found, context, unpack(payload, context.boot, 0))
            elif kind == ANCHOR and payload[0] == _ANCHOR_HEAD:
                boot, offset = cbor.read_uint(payload, 1)
                mono_ms, offset = cbor.read_uint(payload, offset)
                anchors[boot] = cbor.read_uint(payload, offset)[0] - mono_ms
        except (ReadingError, ValueError, IndexError):
            context = None if kind == CONTEXT else context  # the sealer counts what is malformed
    return [(meter, one, _t_unix_ms(one, anchors)) for meter, one in found]


def _note(found, context, reading):
    if reading.flags & IMPLAUSIBLE or reading.meter >= len(context.meters):
        return
    meter = context.meters[reading.meter]
    found[:] = [one for one in found if one[0] != meter][1 - _MOST :]
    found.append((meter, reading))


def _t_unix_ms(reading, anchors):
    start_ms = anchors.get(reading.boot)
    return None if start_ms is None else start_ms + 100 * reading.t_100ms
